//! Matches and filters: the part of routes that both directions share.

use http::{HeaderName, HeaderValue, Method, StatusCode};
use linkerd2_proxy_api::{grpc_route, http_route as pb, http_types};
use regex::Regex;

use super::InvalidPolicy;
use crate::route::filter::{Failure, Filter, HeaderChanges, PathChange, Redirect};
use crate::route::select::{HostMatch, PathMatch, RequestMatch, ValueMatch};

type Translated<T> = Result<T, InvalidPolicy>;

pub fn hosts(from: Vec<pb::HostMatch>) -> Vec<HostMatch> {
    let hosts = from.into_iter().filter_map(|host| host.r#match);
    hosts
        .map(|host| match host {
            pb::host_match::Match::Exact(exact) => HostMatch::Exact(exact),
            pb::host_match::Match::Suffix(suffix) => {
                let labels = suffix.reverse_labels.iter().rev();
                HostMatch::Suffix(labels.map(|label| format!(".{label}")).collect())
            }
        })
        .collect()
}

pub fn http_match(from: pb::HttpRouteMatch) -> Translated<RequestMatch> {
    Ok(RequestMatch {
        path: from.path.and_then(|p| p.kind).map(path).transpose()?,
        headers: headers(from.headers)?,
        query: from
            .query_params
            .into_iter()
            .map(query)
            .collect::<Translated<_>>()?,
        method: from
            .method
            .map(Method::try_from)
            .transpose()
            .map_err(|_| InvalidPolicy("a method that is none"))?,
    })
}

pub fn grpc_match(from: grpc_route::GrpcRouteMatch) -> Translated<RequestMatch> {
    Ok(RequestMatch {
        path: from.rpc.map(|rpc| PathMatch::Rpc {
            service: rpc.service,
            method: rpc.method,
        }),
        headers: headers(from.headers)?,
        ..RequestMatch::default()
    })
}

fn path(from: pb::path_match::Kind) -> Translated<PathMatch> {
    use pb::path_match::Kind;
    Ok(match from {
        Kind::Exact(exact) => PathMatch::Exact(exact),
        Kind::Prefix(prefix) => PathMatch::Prefix(prefix.trim_end_matches('/').to_string()),
        Kind::Regex(regex) => PathMatch::Regex(pattern(&regex)?),
    })
}

fn pattern(text: &str) -> Translated<Regex> {
    Regex::new(text).map_err(|_| InvalidPolicy("a regular expression that is none"))
}

fn headers(from: Vec<pb::HeaderMatch>) -> Translated<Vec<(HeaderName, ValueMatch)>> {
    use pb::header_match::Value;
    let headers = from.into_iter().map(|header| {
        let name = name(&header.name)?;
        Ok(match header.value {
            Some(Value::Exact(exact)) => (name, ValueMatch::Exact(exact)),
            Some(Value::Regex(regex)) => (name, ValueMatch::Regex(pattern(&regex)?)),
            None => return Err(InvalidPolicy("a header match without a value")),
        })
    });
    headers.collect()
}

fn query(from: pb::QueryParamMatch) -> Translated<(String, ValueMatch)> {
    use pb::query_param_match::Value;
    Ok(match from.value {
        Some(Value::Exact(exact)) => (from.name, ValueMatch::Exact(exact.into_bytes())),
        Some(Value::Regex(regex)) => (from.name, ValueMatch::Regex(pattern(&regex)?)),
        None => return Err(InvalidPolicy("a query match without a value")),
    })
}

fn name(from: &str) -> Translated<HeaderName> {
    HeaderName::try_from(from).map_err(|_| InvalidPolicy("a header name that is none"))
}

fn pairs(from: Option<http_types::Headers>) -> Translated<Vec<(HeaderName, HeaderValue)>> {
    let headers = from.map(|h| h.headers).unwrap_or_default();
    let pairs = headers.into_iter().map(|header| {
        let value = HeaderValue::try_from(header.value)
            .map_err(|_| InvalidPolicy("a header value that is none"))?;
        Ok((name(&header.name)?, value))
    });
    pairs.collect()
}

fn changes(
    add: Option<http_types::Headers>,
    set: Option<http_types::Headers>,
    remove: &[String],
) -> Translated<HeaderChanges> {
    Ok(HeaderChanges {
        add: pairs(add)?,
        set: pairs(set)?,
        remove: remove.iter().map(|n| name(n)).collect::<Translated<_>>()?,
    })
}

pub fn request_headers(from: pb::RequestHeaderModifier) -> Translated<Filter> {
    Ok(Filter::RequestHeaders(changes(
        from.add,
        from.set,
        &from.remove,
    )?))
}

pub fn response_headers(from: pb::ResponseHeaderModifier) -> Translated<Filter> {
    Ok(Filter::ResponseHeaders(changes(
        from.add,
        from.set,
        &from.remove,
    )?))
}

pub fn redirect(from: pb::RequestRedirect) -> Translated<Filter> {
    use pb::path_modifier::Replace;
    let status = match from.status {
        0 => StatusCode::FOUND,
        status => http_status(status)?,
    };
    let scheme: Option<std::borrow::Cow<'static, str>> = from
        .scheme
        .and_then(|s| s.r#type)
        .map(|t| (&t).try_into())
        .transpose()
        .map_err(|_| InvalidPolicy("a scheme that is none"))?;
    Ok(Filter::Redirect(Redirect {
        scheme: scheme.map(|s| s.into_owned()),
        host: Some(from.host).filter(|host| !host.is_empty()),
        port: u16::try_from(from.port).ok().filter(|port| *port > 0),
        path: from.path.and_then(|p| p.replace).map(|r| match r {
            Replace::Full(full) => PathChange::Full(full),
            Replace::Prefix(prefix) => PathChange::Prefix(prefix),
        }),
        status,
    }))
}

pub fn http_failure(from: pb::HttpFailureInjector) -> Translated<Filter> {
    Ok(Filter::Fail {
        failure: Failure::Http(http_status(from.status)?),
        message: from.message,
        ratio: ratio(from.ratio),
    })
}

pub fn grpc_failure(from: grpc_route::GrpcFailureInjector) -> Filter {
    Filter::Fail {
        failure: Failure::Grpc(from.code),
        message: from.message,
        ratio: ratio(from.ratio),
    }
}

fn http_status(from: u32) -> Translated<StatusCode> {
    let status = u16::try_from(from).ok();
    status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or(InvalidPolicy("a status that is none"))
}

/// No ratio at all means always.
fn ratio(from: Option<pb::Ratio>) -> f64 {
    match from {
        Some(ratio) if ratio.denominator > 0 => {
            f64::from(ratio.numerator) / f64::from(ratio.denominator)
        }
        _ => 1.0,
    }
}
