//! Which rule a request matches: the most specific one, as the Gateway API orders them.

use std::sync::Arc;

use http::{HeaderName, Method, request::Parts};
use regex::Regex;

use crate::telemetry::labels::Referred;

/// Names a policy resource, as metrics and logs show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    pub group: String,
    pub kind: String,
    pub namespace: String,
    pub name: String,
    pub section: String,
    pub port: Option<u16>,
}

impl Reference {
    /// What the control plane or the proxy made up itself.
    pub fn default_named(name: &str) -> Self {
        Self {
            kind: "default".to_string(),
            name: name.to_string(),
            ..Self::default()
        }
    }
}

impl Reference {
    /// As a parent or backend in labels.
    pub fn referred(&self) -> Referred<'_> {
        Referred {
            group: &self.group,
            kind: &self.kind,
            namespace: &self.namespace,
            name: &self.name,
            port: self.port.unwrap_or_default(),
            section: &self.section,
        }
    }
}

#[derive(Clone, Debug)]
pub enum HostMatch {
    Exact(String),
    /// `.example.com`: any name that ends so.
    Suffix(String),
}

#[derive(Clone, Debug)]
pub enum PathMatch {
    Exact(String),
    /// Without its trailing slash.
    Prefix(String),
    Regex(Regex),
    /// Either may be empty: any.
    Rpc {
        service: String,
        method: String,
    },
}

#[derive(Clone, Debug)]
pub enum ValueMatch {
    Exact(Vec<u8>),
    Regex(Regex),
}

#[derive(Clone, Debug, Default)]
pub struct RequestMatch {
    pub path: Option<PathMatch>,
    pub headers: Vec<(HeaderName, ValueMatch)>,
    pub query: Vec<(String, ValueMatch)>,
    pub method: Option<Method>,
}

#[derive(Clone, Debug)]
pub struct Rule<P> {
    /// Empty: every request.
    pub matches: Vec<RequestMatch>,
    pub policy: P,
}

#[derive(Clone, Debug)]
pub struct Route<P> {
    pub reference: Arc<Reference>,
    pub hosts: Vec<HostMatch>,
    pub rules: Vec<Rule<P>>,
}

#[derive(Clone, Debug)]
pub struct Routes<P>(pub Vec<Route<P>>);

/// The rule that won. `index` counts rules over all routes, so that a caller can keep a table by rule.
pub struct Selected<'a, P> {
    pub route: &'a Route<P>,
    pub policy: &'a P,
    pub index: usize,
    /// Bytes of the path that a prefix match covered.
    pub prefix: usize,
}

/// Later fields break ties of earlier ones; bigger is more specific.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    host: usize,
    path: (u8, usize),
    method: bool,
    headers: usize,
    query: usize,
}

impl<P> Routes<P> {
    pub fn rules(&self) -> usize {
        self.0.iter().map(|route| route.rules.len()).sum()
    }

    pub fn select(&self, request: &Parts, host: &str) -> Option<Selected<'_, P>> {
        let mut best: Option<(Rank, Selected<'_, P>)> = None;
        let mut index = 0;
        for route in &self.0 {
            let Some(host_rank) = rank_hosts(&route.hosts, host) else {
                index += route.rules.len();
                continue;
            };
            for rule in &route.rules {
                let rank = rank_rule(rule, request);
                if let Some(rank) = rank.map(|rank| Rank {
                    host: host_rank,
                    ..rank
                }) && best.as_ref().is_none_or(|(top, _)| rank > *top)
                {
                    let selected = Selected {
                        route,
                        policy: &rule.policy,
                        index,
                        prefix: if rank.path.0 == PREFIX {
                            rank.path.1
                        } else {
                            0
                        },
                    };
                    best = Some((rank, selected));
                }
                index += 1;
            }
        }
        best.map(|(_, selected)| selected)
    }
}

const REGEX: u8 = 1;
const PREFIX: u8 = 2;
const EXACT: u8 = 3;

fn rank_hosts(hosts: &[HostMatch], host: &str) -> Option<usize> {
    if hosts.is_empty() {
        return Some(0);
    }
    let name = host_name(host);
    let ranks = hosts.iter().filter_map(|rule| match rule {
        // An exact name beats every suffix.
        HostMatch::Exact(exact) => exact.eq_ignore_ascii_case(name).then_some(usize::MAX),
        HostMatch::Suffix(suffix) => {
            let split = name.len().checked_sub(suffix.len()).filter(|s| *s > 0)?;
            let end = name.get(split..)?;
            end.eq_ignore_ascii_case(suffix).then_some(suffix.len())
        }
    });
    ranks.max()
}

/// `example.com:80` without its port; a bracketed address keeps its brackets.
fn host_name(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn rank_rule<P>(rule: &Rule<P>, request: &Parts) -> Option<Rank> {
    if rule.matches.is_empty() {
        return Some(Rank::default());
    }
    let ranks = rule.matches.iter().filter_map(|m| m.rank(request));
    ranks.max()
}

impl RequestMatch {
    fn rank(&self, request: &Parts) -> Option<Rank> {
        if self.method.as_ref().is_some_and(|m| *m != request.method) {
            return None;
        }
        let path = match &self.path {
            Some(path) => path.rank(request.uri.path())?,
            None => (0, 0),
        };
        let has_headers = self.headers.iter().all(|(name, value)| {
            let mut values = request.headers.get_all(name).iter();
            values.any(|found| value.matches(found.as_bytes()))
        });
        if !has_headers || !self.matches_query(request.uri.query()) {
            return None;
        }
        Some(Rank {
            host: 0,
            path,
            method: self.method.is_some(),
            headers: self.headers.len(),
            query: self.query.len(),
        })
    }

    fn matches_query(&self, query: Option<&str>) -> bool {
        self.query.iter().all(|(name, value)| {
            let pairs = query.unwrap_or_default().split('&');
            let mut pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            // Of a name given twice, the first value counts.
            pairs
                .find(|(found, _)| decoded(found) == name.as_bytes())
                .is_some_and(|(_, found)| value.matches(&decoded(found)))
        })
    }
}

impl PathMatch {
    fn rank(&self, path: &str) -> Option<(u8, usize)> {
        match self {
            Self::Exact(exact) => (exact == path).then_some((EXACT, exact.len())),
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(prefix.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then_some((PREFIX, prefix.len()))
            }
            Self::Regex(regex) => {
                let whole = regex.find(path)?;
                (whole.start() == 0 && whole.end() == path.len())
                    .then_some((REGEX, regex.as_str().len()))
            }
            Self::Rpc { service, method } => {
                let (found_service, found_method) = path.strip_prefix('/')?.split_once('/')?;
                let is_match = (service.is_empty() || service == found_service)
                    && (method.is_empty() || method == found_method);
                is_match.then_some((EXACT, service.len() + method.len()))
            }
        }
    }
}

impl ValueMatch {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => exact == value,
            Self::Regex(regex) => std::str::from_utf8(value).is_ok_and(|text| {
                let whole = regex.find(text);
                whole.is_some_and(|m| m.start() == 0 && m.end() == text.len())
            }),
        }
    }
}

/// `%41` and `+` resolved; anything malformed stays as it is.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes().iter();
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let hex = (byte == b'%' && rest.len() >= 2)
            .then(|| std::str::from_utf8(&rest[..2]).ok())
            .flatten()
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (byte, hex) {
            (_, Some(decoded)) => {
                out.push(decoded);
                bytes.nth(1);
            }
            (b'+', None) => out.push(b' '),
            (other, None) => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
