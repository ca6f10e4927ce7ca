//! What destination says about endpoints and profiles, as our types. Pure.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::destination as pb;
use linkerd2_proxy_api::net;

use super::policy::limits::duration;
use crate::exchange::serve;
use crate::tls::client::Peer;
use crate::tls::name::Identity;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hint {
    #[default]
    Unknown,
    /// HTTP/1 may be carried over HTTP/2.
    Http2,
    Opaque,
}

/// One `ip:port` and all that we know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSpec {
    pub address: SocketAddr,
    pub weight: u32,
    pub peer: Option<Peer>,
    pub hint: Hint,
    /// Set: dial this port instead and send a transport header.
    pub transport_port: Option<u16>,
    pub labels: Arc<BTreeMap<String, String>>,
    pub authority_override: Option<http::uri::Authority>,
    pub keep_alive: Option<(Duration, Duration)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Add(Vec<EndpointSpec>),
    Remove(Vec<SocketAddr>),
    /// The service has no endpoints, or is not there at all.
    Clear,
}

impl EndpointSpec {
    /// An address that nobody told us anything about.
    pub fn plain(address: SocketAddr) -> Self {
        Self {
            address,
            weight: 1,
            peer: None,
            hint: Hint::Unknown,
            transport_port: None,
            labels: Arc::default(),
            authority_override: None,
            keep_alive: None,
        }
    }

    /// Traffic to ourselves needs neither TLS nor a second proxy.
    pub fn without_mesh_if_local(mut self, local: &[IpAddr]) -> Self {
        if local.contains(&self.address.ip()) {
            self.peer = None;
            self.hint = Hint::Unknown;
            self.transport_port = None;
        }
        self
    }
}

pub fn change(update: pb::Update) -> Option<Change> {
    Some(match update.update? {
        pb::update::Update::Add(set) => {
            let labels = &set.metric_labels;
            let endpoints = set.addrs.into_iter();
            Change::Add(endpoints.filter_map(|a| endpoint(a, labels)).collect())
        }
        pb::update::Update::Remove(set) => {
            let addresses = set.addrs.into_iter();
            Change::Remove(addresses.filter_map(|a| socket_address(&a)).collect())
        }
        pb::update::Update::NoEndpoints(_) => Change::Clear,
    })
}

pub fn endpoint(
    from: pb::WeightedAddr,
    set_labels: &HashMap<String, String>,
) -> Option<EndpointSpec> {
    let address = socket_address(from.addr.as_ref()?)?;
    let mut labels: BTreeMap<String, String> = set_labels.clone().into_iter().collect();
    labels.extend(from.metric_labels);
    let hint = from.protocol_hint.as_ref();
    Some(EndpointSpec {
        address,
        weight: from.weight,
        peer: from.tls_identity.and_then(peer),
        hint: match hint.and_then(|h| h.protocol.as_ref()) {
            Some(pb::protocol_hint::Protocol::H2(_)) => Hint::Http2,
            Some(pb::protocol_hint::Protocol::Opaque(_)) => Hint::Opaque,
            None => Hint::Unknown,
        },
        transport_port: hint
            .and_then(|h| h.opaque_transport.as_ref())
            .and_then(|t| u16::try_from(t.inbound_port).ok())
            .filter(|port| *port > 0),
        labels: Arc::new(labels),
        authority_override: from
            .authority_override
            .and_then(|o| o.authority_override.parse().ok()),
        keep_alive: from
            .http2
            .and_then(|h| h.keep_alive)
            .and_then(|k| serve::keep_alive(duration(k.interval), duration(k.timeout))),
    })
}

fn peer(identity: pb::TlsIdentity) -> Option<Peer> {
    use pb::tls_identity::Strategy;
    let name = match identity.strategy? {
        Strategy::DnsLikeIdentity(dns) => dns.name,
        Strategy::UriLikeIdentity(uri) => uri.uri,
    };
    let identity_name = Identity::new(&name);
    let server_name = identity
        .server_name
        .map(|s| Identity::new(&s.name))
        .unwrap_or_else(|| identity_name.clone());
    Some(Peer {
        identity: identity_name,
        server_name,
    })
}

pub fn socket_address(from: &net::TcpAddress) -> Option<SocketAddr> {
    let ip = IpAddr::try_from(from.ip?).ok()?;
    Some(SocketAddr::new(ip, u16::try_from(from.port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_keep_alive_value_takes_the_default_of_the_other() {
        let told = |interval: Option<i64>, timeout: Option<i64>| {
            let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
            let keep_alive = pb::http2_client_params::KeepAlive {
                interval: interval.map(seconds),
                timeout: timeout.map(seconds),
                ..Default::default()
            };
            let http2 = pb::Http2ClientParams {
                keep_alive: Some(keep_alive),
                ..Default::default()
            };
            let from = pb::WeightedAddr {
                addr: Some(SocketAddr::from(([10, 1, 0, 5], 80)).into()),
                http2: Some(http2),
                ..Default::default()
            };
            let endpoint = endpoint(from, &HashMap::new()).expect("it has an address");
            let (interval, timeout) = endpoint.keep_alive?;
            Some((interval.as_secs(), timeout.as_secs()))
        };
        assert_eq!(told(None, None), None);
        assert_eq!(told(Some(30), None), Some((30, 3)));
        assert_eq!(told(None, Some(5)), Some((10, 5)));
        assert_eq!(told(Some(30), Some(5)), Some((30, 5)));
    }
}
