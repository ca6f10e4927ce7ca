//! What a rule does to a request or its response before anyone else sees it.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, request::Parts};

use crate::control::stream::chance;

#[derive(Clone, Debug, Default)]
pub struct HeaderChanges {
    pub add: Vec<(HeaderName, HeaderValue)>,
    pub set: Vec<(HeaderName, HeaderValue)>,
    pub remove: Vec<HeaderName>,
}

#[derive(Clone, Debug)]
pub enum PathChange {
    Full(String),
    /// Replaces what the prefix match covered.
    Prefix(String),
}

#[derive(Clone, Debug)]
pub struct Redirect {
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub path: Option<PathChange>,
    pub status: StatusCode,
}

#[derive(Clone, Debug)]
pub enum Failure {
    Http(StatusCode),
    Grpc(u32),
    /// The policy could not be understood; nothing is guessed.
    Invalid,
}

#[derive(Clone, Debug)]
pub enum Filter {
    RequestHeaders(HeaderChanges),
    ResponseHeaders(HeaderChanges),
    Redirect(Redirect),
    /// Fails this share of requests, 0.0 to 1.0.
    Fail {
        failure: Failure,
        message: String,
        ratio: f64,
    },
}

/// The answer that a filter gave in place of the backend.
#[derive(Debug)]
pub enum Answer {
    Redirect(StatusCode, HeaderValue),
    Fail(Failure, String),
}

/// Applies the request's part of `filters`; the first that answers ends it.
pub fn apply(filters: &[Filter], prefix: usize, host: &str, request: &mut Parts) -> Option<Answer> {
    for filter in filters {
        match filter {
            Filter::RequestHeaders(changes) => changes.apply(&mut request.headers),
            Filter::ResponseHeaders(_) => {}
            Filter::Redirect(redirect) => {
                if let Some(location) = redirect.location(&request.uri, host, prefix) {
                    return Some(Answer::Redirect(redirect.status, location));
                }
            }
            Filter::Fail {
                failure,
                message,
                ratio,
            } => {
                if *ratio >= 1.0 || chance() < *ratio {
                    return Some(Answer::Fail(failure.clone(), message.clone()));
                }
            }
        }
    }
    None
}

pub fn apply_to_response(filters: &[Filter], headers: &mut HeaderMap) {
    for filter in filters {
        if let Filter::ResponseHeaders(changes) = filter {
            changes.apply(headers);
        }
    }
}

impl HeaderChanges {
    fn apply(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
        for name in &self.remove {
            headers.remove(name);
        }
    }
}

impl Redirect {
    /// None: it would lead to where the request already is.
    fn location(&self, uri: &Uri, authority: &str, prefix: usize) -> Option<HeaderValue> {
        let (host, port) = split_port(authority);
        let scheme = self.scheme.as_deref().unwrap_or("http");
        let new_host = self.host.as_deref().unwrap_or(host);
        let new_port = match (self.port, &self.scheme) {
            (Some(port), _) => Some(port),
            // Another scheme brings its own well-known port.
            (None, Some(_)) => None,
            (None, None) => port,
        };
        let shown = new_port.filter(|p| !matches!((scheme, *p), ("http", 80) | ("https", 443)));
        let path = self.new_path(uri, prefix);
        let shown = shown.map(|p| format!(":{p}")).unwrap_or_default();
        let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
        HeaderValue::try_from(format!("{scheme}://{new_host}{shown}{path}{query}")).ok()
    }

    fn new_path(&self, uri: &Uri, prefix: usize) -> String {
        let path = uri.path();
        match &self.path {
            None => path.to_string(),
            Some(PathChange::Full(full)) => full.clone(),
            Some(PathChange::Prefix(new)) => {
                let rest = path.get(prefix..).unwrap_or_default();
                let joined = format!("{}{rest}", new.trim_end_matches('/'));
                if joined.starts_with('/') {
                    joined
                } else {
                    format!("/{joined}")
                }
            }
        }
    }
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_replaces_what_the_prefix_covered() {
        let redirect = Redirect {
            scheme: Some("https".into()),
            host: None,
            port: None,
            path: Some(PathChange::Prefix("/new".into())),
            status: StatusCode::FOUND,
        };
        let uri = Uri::from_static("/old/page?q=1");
        let location = redirect.location(&uri, "example.com:8080", 4).unwrap();
        assert_eq!(location, "https://example.com/new/page?q=1");
    }
}
