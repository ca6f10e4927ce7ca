//! Label text, made once per series: the vocabulary that every family shares.

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

/// Labels in their final text, without braces: `direction="inbound",tls="true"`. Clones share it: the same
/// labels are kept by many families.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Which end of a connection through us: the one we accepted, or the one we dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    Source,
    Destination,
}

/// Why a connection is not mutual TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoTls {
    Disabled,
    Loopback,
    PortSkipped,
    NotFromRemote,
    NotProvidedByServiceDiscovery,
    IngressWithoutOverride,
}

impl NoTls {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Loopback => "loopback",
            Self::PortSkipped => "port_skipped",
            Self::NotFromRemote => "no_tls_from_remote",
            Self::NotProvidedByServiceDiscovery => "not_provided_by_service_discovery",
            Self::IngressWithoutOverride => "ingress_without_override",
        }
    }
}

/// The TLS state of a connection as its labels show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tls<'a> {
    /// We are the server; a client without a certificate has the empty name.
    FromClient(&'a str),
    /// We are the client.
    ToServer(&'a str),
    /// Somebody else's TLS, passed through.
    Opaque(&'a str),
    None(NoTls),
}

/// A Server, route, authorization or rate limit: group, kind and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Named<'a> {
    pub group: &'a str,
    pub kind: &'a str,
    pub name: &'a str,
}

impl<'a> Named<'a> {
    pub const fn default_kind(name: &'a str) -> Self {
        Self {
            group: "",
            kind: "default",
            name,
        }
    }
}

/// A parent or backend in the Gateway API's sense. Port 0 is printed as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Referred<'a> {
    pub group: &'a str,
    pub kind: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub port: u16,
    pub section: &'a str,
}

impl Labels {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.push("", key, value);
        self
    }

    fn push(&mut self, prefix: &str, key: &str, value: &str) {
        let text = self.text();
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(prefix);
        text.push_str(key);
        text.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                c => text.push(c),
            }
        }
        text.push('"');
    }

    fn text(&mut self) -> &mut String {
        Arc::make_mut(&mut self.0)
    }

    pub fn direction(self, direction: Direction) -> Self {
        self.with(
            "direction",
            match direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
        )
    }

    pub fn peer(self, side: Side) -> Self {
        self.with(
            "peer",
            match side {
                Side::Source => "src",
                Side::Destination => "dst",
            },
        )
    }

    pub fn authority(self, authority: Option<&str>) -> Self {
        match authority {
            Some(authority) => self.with("authority", authority),
            None => self,
        }
    }

    pub fn target(mut self, target: SocketAddr) -> Self {
        let text = self.text();
        if !text.is_empty() {
            text.push(',');
        }
        let (ip, port) = (target.ip(), target.port());
        write!(
            text,
            "target_addr=\"{target}\",target_ip=\"{ip}\",target_port=\"{port}\""
        )
        .expect("writing to a string cannot fail");
        self
    }

    /// Of what the proxy itself failed. None: it is not known where it was to go.
    pub fn failed(target: Option<SocketAddr>, error: &str) -> Self {
        let labels = target.map_or_else(Self::new, |target| Self::new().target(target));
        labels.with("error", error)
    }

    pub fn tls(self, tls: Tls<'_>) -> Self {
        match tls {
            Tls::FromClient(id) => self.with("tls", "true").with("client_id", id),
            Tls::ToServer(id) => self.with("tls", "true").with("server_id", id),
            Tls::Opaque(sni) => self.with("tls", "opaque").with("sni", sni),
            Tls::None(NoTls::Disabled) => self
                .with("tls", "disabled")
                .with("no_tls_reason", "disabled"),
            Tls::None(reason) => self
                .with("tls", "no_identity")
                .with("no_tls_reason", reason.as_str()),
        }
    }

    /// `srv_*`: the Server, or default policy, that holds for the port.
    pub fn server(self, server: Named<'_>, port: u16) -> Self {
        self.named("srv_", server)
            .with("srv_port", &port.to_string())
    }

    /// `route_*` of the inbound side, which has no namespaces.
    pub fn route(self, route: Named<'_>) -> Self {
        self.named("route_", route)
    }

    pub fn authorization(self, authorization: Named<'_>) -> Self {
        self.named("authz_", authorization)
    }

    pub fn rate_limit(self, rate_limit: Named<'_>) -> Self {
        self.named("ratelimit_", rate_limit)
    }

    pub fn named(mut self, prefix: &str, named: Named<'_>) -> Self {
        self.push(prefix, "group", named.group);
        self.push(prefix, "kind", named.kind);
        self.push(prefix, "name", named.name);
        self
    }

    /// `parent_` or `backend_`.
    pub fn referred(mut self, prefix: &str, to: Referred<'_>) -> Self {
        self.push(prefix, "group", to.group);
        self.push(prefix, "kind", to.kind);
        self.push(prefix, "namespace", to.namespace);
        self.push(prefix, "name", to.name);
        let port = match to.port {
            0 => String::new(),
            port => port.to_string(),
        };
        self.push(prefix, "port", &port);
        self.push(prefix, "section_name", to.section);
        self
    }

    /// `route_*` of the outbound side.
    pub fn outbound_route(mut self, route: Named<'_>, namespace: &str) -> Self {
        self.push("route_", "group", route.group);
        self.push("route_", "kind", route.kind);
        self.push("route_", "namespace", namespace);
        self.push("route_", "name", route.name);
        self
    }

    /// `dst_*`: what destination says about an endpoint, in a steady order.
    pub fn destination<'a>(mut self, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        for (key, value) in labels {
            self.push("dst_", key, value);
        }
        self
    }

    /// Without room for more, as they are to be kept.
    pub fn fitted(mut self) -> Self {
        self.text().shrink_to_fit();
        self
    }

    /// What is counted together once there are too many series.
    pub fn overflow() -> Self {
        Self::new().with("overflow", "true")
    }

    /// The same without the labels of these names.
    pub fn without(&self, names: &[String]) -> Self {
        let mut kept = Self::new();
        let mut rest = self.0.as_str();
        while let Some((name, value)) = rest.split_once("=\"") {
            let end = end_of_value(value);
            let pair = &rest[..name.len() + 2 + end + 1];
            rest = rest[pair.len()..].trim_start_matches(',');
            if names.iter().any(|dropped| dropped == name) {
                continue;
            }
            let text = kept.text();
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(pair);
        }
        kept
    }

    pub fn merged(mut self, other: &Self) -> Self {
        let text = self.text();
        if !text.is_empty() && !other.0.is_empty() {
            text.push(',');
        }
        text.push_str(&other.0);
        self
    }
}

/// Where its closing quote is.
fn end_of_value(text: &str) -> usize {
    let mut is_escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return index,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len().saturating_sub(1)
}

/// The symbolic name of a Linux error number; the number itself where it is an uncommon one.
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        1 => "EPERM",
        4 => "EINTR",
        5 => "EIO",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        32 => "EPIPE",
        71 => "EPROTO",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        102 => "ENETRESET",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        112 => "EHOSTDOWN",
        113 => "EHOSTUNREACH",
        other => return other.to_string(),
    };
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inbound_endpoint_reads_as_documented() {
        let labels = Labels::new()
            .direction(Direction::Inbound)
            .target("10.1.0.2:80".parse().unwrap())
            .tls(Tls::FromClient(
                "web.shop.serviceaccount.identity.tulle.cluster.local",
            ))
            .server(Named::default_kind("all-unauthenticated"), 80)
            .route(Named::default_kind("default"));
        assert_eq!(
            labels.as_str(),
            r#"direction="inbound",target_addr="10.1.0.2:80",target_ip="10.1.0.2",target_port="80",tls="true",client_id="web.shop.serviceaccount.identity.tulle.cluster.local",srv_group="",srv_kind="default",srv_name="all-unauthenticated",srv_port="80",route_group="",route_kind="default",route_name="default""#
        );
    }

    #[test]
    fn labels_can_be_left_out_whatever_their_values_hold() {
        let labels = Labels::new()
            .with("a", "1")
            .with("b", "x\",a=\"\\")
            .with("c", "");
        let without = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            labels.without(&names)
        };
        assert_eq!(without(&[]), labels);
        assert_eq!(without(&["b"]).as_str(), r#"a="1",c="""#);
        assert_eq!(without(&["a", "c"]), Labels::new().with("b", "x\",a=\"\\"));
        assert_eq!(without(&["a", "b", "c"]), Labels::new());
    }

    #[test]
    fn values_are_escaped() {
        let labels = Labels::new().with("a", "x\"y\\z\n");
        assert_eq!(labels.as_str(), r#"a="x\"y\\z\n""#);
    }

    #[test]
    fn endpoints_carry_what_destination_says() {
        let labels = Labels::new()
            .tls(Tls::None(NoTls::NotProvidedByServiceDiscovery))
            .destination([("namespace", "shop"), ("service", "web")]);
        assert_eq!(
            labels.as_str(),
            r#"tls="no_identity",no_tls_reason="not_provided_by_service_discovery",dst_namespace="shop",dst_service="web""#
        );
    }
}
