//! Carries HTTP/1 requests over HTTP/2 between proxies, and gives them back as they were.

use bytes::BytesMut;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderMap, Request, Response, Version};

pub const L5D_ORIG_PROTO: HeaderName = HeaderName::from_static("l5d-orig-proto");

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Marks a request whose client wrote its target in absolute form.
#[derive(Clone, Copy, Debug)]
pub struct AbsoluteForm;

/// Removes what belongs to one connection only, the headers that `connection` names included.
pub fn strip_connection_headers(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        strip_named(headers);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // RFC 9112, section 6.3: the coding has overridden it.
        headers.remove(CONTENT_LENGTH);
    }
    headers.remove(UPGRADE);
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
}

/// `connection` may name any header, but not take away what the request is, nor what we say of it.
fn strip_named(headers: &mut HeaderMap) {
    let values: Vec<HeaderValue> = headers.get_all(CONNECTION).iter().cloned().collect();
    headers.remove(CONNECTION);
    let names = values.iter().filter_map(|value| value.to_str().ok());
    for name in names.flat_map(|value| value.split(',')).map(str::trim) {
        let is_kept = [TE, HOST, CONTENT_LENGTH, TRANSFER_ENCODING]
            .iter()
            .any(|kept| name.eq_ignore_ascii_case(kept.as_str()))
            || name
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("l5d-"));
        if !name.is_empty() && !is_kept {
            headers.remove(name);
        }
    }
}

/// Makes an HTTP/1 request fit for HTTP/2; `authority` is used when the client named none.
pub fn upgrade<B>(request: &mut Request<B>, authority: &Authority) {
    let is_absolute = request.extensions().get::<AbsoluteForm>().is_some();
    let original = match (request.version(), is_absolute) {
        (Version::HTTP_10, false) => "HTTP/1.0",
        (Version::HTTP_10, true) => "HTTP/1.0; absolute-form",
        (_, false) => "HTTP/1.1",
        (_, true) => "HTTP/1.1; absolute-form",
    };
    *request.version_mut() = Version::HTTP_2;
    set_authority(request.uri_mut(), authority);
    let headers = request.headers_mut();
    strip_connection_headers(headers);
    detach(headers);
    headers.insert(L5D_ORIG_PROTO, HeaderValue::from_static(original));
}

/// Gives the values memory of their own. An HTTP/1 head's are parts of the buffer that it was read into, and
/// HTTP/2 remembers values as long as its connection lives: each would keep a whole buffer.
fn detach(headers: &mut HeaderMap) {
    let length = headers.values().map(HeaderValue::len).sum();
    let mut copied = BytesMut::with_capacity(length);
    for value in headers.values_mut() {
        copied.extend_from_slice(value.as_bytes());
        if let Ok(mut copy) = HeaderValue::from_maybe_shared(copied.split().freeze()) {
            copy.set_sensitive(value.is_sensitive());
            *value = copy;
        }
    }
}

fn set_authority(uri: &mut Uri, authority: &Authority) {
    if uri.scheme().is_some() && uri.authority().is_some() {
        return;
    }
    let mut parts = std::mem::take(uri).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority.get_or_insert_with(|| authority.clone());
    parts
        .path_and_query
        .get_or_insert_with(|| PathAndQuery::from_static("/"));
    *uri = Uri::from_parts(parts).expect("scheme, authority and path make a URI");
}

/// Gives a request that came over HTTP/2 the version and form it had; says whether it had been carried.
pub fn downgrade<B>(request: &mut Request<B>) -> bool {
    if request.version() != Version::HTTP_2 {
        return false;
    }
    let Some(original) = request.headers_mut().remove(L5D_ORIG_PROTO) else {
        return false;
    };
    let original = original.as_bytes();
    *request.version_mut() = match original.starts_with(b"HTTP/1.0") {
        true => Version::HTTP_10,
        false => Version::HTTP_11,
    };
    if original.ends_with(b"absolute-form") {
        request.extensions_mut().insert(AbsoluteForm);
    } else {
        to_origin_form(request);
    }
    true
}

/// HTTP/1 names the host in a header and only the path in the request line.
pub fn to_origin_form<B>(request: &mut Request<B>) {
    if request.uri().scheme().is_none() {
        return;
    }
    let parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(authority) = parts.authority
        && !request.headers().contains_key(HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = match parts.path_and_query {
        Some(path) => Uri::from(path),
        None => Uri::from_static("/"),
    };
}

/// The receiving proxy tells the version that the app answered with.
pub fn mark_response<B>(response: &mut Response<B>) {
    let original = match response.version() {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    strip_connection_headers(response.headers_mut());
    detach(response.headers_mut());
    let original = HeaderValue::from_static(original);
    response.headers_mut().insert(L5D_ORIG_PROTO, original);
}

/// The sending proxy gives the app the response of the version it spoke.
pub fn restore_response<B>(response: &mut Response<B>, asked: Version) {
    let original = response.headers_mut().remove(L5D_ORIG_PROTO);
    *response.version_mut() = match original {
        Some(original) if original == "HTTP/1.0" => Version::HTTP_10,
        Some(_) => Version::HTTP_11,
        None => asked,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_carried_request_comes_back_as_it_was() {
        let mut request = Request::builder()
            .uri("/path?q=1")
            .header(HOST, "example.com")
            .header(CONNECTION, "keep-alive, x-hop")
            .header("x-hop", "1")
            .body(())
            .unwrap();
        upgrade(&mut request, &Authority::from_static("example.com"));
        assert_eq!(request.uri(), "http://example.com/path?q=1");
        assert!(!request.headers().contains_key("x-hop"));
        assert!(downgrade(&mut request));
        assert_eq!(request.uri(), "/path?q=1");
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(request.headers().len(), 1);
    }

    #[test]
    fn a_carried_head_does_not_keep_the_buffer_that_it_was_read_into() {
        let buffer = Bytes::from(vec![b'x'; 8192]);
        let value = |at: usize| HeaderValue::from_maybe_shared(buffer.slice(at..at + 4)).unwrap();
        let mut request = Request::get("/").header("a", value(0)).body(()).unwrap();
        request.headers_mut().append("a", value(4));
        let mut response = Response::builder().header("b", value(8)).body(()).unwrap();
        upgrade(&mut request, &Authority::from_static("example.com"));
        mark_response(&mut response);
        assert!(buffer.is_unique());
        assert!(request.headers().get_all("a").iter().eq(["xxxx", "xxxx"]));
        assert_eq!(response.headers()["b"], "xxxx");
    }

    #[test]
    fn absolute_form_is_kept() {
        let mut request = Request::builder()
            .uri("http://example.com/path")
            .body(())
            .unwrap();
        request.extensions_mut().insert(AbsoluteForm);
        upgrade(&mut request, &Authority::from_static("other"));
        assert!(downgrade(&mut request));
        assert_eq!(request.uri(), "http://example.com/path");
    }
}
