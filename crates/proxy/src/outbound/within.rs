//! Holds a request to its route's time-outs: as a whole, and each of its tries.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use super::http::Sending;
use super::retry;
use crate::connect::pool::SendError;
use crate::exchange::body::Body;
use crate::exchange::limits::{Limits, Over};
use crate::exchange::respond::Fault;

/// Waiting for an endpoint, and between tries, is a part of the whole.
pub async fn within_time(
    sending: &Sending<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let sent = retry::send(sending, request);
    let Some(limit) = sending.timeouts.request else {
        return sent.await;
    };
    let answered = tokio::time::timeout_at(sending.started + limit, sent).await;
    answered.unwrap_or_else(|_| Err(sending.timed_out(Over::Request(limit))))
}

impl Sending<'_> {
    /// Of one try. `head`: how long its response may take to begin.
    pub fn limits(&self, head: Option<Duration>) -> Option<Limits> {
        Limits::new(self.timeouts, head, self.started)
    }

    pub fn timed_out(&self, over: Over) -> Fault {
        match (&self.profiled, over) {
            (Some(_), Over::Request(_)) => Fault::profile_timed_out(over),
            _ => Fault::timed_out(over),
        }
    }
}

/// The answer to one try, unless one of its limits is reached before. Best on the heap: few
/// requests have limits, and all would have room for it.
pub async fn hold<T>(
    limits: &Limits,
    sent: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let answered = limits.hold(sent).await;
    answered.unwrap_or_else(|over| Err(SendError::TimedOut(over)))
}
