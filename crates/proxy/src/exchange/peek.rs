//! Looks at how a gRPC call ended before its answer is passed on, where another try may follow.
//!
//! A server that has sent its headers says the status in trailers. One frame is waited for, and a
//! second one is looked at if it is there already: a call of one message has ended by then.

use futures_util::FutureExt;
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::begun::Begun;
use super::body::Body;
use super::classify::{grpc_status, is_grpc};

/// What says the status is in the headers or, if it has come yet, in the body's trailers.
pub async fn peek(response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if !is_grpc(headers) || grpc_status(headers).is_some() || response.body().is_end_stream() {
        return response;
    }
    let (head, mut body) = response.into_parts();
    let mut begun = Begun::default();
    let first = body.frame().await;
    let may_follow = begun.keep(first);
    let second = may_follow.then(|| body.frame().now_or_never());
    let has_more = match second {
        None => false,
        Some(None) => true,
        Some(Some(second)) => begun.keep(second),
    };
    let rest = has_more.then_some(body);
    Response::from_parts(head, Body::begun(begun.followed_by(rest)))
}
