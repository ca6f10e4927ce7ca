//! A body of which the first frames were read before it is passed on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::body::{Body, BodyError};

/// What was read, then the rest; without one all was read.
#[derive(Default)]
pub struct Begun {
    read: VecDeque<Result<Frame<Bytes>, BodyError>>,
    rest: Option<Body>,
}

impl Begun {
    /// Another frame that was read. Whether one may follow it.
    pub fn keep(&mut self, frame: Option<Result<Frame<Bytes>, BodyError>>) -> bool {
        let is_data = matches!(&frame, Some(Ok(frame)) if frame.is_data());
        self.read.extend(frame);
        is_data
    }

    pub fn followed_by(self, rest: Option<Body>) -> Self {
        Self { rest, ..self }
    }

    /// If they were read.
    pub fn trailers(&self) -> Option<&HeaderMap> {
        let last = self.read.back()?.as_ref().ok()?;
        last.trailers_ref()
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match (self.read.pop_front(), &mut self.rest) {
            (Some(frame), _) => Poll::Ready(Some(frame)),
            (None, Some(rest)) => Pin::new(rest).poll_frame(cx),
            (None, None) => Poll::Ready(None),
        }
    }

    pub fn is_end(&self) -> bool {
        self.read.is_empty() && self.rest.as_ref().is_none_or(Body::is_end_stream)
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
        if let Some(upper) = rest.upper() {
            hint.set_upper(first + upper);
        }
        hint.set_lower(first + rest.lower());
        hint
    }
}
