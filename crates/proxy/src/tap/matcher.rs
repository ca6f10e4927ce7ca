//! What a watcher asks for, and whether a request is that.

use std::net::SocketAddr;

use http::uri::Scheme;
use ipnet::IpNet;
use linkerd2_proxy_api::tap::observe_request as pb;
use pb::r#match as form;

use super::Seen;

/// Deeper nesting than this is refused before the stack is.
const MAX_DEPTH: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMatch {
    #[error("the match lacks a field")]
    Empty,
    #[error("the match is nested too deeply")]
    Depth,
    #[error("the match has a port range that is none")]
    Ports,
    #[error("the match has a network that is none")]
    Network,
    #[error("the match has a method or scheme that is none")]
    Word,
}

#[derive(Debug)]
pub enum Match {
    All(Vec<Match>),
    Any(Vec<Match>),
    Not(Box<Match>),
    Source(Address),
    Destination(Address),
    DestinationLabel(String, String),
    RouteLabel(String, String),
    Scheme(Scheme),
    Method(http::Method),
    Authority(Text),
    Path(Text),
}

#[derive(Debug)]
pub enum Address {
    Ports(u16, u16),
    Network(IpNet),
}

#[derive(Debug)]
pub enum Text {
    Exact(String),
    Prefix(String),
}

impl Match {
    pub fn matches(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(seen)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(seen)),
            Self::Not(part) => !part.matches(seen),
            Self::Source(address) => address.matches(seen.source),
            Self::Destination(address) => address.matches(seen.destination),
            Self::DestinationLabel(key, value) => seen.destination_labels.get(key) == Some(value),
            Self::RouteLabel(key, value) => seen.route_labels.get(key) == Some(value),
            Self::Scheme(scheme) => seen.uri.scheme().unwrap_or(&Scheme::HTTP) == scheme,
            Self::Method(method) => seen.method == method,
            Self::Authority(text) => text.matches(seen.authority),
            Self::Path(text) => text.matches(seen.uri.path()),
        }
    }
}

impl Address {
    fn matches(&self, address: SocketAddr) -> bool {
        match self {
            Self::Ports(low, high) => (*low..=*high).contains(&address.port()),
            Self::Network(network) => network.contains(&address.ip().to_canonical()),
        }
    }
}

impl Text {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => text == exact,
            Self::Prefix(prefix) => text.starts_with(prefix),
        }
    }
}

impl TryFrom<pb::Match> for Match {
    type Error = InvalidMatch;

    fn try_from(from: pb::Match) -> Result<Self, InvalidMatch> {
        read(from, MAX_DEPTH)
    }
}

fn read(from: pb::Match, depth: usize) -> Result<Match, InvalidMatch> {
    let depth = depth.checked_sub(1).ok_or(InvalidMatch::Depth)?;
    let each = |parts: form::Seq| {
        let parts = parts.matches.into_iter().map(|part| read(part, depth));
        parts.collect::<Result<Vec<_>, _>>()
    };
    Ok(match from.r#match.ok_or(InvalidMatch::Empty)? {
        form::Match::All(parts) => Match::All(each(parts)?),
        form::Match::Any(parts) => Match::Any(each(parts)?),
        form::Match::Not(part) => Match::Not(Box::new(read(*part, depth)?)),
        form::Match::Source(from) => Match::Source(address(from)?),
        form::Match::Destination(from) => Match::Destination(address(from)?),
        form::Match::DestinationLabel(from) => Match::DestinationLabel(from.key, from.value),
        form::Match::RouteLabel(from) => Match::RouteLabel(from.key, from.value),
        form::Match::Http(from) => http(from)?,
    })
}

/// An end of a range that is 0 is the same as the other end.
fn address(from: form::Tcp) -> Result<Address, InvalidMatch> {
    match from.r#match.ok_or(InvalidMatch::Empty)? {
        form::tcp::Match::Ports(range) => {
            let low = if range.min == 0 { range.max } else { range.min };
            let high = if range.max == 0 { range.min } else { range.max };
            let port = |port: u32| u16::try_from(port).map_err(|_| InvalidMatch::Ports);
            match (port(low)?, port(high)?) {
                (0, _) | (_, 0) => Err(InvalidMatch::Empty),
                (low, high) if low > high => Err(InvalidMatch::Ports),
                (low, high) => Ok(Address::Ports(low, high)),
            }
        }
        form::tcp::Match::Netmask(from) => {
            let ip = from.ip.ok_or(InvalidMatch::Empty)?;
            let ip = ip.try_into().map_err(|_| InvalidMatch::Network)?;
            let length = u8::try_from(from.mask).map_err(|_| InvalidMatch::Network)?;
            let network = IpNet::new(ip, length).map_err(|_| InvalidMatch::Network)?;
            Ok(Address::Network(network))
        }
    }
}

fn http(from: form::Http) -> Result<Match, InvalidMatch> {
    use linkerd2_proxy_api::http_types::scheme::{Registered, Type};
    Ok(match from.r#match.ok_or(InvalidMatch::Empty)? {
        form::http::Match::Scheme(from) => {
            Match::Scheme(match from.r#type.ok_or(InvalidMatch::Empty)? {
                Type::Registered(known) if known == Registered::Http as i32 => Scheme::HTTP,
                Type::Registered(known) if known == Registered::Https as i32 => Scheme::HTTPS,
                Type::Registered(_) => return Err(InvalidMatch::Word),
                Type::Unregistered(word) => word.parse().map_err(|_| InvalidMatch::Word)?,
            })
        }
        form::http::Match::Method(from) => {
            Match::Method(from.try_into().map_err(|_| InvalidMatch::Word)?)
        }
        form::http::Match::Authority(from) => Match::Authority(text(from)?),
        form::http::Match::Path(from) => Match::Path(text(from)?),
    })
}

fn text(from: form::http::StringMatch) -> Result<Text, InvalidMatch> {
    use form::http::string_match::Match as Form;
    Ok(match from.r#match.ok_or(InvalidMatch::Empty)? {
        Form::Exact(exact) => Text::Exact(exact),
        Form::Prefix(prefix) => Text::Prefix(prefix),
    })
}
