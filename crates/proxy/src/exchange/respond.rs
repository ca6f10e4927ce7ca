//! Answers that the proxy makes itself: an empty body, a status or gRPC code, and why.

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use http::{HeaderMap, Request, Response, StatusCode, Version};

use super::body::Body;
use super::classify::is_grpc;
use super::limits::Over;
use crate::route::filter::Failure;

pub const L5D_PROXY_ERROR: HeaderName = HeaderName::from_static("l5d-proxy-error");
pub const L5D_PROXY_CONNECTION: HeaderName = HeaderName::from_static("l5d-proxy-connection");

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What to answer, before it is known how the client speaks.
#[derive(Clone, Debug)]
pub struct Fault {
    pub status: StatusCode,
    pub code: u32,
    pub message: String,
    pub closes: bool,
    /// The `error` label that counts it.
    pub label: &'static str,
    /// The limit of its route that was reached.
    pub over: Option<Over>,
}

/// How the client speaks, and what it may be told.
#[derive(Clone, Copy, Debug)]
pub struct Audience {
    pub version: Version,
    /// It reads `grpc-status`; that needs HTTP/2.
    pub is_grpc: bool,
    /// It is told why in a header.
    pub is_informed: bool,
    /// It is a proxy, which is asked to close its app's connection.
    pub is_meshed: bool,
}

impl Audience {
    pub fn of<B>(request: &Request<B>, is_informed: bool, is_meshed: bool) -> Self {
        let version = request.version();
        Self {
            version,
            is_grpc: version == Version::HTTP_2 && is_grpc(request.headers()),
            is_informed,
            is_meshed,
        }
    }
}

impl Fault {
    pub(super) fn new(
        status: u16,
        code: u32,
        label: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a literal status"),
            code,
            message: message.into(),
            closes: false,
            label,
            over: None,
        }
    }

    pub(super) fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(403, 7, "unauthorized", message)
    }

    pub fn no_route() -> Self {
        Self::new(404, 5, "route not found", "no route found for request")
    }

    pub fn rate_limited(message: impl Into<String>) -> Self {
        Self::new(429, 8, "ratelimit", message)
    }

    pub fn invalid_policy(message: impl Into<String>) -> Self {
        Self::new(500, 13, "unexpected", message).closing()
    }

    pub fn failfast(message: impl Into<String>) -> Self {
        Self::new(504, 4, "failfast", message).closing()
    }

    /// The route's policy gave it no more time.
    pub fn timed_out(over: Over) -> Self {
        Self {
            over: Some(over),
            ..Self::new(504, 4, "response timeout", over.to_string())
        }
    }

    /// The ServiceProfile's route did not.
    pub fn profile_timed_out(over: Over) -> Self {
        Self::timed_out(over).closing()
    }

    pub fn connect_timed_out(message: impl Into<String>) -> Self {
        Self::new(504, 4, "i/o", message).closing()
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, 14, "loadshed", message).closing()
    }

    pub fn io(message: impl Into<String>) -> Self {
        Self::new(502, 14, "i/o", message).closing()
    }

    pub fn wrong_identity(message: impl Into<String>) -> Self {
        Self::new(502, 14, "identity required", message).closing()
    }

    pub fn gateway(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self::new(status, code, "gateway domain invalid", message)
    }

    /// What a route's filter wants in place of an answer.
    pub fn injected(failure: &Failure, message: String) -> Self {
        const FAILED_PRECONDITION: u32 = 9;
        match failure {
            Failure::Http(status) => {
                Self::new(status.as_u16(), FAILED_PRECONDITION, "injected", message)
            }
            Failure::Grpc(code) => Self::new(200, *code, "injected", message),
            Failure::Invalid => Self::invalid_policy(message),
        }
    }

    /// Where a response of gRPC has begun already. None: its client reads no trailers.
    pub fn trailers(&self, audience: Audience) -> Option<HeaderMap> {
        if !audience.is_grpc {
            return None;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert(GRPC_STATUS, HeaderValue::from(self.code));
        if audience.is_informed {
            trailers.insert(GRPC_MESSAGE, text(&percent_encoded(&self.message)));
        }
        Some(trailers)
    }

    pub fn response(&self, audience: Audience) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.version_mut() = audience.version;
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        if audience.is_informed {
            headers.insert(L5D_PROXY_ERROR, text(&self.message));
        }
        if audience.is_grpc {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, HeaderValue::from(self.code));
            if audience.is_informed {
                headers.insert(GRPC_MESSAGE, text(&percent_encoded(&self.message)));
            }
        }
        if self.closes && audience.is_meshed {
            headers.insert(L5D_PROXY_CONNECTION, HeaderValue::from_static("close"));
        }
        if !audience.is_grpc {
            *response.status_mut() = self.status;
        }
        // Other clients share a proxy's HTTP/2 connection.
        if self.closes && !(audience.is_meshed && audience.version == Version::HTTP_2) {
            close_after(&mut response);
        }
        response
    }
}

/// With this answer a connection of HTTP/2 begins to end.
#[derive(Clone, Copy, Debug)]
pub struct LastAnswer;

/// The client's connection ends with this answer: whoever asks again asks anew.
pub fn close_after(response: &mut Response<Body>) {
    match response.version() {
        Version::HTTP_2 => {
            response.extensions_mut().insert(LastAnswer);
        }
        _ => {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }
}

/// A client of gRPC follows none, so it is told that there is nothing here.
pub fn redirect(status: StatusCode, location: HeaderValue, audience: Audience) -> Response<Body> {
    const NOT_FOUND: u32 = 5;
    let answer = Fault::new(status.as_u16(), NOT_FOUND, "redirected", "redirected");
    let mut response = answer.response(audience);
    if !audience.is_grpc {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A header cannot hold line breaks, nor what an error quotes from afar.
fn text(message: &str) -> HeaderValue {
    let visible = message
        .bytes()
        .map(|b| if (0x20..0x7f).contains(&b) { b } else { b'?' });
    HeaderValue::from_bytes(&visible.collect::<Vec<_>>()).expect("only visible characters")
}

/// As gRPC writes messages: all but printable ASCII, and `%`, encoded.
fn percent_encoded(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b'%' | 0..0x20 | 0x7f.. => out.push_str(&format!("%{byte:02X}")),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_client_gets_a_status_it_understands() {
        let audience = Audience {
            version: Version::HTTP_2,
            is_grpc: true,
            is_informed: true,
            is_meshed: false,
        };
        let response = Fault::failfast("no endpoint").response(audience);
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["grpc-status"], "4");
        assert_eq!(response.headers()["grpc-message"], "no endpoint");
    }

    #[test]
    fn an_http1_client_is_told_to_close() {
        let audience = Audience {
            version: Version::HTTP_11,
            is_grpc: false,
            is_informed: false,
            is_meshed: false,
        };
        let response = Fault::io("gone").response(audience);
        assert_eq!(response.status(), 502);
        assert_eq!(response.headers()["connection"], "close");
        assert!(!response.headers().contains_key("l5d-proxy-error"));
    }
}
