//! Looks at how a gRPC call ended before its answer is passed on, where another try may follow.
//!
//! A server that has sent its headers says the status in trailers. One frame is waited for, and a
//! second one is looked at if it is there already: a call of one message has ended by then.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;

use super::body::{Body, BodyError};
use super::classify::{grpc_status, is_grpc};

/// What was read of a body, then the rest.
#[derive(Default)]
pub struct Peeked {
    read: VecDeque<Result<Frame<Bytes>, BodyError>>,
    /// None: all was read.
    pub rest: Option<Body>,
}

/// What says the status is in the headers or, if it has come yet, in the body's trailers.
pub async fn peek(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !is_grpc(headers) || grpc_status(headers).is_some() || response.body().is_end_stream() {
        return response;
    }
    let (head, mut body) = response.into_parts();
    let mut peeked = Peeked::default();
    let first = body.frame().await;
    let may_follow = peeked.keep(first);
    let second = may_follow.then(|| body.frame().now_or_never());
    let has_more = match second {
        None => false,
        Some(None) => true,
        Some(Some(second)) => peeked.keep(second),
    };
    peeked.rest = has_more.then_some(body);
    Response::from_parts(head, Body::peeked(peeked))
}

impl Peeked {
    /// Whether another frame may follow this one.
    fn keep(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> bool {
        let is_data = matches!(&frame, Some(Ok(frame)) if frame.is_data());
        self.read.extend(frame);
        is_data
    }

    pub fn trailers(&self) -> Option<&HeaderMap> {
        let last = self.read.back()?.as_ref().ok()?;
        last.trailers_ref()
    }

    pub fn take(&mut self) -> Option<Result<Frame<Bytes>, BodyError>> {
        self.read.pop_front()
    }

    pub fn is_end(&self) -> bool {
        let is_over = |body: &Body| body.is_end_stream();
        self.read.is_empty() && self.rest.as_ref().is_none_or(is_over)
    }

    pub fn size_hint(&self) -> SizeHint {
        let data = |frame: &Result<Frame<Bytes>, _>| {
            let frame = frame.as_ref().ok().and_then(Frame::data_ref);
            frame.map_or(0, Bytes::len) as u64
        };
        let first: u64 = self.read.iter().map(data).sum();
        let rest = self.rest.as_ref().map(Body::size_hint);
        let rest = rest.unwrap_or_else(|| SizeHint::with_exact(0));
        let mut hint = SizeHint::new();
        hint.set_lower(first + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint
    }
}
