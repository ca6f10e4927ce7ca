//! The limits of a route or backend: time-outs, retries and the breaker, as our types. Pure.

use std::time::Duration;

use linkerd2_proxy_api::outbound as pb;

use crate::balance::breaker::BreakerSettings;
use crate::route::retry::Retry;
use crate::route::timeout::Timeouts;

pub fn accrual(from: pb::FailureAccrual) -> Option<BreakerSettings> {
    use pb::failure_accrual::Kind;
    let (max_failures, backoff) = match from.kind? {
        Kind::ConsecutiveFailures(consecutive) => (consecutive.max_failures, consecutive.backoff),
        Kind::Unified(unified) => (unified.max_consecutive_failures, unified.backoff),
    };
    let backoff = backoff.unwrap_or_default();
    Some(BreakerSettings {
        max_failures,
        min_backoff: duration(backoff.min_backoff).unwrap_or(Duration::from_secs(1)),
        max_backoff: duration(backoff.max_backoff).unwrap_or(Duration::from_secs(60)),
        jitter: f64::from(backoff.jitter_ratio),
    })
}

pub fn timeouts(from: Option<linkerd2_proxy_api::http_route::Timeouts>) -> Timeouts {
    let from = from.unwrap_or_default();
    Timeouts {
        request: duration(from.request),
        response: duration(from.response),
        idle: duration(from.idle),
    }
}

pub fn http_retry(from: pb::http_route::Retry) -> Retry {
    let ranges = from.conditions.unwrap_or_default().status_ranges;
    let status = |code: u32| u16::try_from(code).unwrap_or(u16::MAX);
    Retry {
        statuses: ranges
            .into_iter()
            .map(|range| status(range.start)..=status(range.end))
            .collect(),
        codes: Vec::new(),
        ..retry(
            from.max_retries,
            from.max_request_bytes,
            from.timeout,
            from.backoff,
        )
    }
}

pub fn grpc_retry(from: pb::grpc_route::Retry) -> Retry {
    let wanted = from.conditions.unwrap_or_default();
    let codes = [
        (wanted.cancelled, 1),
        (wanted.deadine_exceeded, 4),
        (wanted.resource_exhausted, 8),
        (wanted.internal, 13),
        (wanted.unavailable, 14),
    ];
    Retry {
        codes: codes
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, c)| *c)
            .collect(),
        ..retry(
            from.max_retries,
            from.max_request_bytes,
            from.timeout,
            from.backoff,
        )
    }
}

fn retry(
    max_retries: u32,
    max_bytes: u32,
    timeout: Option<prost_types::Duration>,
    backoff: Option<pb::ExponentialBackoff>,
) -> Retry {
    let backoff = backoff.unwrap_or_default();
    let usual = Retry::default();
    Retry {
        max_retries,
        max_request_bytes: match max_bytes {
            0 => usual.max_request_bytes,
            bytes => bytes as usize,
        },
        timeout: duration(timeout),
        min_backoff: duration(backoff.min_backoff).unwrap_or(usual.min_backoff),
        max_backoff: duration(backoff.max_backoff).unwrap_or(usual.max_backoff),
        ..usual
    }
}

/// Zero and negative mean none.
pub fn duration(from: Option<prost_types::Duration>) -> Option<Duration> {
    Duration::try_from(from?).ok().filter(|d| !d.is_zero())
}
