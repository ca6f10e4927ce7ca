//! Inbound policy: the protocol of a port, its routes, and who may use them.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use linkerd2_proxy_api::inbound as pb;

use super::limits::duration;
use super::routes::{
    grpc_failure, grpc_match, hosts, http_failure, http_match, redirect, request_headers,
};
use super::{InvalidPolicy, fitted, labelled, reference};
use crate::route::filter::Filter;
use crate::route::select::{Reference, RequestMatch, Route, Routes, Rule};
use crate::tls::name::Identity;

type Translated<T> = Result<T, InvalidPolicy>;

#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub net: IpNet,
    pub except: Vec<IpNet>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Authentication {
    None,
    /// Mutual TLS of anybody, even without a certificate.
    AnyTls,
    Identities {
        names: Vec<Identity>,
        /// `.example`: names that end so; empty: every name.
        suffixes: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Authorization {
    pub reference: Arc<Reference>,
    pub networks: Vec<Network>,
    pub authentication: Authentication,
}

#[derive(Clone, Debug)]
pub struct HttpRule {
    pub filters: Vec<Filter>,
    pub authorizations: Arc<[Authorization]>,
    /// Of a gRPC route: what ends a request is a code.
    pub is_grpc: bool,
}

pub type HttpRoutes = Arc<Routes<HttpRule>>;

#[derive(Clone, Debug)]
pub enum Protocol {
    Detect {
        /// How long what may yet become a request line is waited for.
        timeout: Option<Duration>,
        routes: HttpRoutes,
    },
    Http1(HttpRoutes),
    Http2(HttpRoutes),
    Opaque,
    Tls,
}

impl Protocol {
    /// None: it is not HTTP.
    pub fn routes(&self) -> Option<&HttpRoutes> {
        match self {
            Self::Detect { routes, .. } | Self::Http1(routes) | Self::Http2(routes) => Some(routes),
            Self::Opaque | Self::Tls => None,
        }
    }
}

/// Requests per second.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    pub reference: Arc<Reference>,
    pub total: Option<u32>,
    pub identity: Option<u32>,
    pub overrides: Vec<(u32, Vec<Identity>)>,
}

#[derive(Clone, Debug)]
pub struct ServerPolicy {
    pub server: Arc<Reference>,
    pub protocol: Protocol,
    pub authorizations: Arc<[Authorization]>,
    pub rate_limit: Option<RateLimit>,
}

pub fn policy(from: pb::Server) -> Translated<ServerPolicy> {
    use pb::proxy_protocol::Kind;
    let authorizations = authorizations(from.authorizations)?;
    let kind = from.protocol.and_then(|p| p.kind);
    let mut rate_limit = None;
    let protocol = match kind.ok_or(InvalidPolicy("no protocol"))? {
        Kind::Detect(detect) => {
            rate_limit = detect.http_local_rate_limit;
            Protocol::Detect {
                timeout: duration(detect.timeout),
                routes: http_routes(detect.http_routes, &authorizations)?,
            }
        }
        Kind::Http1(http) => {
            rate_limit = http.local_rate_limit;
            Protocol::Http1(http_routes(http.routes, &authorizations)?)
        }
        Kind::Http2(http) => {
            rate_limit = http.local_rate_limit;
            Protocol::Http2(http_routes(http.routes, &authorizations)?)
        }
        Kind::Grpc(grpc) => Protocol::Http2(grpc_routes(grpc.routes, &authorizations)?),
        Kind::Opaque(_) => Protocol::Opaque,
        Kind::Tls(_) => Protocol::Tls,
    };
    Ok(ServerPolicy {
        server: labelled(None, &from.labels),
        protocol,
        authorizations: authorizations.into(),
        rate_limit: rate_limit.map(limit),
    })
}

fn http_routes(from: Vec<pb::HttpRoute>, server: &[Authorization]) -> Translated<HttpRoutes> {
    let routes = from.into_iter().map(|route| {
        let authorizations = with_server(route.authorizations, server)?;
        let rules = route.rules.into_iter().map(|rule| {
            let matches = rule.matches.into_iter().map(http_match);
            Ok(Rule {
                matches: fitted(matches)?,
                policy: HttpRule {
                    filters: http_filters(rule.filters)?,
                    authorizations: Arc::clone(&authorizations),
                    is_grpc: false,
                },
            })
        });
        Ok(Route {
            rules: fitted(rules)?,
            reference: reference(route.metadata),
            hosts: hosts(route.hosts),
        })
    });
    Ok(Arc::new(Routes(fitted(routes)?)))
}

fn grpc_routes(from: Vec<pb::GrpcRoute>, server: &[Authorization]) -> Translated<HttpRoutes> {
    let routes = from.into_iter().map(|route| {
        let authorizations = with_server(route.authorizations, server)?;
        let rules = route.rules.into_iter().map(|rule| {
            let matches = rule.matches.into_iter().map(grpc_match);
            Ok(Rule {
                matches: fitted(matches)?,
                policy: HttpRule {
                    filters: grpc_filters(rule.filters)?,
                    authorizations: Arc::clone(&authorizations),
                    is_grpc: true,
                },
            })
        });
        Ok(Route {
            rules: fitted(rules)?,
            reference: reference(route.metadata),
            hosts: hosts(route.hosts),
        })
    });
    Ok(Arc::new(Routes(fitted(routes)?)))
}

fn http_filters(from: Vec<pb::http_route::Filter>) -> Translated<Vec<Filter>> {
    use pb::http_route::filter::Kind;
    let filters = from.into_iter().filter_map(|filter| filter.kind);
    let filters = filters.map(|kind| match kind {
        Kind::FailureInjector(from) => http_failure(from),
        Kind::RequestHeaderModifier(from) => request_headers(from),
        Kind::Redirect(from) => redirect(from),
    });
    fitted(filters)
}

fn grpc_filters(from: Vec<pb::grpc_route::Filter>) -> Translated<Vec<Filter>> {
    use pb::grpc_route::filter::Kind;
    let filters = from.into_iter().filter_map(|filter| filter.kind);
    let filters = filters.map(|kind| match kind {
        Kind::FailureInjector(from) => Ok(grpc_failure(from)),
        Kind::RequestHeaderModifier(from) => request_headers(from),
    });
    fitted(filters)
}

fn with_server(from: Vec<pb::Authz>, server: &[Authorization]) -> Translated<Arc<[Authorization]>> {
    let mut all = authorizations(from)?;
    all.extend_from_slice(server);
    Ok(all.into())
}

fn authorizations(from: Vec<pb::Authz>) -> Translated<Vec<Authorization>> {
    fitted(from.into_iter().map(authorization))
}

fn authorization(from: pb::Authz) -> Translated<Authorization> {
    let networks = from.networks.into_iter().map(|network| {
        let net = network.net.ok_or(InvalidPolicy("a network of nothing"))?;
        let except = network.except.into_iter().map(net_of);
        Ok(Network {
            net: net_of(net)?,
            except: fitted(except)?,
        })
    });
    Ok(Authorization {
        networks: fitted(networks)?,
        authentication: authentication(from.authentication)?,
        reference: labelled(from.metadata, &from.labels),
    })
}

fn net_of(from: linkerd2_proxy_api::net::IpNetwork) -> Translated<IpNet> {
    IpNet::try_from(from).map_err(|_| InvalidPolicy("a network that is none"))
}

fn authentication(from: Option<pb::Authn>) -> Translated<Authentication> {
    use pb::authn::{Permit, permit_mesh_tls::Clients};
    let permit = from.and_then(|a| a.permit);
    Ok(
        match permit.ok_or(InvalidPolicy("an authorization of nobody"))? {
            Permit::Unauthenticated(_) => Authentication::None,
            Permit::MeshTls(mesh) => match mesh.clients {
                None => return Err(InvalidPolicy("mesh TLS of nobody")),
                Some(Clients::Unauthenticated(_)) => Authentication::AnyTls,
                Some(Clients::Identities(clients)) => Authentication::Identities {
                    names: clients
                        .identities
                        .iter()
                        .map(|i| Identity::new(&i.name))
                        .collect(),
                    suffixes: clients.suffixes.iter().map(|s| suffix(&s.parts)).collect(),
                },
            },
        },
    )
}

fn suffix(parts: &[String]) -> String {
    parts.iter().map(|part| format!(".{part}")).collect()
}

fn limit(from: pb::HttpLocalRateLimit) -> RateLimit {
    let rate = |limit: Option<pb::http_local_rate_limit::Limit>| {
        limit.map(|l| l.requests_per_second).filter(|r| *r > 0)
    };
    RateLimit {
        reference: reference(from.metadata),
        total: rate(from.total),
        identity: rate(from.identity),
        overrides: from
            .overrides
            .into_iter()
            .filter_map(|o| {
                let clients = o.clients.unwrap_or_default().identities;
                let clients = clients.iter().map(|i| Identity::new(&i.name)).collect();
                Some((rate(o.limit)?, clients))
            })
            .collect(),
    }
}

/// The policy of a port that the control plane has not answered for: protocol detection,
/// one route, one authorization, all under the default's name.
pub fn fallback(name: &str, authorization: Option<Authorization>, is_opaque: bool) -> ServerPolicy {
    let authorizations: Arc<[Authorization]> = authorization.into_iter().collect();
    let rule = Rule {
        matches: vec![RequestMatch::default()],
        policy: HttpRule {
            filters: Vec::new(),
            authorizations: Arc::clone(&authorizations),
            is_grpc: false,
        },
    };
    let route = Route {
        reference: Arc::new(Reference::default_named("default")),
        hosts: Vec::new(),
        rules: vec![rule],
    };
    ServerPolicy {
        server: Arc::new(Reference::default_named(name)),
        protocol: match is_opaque {
            true => Protocol::Opaque,
            false => Protocol::Detect {
                timeout: None,
                routes: Arc::new(Routes(vec![route])),
            },
        },
        authorizations,
        rate_limit: None,
    }
}
