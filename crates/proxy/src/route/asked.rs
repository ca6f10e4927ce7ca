//! What a request's own `l5d-` headers ask of time-outs and retries, where its policy lets it.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::retry::Retry;
use super::timeout::Timeouts;

const TIMEOUT: HeaderName = HeaderName::from_static("l5d-timeout");
/// The same, in full; it wins.
const REQUEST_TIMEOUT: HeaderName = HeaderName::from_static("l5d-request-timeout");
const RESPONSE_TIMEOUT: HeaderName = HeaderName::from_static("l5d-response-timeout");
const RETRY_HTTP: HeaderName = HeaderName::from_static("l5d-retry-http");
const RETRY_GRPC: HeaderName = HeaderName::from_static("l5d-retry-grpc");
const RETRY_LIMIT: HeaderName = HeaderName::from_static("l5d-retry-limit");
const RETRY_TIMEOUT: HeaderName = HeaderName::from_static("l5d-retry-timeout");

/// None: not asked, or in words that are not understood, which change nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    request: Option<Duration>,
    response: Option<Duration>,
    statuses: Option<Vec<RangeInclusive<u16>>>,
    codes: Option<Vec<u32>>,
    max_retries: Option<u32>,
    try_timeout: Option<Duration>,
}

impl Asked {
    pub fn read(headers: &HeaderMap) -> Self {
        Self {
            request: read(headers, &REQUEST_TIMEOUT, duration)
                .or_else(|| read(headers, &TIMEOUT, duration)),
            response: read(headers, &RESPONSE_TIMEOUT, duration),
            statuses: read(headers, &RETRY_HTTP, statuses),
            codes: read(headers, &RETRY_GRPC, codes),
            max_retries: read(headers, &RETRY_LIMIT, |text| text.parse().ok()),
            try_timeout: read(headers, &RETRY_TIMEOUT, duration),
        }
    }

    pub fn timeouts(&self, of_route: Timeouts) -> Timeouts {
        Timeouts {
            request: self.request.or(of_route.request),
            response: self.response.or(of_route.response),
            idle: of_route.idle,
        }
    }

    pub fn retry<'a>(&self, of_route: Option<&'a Retry>) -> Option<Cow<'a, Retry>> {
        let is_asked = self.statuses.is_some()
            || self.codes.is_some()
            || self.max_retries.is_some()
            || self.try_timeout.is_some();
        if !is_asked {
            return of_route.map(Cow::Borrowed);
        }
        let base = of_route.cloned().unwrap_or_default();
        Some(Cow::Owned(Retry {
            max_retries: self.max_retries.unwrap_or(base.max_retries),
            statuses: self.statuses.clone().unwrap_or(base.statuses),
            codes: self.codes.clone().unwrap_or(base.codes),
            timeout: self.try_timeout.or(base.timeout),
            ..base
        }))
    }
}

fn read<T>(
    headers: &HeaderMap,
    name: &HeaderName,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let value = headers.get(name)?;
    let parsed = value.to_str().ok().and_then(|text| parse(text.trim()));
    if parsed.is_none() {
        tracing::debug!(%name, ?value, "A header is not understood and changes nothing");
    }
    parsed
}

/// As in annotations. Zero asks for nothing.
fn duration(text: &str) -> Option<Duration> {
    let parsed = crate::config::duration(text).ok()?;
    Some(parsed).filter(|duration| !duration.is_zero())
}

/// `5xx`, `gateway-error`, `503` or `500-504`, separated by commas.
fn statuses(text: &str) -> Option<Vec<RangeInclusive<u16>>> {
    let status = |text: &str| {
        let status = text.parse().ok()?;
        (100..600).contains(&status).then_some(status)
    };
    let range = |item: &str| match item.to_ascii_lowercase().as_str() {
        "5xx" => Some(500..=599),
        "gateway-error" => Some(502..=504),
        item => {
            let (low, high) = item.split_once('-').unwrap_or((item, item));
            let range = status(low)?..=status(high)?;
            (!range.is_empty()).then_some(range)
        }
    };
    text.split(',').map(|item| range(item.trim())).collect()
}

fn codes(text: &str) -> Option<Vec<u32>> {
    let code = |item: &str| match item.trim().to_ascii_lowercase().as_str() {
        "cancelled" => Some(1),
        "deadline-exceeded" => Some(4),
        "resource-exhausted" => Some(8),
        "internal" => Some(13),
        "unavailable" => Some(14),
        _ => None,
    };
    text.split(',').map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn asked(headers: &[(HeaderName, &'static str)]) -> Asked {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_static(value));
        }
        Asked::read(&map)
    }

    #[test]
    fn the_longer_name_wins() {
        let both = asked(&[(TIMEOUT, "1s"), (REQUEST_TIMEOUT, "250ms")]);
        let timeouts = both.timeouts(Timeouts::default());
        assert_eq!(timeouts.request, Some(Duration::from_millis(250)));
        let short = asked(&[(TIMEOUT, "1s"), (REQUEST_TIMEOUT, "soon")]);
        let timeouts = short.timeouts(Timeouts::default());
        assert_eq!(timeouts.request, Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_not_asked_stays_the_route_s() {
        let route = Timeouts {
            request: Some(Duration::from_secs(9)),
            response: None,
            idle: Some(Duration::from_secs(8)),
        };
        let timeouts = asked(&[(RESPONSE_TIMEOUT, "2m")]).timeouts(route);
        assert_eq!(timeouts.response, Some(Duration::from_secs(120)));
        assert_eq!(
            (timeouts.request, timeouts.idle),
            (route.request, route.idle)
        );
        assert_eq!(asked(&[(TIMEOUT, "1s")]).retry(None), None);
    }

    #[test]
    fn conditions_are_as_in_annotations() {
        let retry = asked(&[(RETRY_HTTP, "5xx, 429,500-502,Gateway-Error")]).retry(None);
        let statuses = &retry.as_ref().unwrap().statuses;
        assert_eq!(statuses, &[500..=599, 429..=429, 500..=502, 502..=504]);
        assert_eq!(retry.unwrap().max_retries, 1);
        let retry = asked(&[(RETRY_GRPC, "unavailable,internal")]).retry(None);
        assert_eq!(retry.unwrap().codes, [14, 13]);
        for wrong in ["", "4xx", "504-500", "99", "600", "500-"] {
            assert_eq!(super::statuses(wrong), None, "{wrong}");
        }
        assert_eq!(super::codes("unavailable,not-found"), None);
    }

    #[test]
    fn a_request_changes_its_route_s_retries() {
        let route = Retry {
            max_retries: 5,
            statuses: vec![503..=503],
            ..Retry::default()
        };
        let retry = asked(&[(RETRY_LIMIT, "0")]).retry(Some(&route)).unwrap();
        assert_eq!((retry.max_retries, &retry.statuses), (0, &route.statuses));
        let nothing = asked(&[(RETRY_LIMIT, "many")]).retry(Some(&route));
        assert!(matches!(nothing, Some(Cow::Borrowed(_))));
    }
}
