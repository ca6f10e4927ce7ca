//! The messages that a policy service would send for common cases.

use std::time::Duration;

use linkerd2_proxy_api::{destination, inbound, meta, outbound};
use prost_types::Duration as ProtoDuration;

fn duration(duration: Duration) -> Option<ProtoDuration> {
    duration.try_into().ok()
}

pub fn default_metadata(name: &str) -> meta::Metadata {
    meta::Metadata {
        kind: Some(meta::metadata::Kind::Default(name.to_string())),
    }
}

/// `web.shop.svc.cluster.local:80` -> the Service web in shop, port 80.
pub fn service_metadata(authority: &str) -> meta::Metadata {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "0"));
    let mut labels = host.split('.');
    let mut label = || labels.next().unwrap_or_default().to_string();
    let (name, namespace) = (label(), label());
    meta::Metadata {
        kind: Some(meta::metadata::Kind::Resource(meta::Resource {
            group: "core".to_string(),
            kind: "Service".to_string(),
            name,
            namespace,
            section: String::new(),
            port: port.parse().unwrap_or_default(),
        })),
    }
}

/// A backend that balances over what destination says of `authority`.
pub fn balanced(authority: &str) -> outbound::Backend {
    use outbound::backend::{BalanceP2c, EndpointDiscovery, Kind, balance_p2c, endpoint_discovery};
    let load = balance_p2c::PeakEwma {
        default_rtt: duration(Duration::from_millis(30)),
        decay: duration(Duration::from_secs(10)),
    };
    outbound::Backend {
        metadata: Some(service_metadata(authority)),
        queue: Some(outbound::Queue {
            capacity: 100,
            failfast_timeout: duration(Duration::from_secs(3)),
        }),
        kind: Some(Kind::Balancer(BalanceP2c {
            discovery: Some(EndpointDiscovery {
                kind: Some(endpoint_discovery::Kind::Dst(
                    endpoint_discovery::DestinationGet {
                        path: authority.to_string(),
                    },
                )),
            }),
            load: Some(balance_p2c::Load::PeakEwma(load)),
        })),
    }
}

/// Detects the protocol; HTTP and opaque traffic alike go to `authority`.
pub fn detected(authority: &str) -> outbound::OutboundPolicy {
    detected_with(authority, |_| {}, None)
}

/// The same, with a say in the HTTP rule, and with a breaker.
pub fn detected_with(
    authority: &str,
    adjust: impl Fn(&mut outbound::http_route::Rule),
    failure_accrual: Option<outbound::FailureAccrual>,
) -> outbound::OutboundPolicy {
    use outbound::proxy_protocol::{Detect, Http1, Http2, Kind};
    let mut route = http_route(authority);
    route.rules.iter_mut().for_each(adjust);
    let detect = Detect {
        timeout: duration(Duration::from_secs(10)),
        opaque: Some(outbound::proxy_protocol::Opaque {
            routes: vec![opaque_route(authority)],
        }),
        http1: Some(Http1 {
            routes: vec![route.clone()],
            failure_accrual,
        }),
        http2: Some(Http2 {
            routes: vec![route],
            failure_accrual,
        }),
    };
    outbound_policy(authority, Kind::Detect(detect))
}

pub fn opaque(authority: &str) -> outbound::OutboundPolicy {
    let opaque = outbound::proxy_protocol::Opaque {
        routes: vec![opaque_route(authority)],
    };
    outbound_policy(authority, outbound::proxy_protocol::Kind::Opaque(opaque))
}

pub fn outbound_policy(
    authority: &str,
    kind: outbound::proxy_protocol::Kind,
) -> outbound::OutboundPolicy {
    outbound::OutboundPolicy {
        protocol: Some(outbound::ProxyProtocol { kind: Some(kind) }),
        metadata: Some(service_metadata(authority)),
    }
}

/// One rule without matches: every request goes to `authority`.
pub fn http_route(authority: &str) -> outbound::HttpRoute {
    use outbound::http_route::{Distribution, RouteBackend, Rule, distribution};
    let backend = RouteBackend {
        backend: Some(balanced(authority)),
        ..RouteBackend::default()
    };
    let first = distribution::FirstAvailable {
        backends: vec![backend],
    };
    outbound::HttpRoute {
        metadata: Some(default_metadata("http")),
        hosts: Vec::new(),
        rules: vec![Rule {
            matches: vec![linkerd2_proxy_api::http_route::HttpRouteMatch::default()],
            backends: Some(Distribution {
                kind: Some(distribution::Kind::FirstAvailable(first)),
            }),
            ..Rule::default()
        }],
    }
}

/// gRPC's calls go to `authority`, with a say in the rule.
pub fn grpc_with(
    authority: &str,
    adjust: impl Fn(&mut outbound::grpc_route::Rule),
) -> outbound::OutboundPolicy {
    use outbound::grpc_route::{Distribution, RouteBackend, Rule, distribution};
    let backend = RouteBackend {
        backend: Some(balanced(authority)),
        ..RouteBackend::default()
    };
    let first = distribution::FirstAvailable {
        backends: vec![backend],
    };
    let mut rule = Rule {
        matches: vec![linkerd2_proxy_api::grpc_route::GrpcRouteMatch::default()],
        backends: Some(Distribution {
            kind: Some(distribution::Kind::FirstAvailable(first)),
        }),
        ..Rule::default()
    };
    adjust(&mut rule);
    let route = outbound::GrpcRoute {
        metadata: Some(default_metadata("grpc")),
        hosts: Vec::new(),
        rules: vec![rule],
    };
    let grpc = outbound::proxy_protocol::Grpc {
        routes: vec![route],
        failure_accrual: None,
    };
    outbound_policy(authority, outbound::proxy_protocol::Kind::Grpc(grpc))
}

pub fn opaque_route(authority: &str) -> outbound::OpaqueRoute {
    use outbound::opaque_route::{Distribution, RouteBackend, Rule, distribution};
    let backend = RouteBackend {
        backend: Some(balanced(authority)),
        ..RouteBackend::default()
    };
    let first = distribution::FirstAvailable {
        backends: vec![backend],
    };
    outbound::OpaqueRoute {
        metadata: Some(default_metadata("opaq")),
        rules: vec![Rule {
            backends: Some(Distribution {
                kind: Some(distribution::Kind::FirstAvailable(first)),
            }),
            ..Rule::default()
        }],
    }
}

/// Opens after so many failures in a row.
pub fn consecutive_failures(max_failures: u32, min_backoff: Duration) -> outbound::FailureAccrual {
    use outbound::failure_accrual::{ConsecutiveFailures, Kind};
    outbound::FailureAccrual {
        kind: Some(Kind::ConsecutiveFailures(ConsecutiveFailures {
            max_failures,
            backoff: Some(outbound::ExponentialBackoff {
                min_backoff: duration(min_backoff),
                max_backoff: duration(Duration::from_secs(60)),
                ..outbound::ExponentialBackoff::default()
            }),
        })),
        ..outbound::FailureAccrual::default()
    }
}

/// Who may connect to a port.
#[derive(Clone, Debug)]
pub enum Clients {
    Anyone,
    /// Any client with a mesh identity.
    Meshed,
    Identities(Vec<String>),
    Nobody,
}

/// An inbound policy that detects the protocol.
pub fn server(clients: &Clients) -> inbound::Server {
    let detect = inbound::proxy_protocol::Detect {
        timeout: duration(Duration::from_secs(10)),
        http_routes: vec![inbound_route(clients)],
        http_local_rate_limit: None,
    };
    inbound_server(clients, inbound::proxy_protocol::Kind::Detect(detect))
}

pub fn opaque_server(clients: &Clients) -> inbound::Server {
    let opaque = inbound::proxy_protocol::Opaque {};
    inbound_server(clients, inbound::proxy_protocol::Kind::Opaque(opaque))
}

pub fn inbound_server(clients: &Clients, kind: inbound::proxy_protocol::Kind) -> inbound::Server {
    inbound::Server {
        protocol: Some(inbound::ProxyProtocol { kind: Some(kind) }),
        authorizations: authorizations(clients),
        labels: [("group", ""), ("kind", "default"), ("name", "test")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into(),
        ..inbound::Server::default()
    }
}

pub fn inbound_route(clients: &Clients) -> inbound::HttpRoute {
    inbound::HttpRoute {
        metadata: Some(default_metadata("default")),
        hosts: Vec::new(),
        authorizations: authorizations(clients),
        rules: vec![inbound::http_route::Rule {
            matches: vec![linkerd2_proxy_api::http_route::HttpRouteMatch::default()],
            filters: Vec::new(),
        }],
    }
}

fn authorizations(clients: &Clients) -> Vec<inbound::Authz> {
    use inbound::authn::permit_mesh_tls::{Clients as Permitted, PermitClientIdentities};
    use inbound::authn::{Permit, PermitMeshTls, PermitUnauthenticated};
    let mesh = |clients| {
        Permit::MeshTls(PermitMeshTls {
            clients: Some(clients),
        })
    };
    let permit = match clients {
        Clients::Nobody => return Vec::new(),
        Clients::Anyone => Permit::Unauthenticated(PermitUnauthenticated {}),
        Clients::Meshed => mesh(Permitted::Identities(PermitClientIdentities {
            identities: Vec::new(),
            suffixes: vec![inbound::IdentitySuffix { parts: Vec::new() }],
        })),
        Clients::Identities(names) => mesh(Permitted::Identities(PermitClientIdentities {
            identities: names
                .iter()
                .map(|name| inbound::Identity { name: name.clone() })
                .collect(),
            suffixes: Vec::new(),
        })),
    };
    let everywhere = ["0.0.0.0/0", "::/0"].map(|net| inbound::Network {
        net: net.parse::<ipnet::IpNet>().ok().map(Into::into),
        except: Vec::new(),
    });
    vec![inbound::Authz {
        networks: everywhere.into(),
        authentication: Some(inbound::Authn {
            permit: Some(permit),
        }),
        labels: [("group", ""), ("kind", "default"), ("name", "test")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into(),
        metadata: Some(default_metadata("test")),
    }]
}

/// What destination says about a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    pub address: std::net::SocketAddr,
    /// None: the pod carries no proxy.
    pub identity: Option<String>,
    /// HTTP may be upgraded to HTTP/2.
    pub is_http2: bool,
    /// The proxy's port, if a transport header is wanted.
    pub transport_port: Option<u16>,
    pub labels: Vec<(String, String)>,
}

impl Endpoint {
    pub fn plain(address: std::net::SocketAddr) -> Self {
        Self {
            address,
            identity: None,
            is_http2: false,
            transport_port: None,
            labels: Vec::new(),
        }
    }

    pub fn meshed(address: std::net::SocketAddr, identity: &str) -> Self {
        Self {
            identity: Some(identity.to_string()),
            is_http2: true,
            ..Self::plain(address)
        }
    }

    pub fn via(mut self, transport_port: u16) -> Self {
        self.transport_port = Some(transport_port);
        self
    }

    pub fn message(&self) -> destination::WeightedAddr {
        use destination::protocol_hint::{H2, OpaqueTransport, Protocol};
        use destination::tls_identity::{DnsLikeIdentity, Strategy};
        let identity = self.identity.as_ref().map(|name| {
            let name = DnsLikeIdentity { name: name.clone() };
            destination::TlsIdentity {
                strategy: Some(Strategy::DnsLikeIdentity(name.clone())),
                server_name: Some(name),
            }
        });
        let transport = self.transport_port.map(|port| OpaqueTransport {
            inbound_port: port.into(),
        });
        let has_hint = self.is_http2 || transport.is_some();
        let hint = destination::ProtocolHint {
            protocol: self.is_http2.then_some(Protocol::H2(H2 {})),
            opaque_transport: transport,
        };
        destination::WeightedAddr {
            addr: Some(self.address.into()),
            weight: 10_000,
            metric_labels: self.labels.iter().cloned().collect(),
            tls_identity: identity,
            protocol_hint: has_hint.then_some(hint),
            ..destination::WeightedAddr::default()
        }
    }
}
