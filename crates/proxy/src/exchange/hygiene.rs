//! `l5d-*` headers are said by proxies to one another: nobody else's are believed or passed on.

use http::HeaderMap;
use http::header::HeaderName;

const PREFIX: &[u8] = b"l5d-";

/// Removes all of them.
pub fn strip(headers: &mut HeaderMap) {
    take(headers);
}

/// Removes all of them, and gives them to whoever may still believe some. None: there are none.
pub fn take(headers: &mut HeaderMap) -> Option<HeaderMap> {
    if !headers.keys().any(is_ours) {
        return None;
    }
    let ours = headers.keys().filter(|name| is_ours(name));
    let ours: Vec<HeaderName> = ours.cloned().collect();
    let taken = ours.into_iter().map(|name| {
        let value = headers.remove(&name);
        Some((name, value?))
    });
    Some(taken.flatten().collect())
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().as_bytes().starts_with(PREFIX)
}
