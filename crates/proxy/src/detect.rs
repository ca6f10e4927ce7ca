//! First bytes -> protocol. Pure: the caller reads, and bounds how long it waits for more.

mod client_hello;
#[cfg(test)]
mod tests;

pub use client_hello::{Sni, tls_sni};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    Http1,
    Http2,
    Opaque,
    NeedMore,
}

/// As much of the HTTP/2 preface (RFC 9113, section 3.4) as tells it from anything else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// With this many bytes there is always an answer.
pub const ENOUGH: usize = 1_024;

/// Only these are waited for: a client that sent `HELLO` and awaits an answer must not hang.
/// Other methods are accepted when their whole line is there.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"PATCH",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"PURGE",
];

pub fn detect(bytes: &[u8]) -> Detected {
    if begin_alike(bytes, PREFACE) {
        return match bytes.len() >= PREFACE.len() {
            true => Detected::Http2,
            false => Detected::NeedMore,
        };
    }
    if let Some(end) = bytes.iter().position(|&b| b == b'\n') {
        let line = &bytes[..end];
        return match is_request_line(line.strip_suffix(b"\r").unwrap_or(line)) {
            true => Detected::Http1,
            false => Detected::Opaque,
        };
    }
    match (is_line_begun(bytes), bytes.len() >= ENOUGH) {
        (false, _) => Detected::Opaque,
        (true, false) => Detected::NeedMore,
        // A long target: no other protocol begins so.
        (true, true) => Detected::Http1,
    }
}

/// One is the beginning of the other.
fn begin_alike(a: &[u8], b: &[u8]) -> bool {
    let shared = a.len().min(b.len());
    a[..shared] == b[..shared]
}

/// `METHOD SP target SP HTTP/1.x` (RFC 9112, section 3).
fn is_request_line(line: &[u8]) -> bool {
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return false;
    };
    !method.is_empty()
        && method.iter().copied().all(is_token)
        && !target.is_empty()
        && is_target_begun(target)
        && std::str::from_utf8(target).is_ok()
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
}

/// What there is could still become a request line with a known method.
fn is_line_begun(bytes: &[u8]) -> bool {
    let Some(end) = bytes.iter().position(|&b| b == b' ') else {
        return METHODS.iter().any(|method| method.starts_with(bytes));
    };
    let rest = &bytes[end + 1..];
    let target = rest.split(|&b| b == b' ').next().unwrap_or_default();
    let version = rest.get(target.len() + 1..).unwrap_or_default();
    METHODS.contains(&&bytes[..end])
        && is_target_begun(target)
        && (version.is_empty() || is_version_begun(version))
}

fn is_version_begun(version: &[u8]) -> bool {
    version.len() <= b"HTTP/1.1\r".len()
        && (begin_alike(version, b"HTTP/1.1\r") || begin_alike(version, b"HTTP/1.0\r"))
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Wider than RFC 3986: browsers send some of what it forbids, and some servers take UTF-8. Other
/// bytes we could not pass on as HTTP; a server that takes them gets them as they are.
fn is_target_begun(target: &[u8]) -> bool {
    let is_text = match std::str::from_utf8(target) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(), // a character that has not ended yet
    };
    is_text && target.iter().all(|&byte| byte > b' ' && byte != 0x7f)
}
