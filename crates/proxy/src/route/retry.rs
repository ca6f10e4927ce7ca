//! Which answers a route wants tried again, how often and after how long.

use std::ops::RangeInclusive;
use std::time::Duration;

use http::StatusCode;

use crate::control::stream::chance;

#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    pub max_retries: u32,
    pub max_request_bytes: usize,
    pub statuses: Vec<RangeInclusive<u16>>,
    /// gRPC codes.
    pub codes: Vec<u32>,
    /// How long one try may wait for the response's head.
    pub timeout: Option<Duration>,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
}

impl Default for Retry {
    /// One more try, and no answer that wants it.
    fn default() -> Self {
        Self {
            max_retries: 1,
            max_request_bytes: 64 * 1024,
            statuses: Vec::new(),
            codes: Vec::new(),
            timeout: None,
            min_backoff: Duration::from_millis(25),
            max_backoff: Duration::from_millis(250),
        }
    }
}

impl Retry {
    pub fn wants_status(&self, status: StatusCode) -> bool {
        let status = status.as_u16();
        self.statuses.iter().any(|range| range.contains(&status))
    }

    pub fn wants_code(&self, code: u32) -> bool {
        self.codes.contains(&code)
    }

    /// Doubles per attempt, counted from 1, shortened by up to half.
    pub fn delay(&self, attempt: u32) -> Duration {
        let doubled = self.min_backoff.saturating_mul(1 << (attempt - 1).min(16));
        doubled.min(self.max_backoff).mul_f64(1.0 - chance() / 2.0)
    }
}
