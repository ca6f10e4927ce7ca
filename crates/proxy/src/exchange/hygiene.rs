//! `l5d-*` headers are said by proxies to one another: nobody else's are believed or passed on.

use http::HeaderMap;
use http::header::HeaderName;

const PREFIX: &[u8] = b"l5d-";

/// Removes all of them.
pub fn strip(headers: &mut HeaderMap) {
    if !headers.keys().any(is_ours) {
        return;
    }
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().as_bytes().starts_with(PREFIX)
}
