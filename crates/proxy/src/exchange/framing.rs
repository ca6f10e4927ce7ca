//! One reading of an HTTP/1 message: where it ends, and whom it is for. What another server could
//! read differently is refused, or rewritten so that it cannot.

use std::error::Error;

use http::header::{CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body::Body as _;

use super::body::{Body, BodyError};
use super::respond::Fault;
use crate::connect::pool::HttpError;

/// Asked of every request before anything else looks at it.
pub fn check<B>(request: &mut Request<B>) -> Result<(), Fault> {
    one_host(request)?;
    if request.version() != Version::HTTP_2 {
        only_chunked(request.headers()).map_err(|coding| match coding {
            Coding::Unknown(_) => Fault::not_implemented(coding.to_string()),
            Coding::Twice => Fault::bad_request(coding.to_string()),
        })?;
    }
    Ok(())
}

/// RFC 9112, section 3.2: one `Host`; what the request line or `:authority` says comes before it.
fn one_host<B>(request: &mut Request<B>) -> Result<(), Fault> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::bad_request("the request names its host twice"));
    }
    if host.is_some_and(|host| !host.as_bytes().iter().copied().all(is_host)) {
        return Err(Fault::bad_request("its host is not a host and port"));
    }
    if let Some(authority) = request.uri().authority() {
        let bare = authority.as_str().rsplit('@').next().unwrap_or_default();
        let is_same =
            host.is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(bare.as_bytes()));
        // HTTP/2 need not have it.
        let is_wanted = host.is_some() || request.version() != Version::HTTP_2;
        if !is_same
            && is_wanted
            && let Ok(host) = HeaderValue::from_str(bare)
        {
            request.headers_mut().insert(HOST, host);
        }
    }
    Ok(())
}

/// RFC 3986, section 3.2.2, with a port.
fn is_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80 || b"-._~!$&'()*+;=%[]:".contains(&byte)
}

/// A transfer coding that we cannot undo.
#[derive(Debug, thiserror::Error)]
pub enum Coding {
    #[error("transfer coding {0} is not understood; only chunked is")]
    Unknown(String),
    #[error("the body is chunked more than once")]
    Twice,
}

/// Whoever takes `transfer-encoding` off a message must have undone all of it.
pub fn only_chunked(headers: &HeaderMap) -> Result<(), Coding> {
    let values = headers.get_all(TRANSFER_ENCODING).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|&b| b == b','));
    let mut count = 0;
    for name in names
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
    {
        if !name.eq_ignore_ascii_case(b"chunked") {
            return Err(Coding::Unknown(String::from_utf8_lossy(name).into_owned()));
        }
        count += 1;
    }
    match count > 1 {
        true => Err(Coding::Twice),
        false => Ok(()),
    }
}

/// Says where an HTTP/1 request ends, whatever its method: without this a body of unknown length
/// would be left out of a GET.
pub fn delimit(request: &mut Request<Body>) {
    let body = request.body();
    if body.is_end_stream() || body.size_hint().exact().is_some() {
        return;
    }
    if request.headers().contains_key(CONTENT_LENGTH) {
        return;
    }
    if request.version() == Version::HTTP_10 {
        *request.version_mut() = Version::HTTP_11;
    }
    let chunked = HeaderValue::from_static("chunked");
    request.headers_mut().insert(TRANSFER_ENCODING, chunked);
}

/// Sending failed: was it the request's own body?
pub fn failed(error: &HttpError) -> Fault {
    let first: &(dyn Error + 'static) = match error {
        HttpError::Http1(error) => error,
        HttpError::Http2(error) => error,
    };
    let mut texts = Vec::new();
    let mut is_clients = false;
    let mut next = Some(first);
    while let Some(cause) = next {
        is_clients |= matches!(cause.downcast_ref(), Some(BodyError::Http(_)))
            || cause.downcast_ref().is_some_and(is_own_reset);
        texts.push(cause.to_string());
        next = cause.source();
    }
    let text = texts.join(": ");
    match is_clients {
        true => Fault::bad_request(format!("the request's body is malformed: {text}")),
        false => Fault::io(text),
    }
}

/// A stream of ours ends so only when the body that we were to send on it failed.
fn is_own_reset(error: &h2::Error) -> bool {
    let is_ours = error.is_reset() && !error.is_remote() && !error.is_library();
    is_ours && error.reason() == Some(h2::Reason::INTERNAL_ERROR)
}

impl Fault {
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST.as_u16(), 13, "unexpected", message).closing()
    }

    pub fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED.as_u16(),
            12,
            "unexpected",
            message,
        )
        .closing()
    }
}
