//! How long a route lets a request take.

use std::time::Duration;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request's head to the response's end.
    pub request: Option<Duration>,
    /// From the request's end to the response's head.
    pub response: Option<Duration>,
    /// Between two frames in either direction.
    pub idle: Option<Duration>,
}
