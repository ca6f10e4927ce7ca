//! Outbound policy: protocol, routes, rules and where they send requests.

use std::sync::Arc;
use std::time::Duration;

use linkerd2_proxy_api::outbound as pb;

use super::limits::{accrual, duration, grpc_retry, http_retry, timeouts};
use super::routes::{
    grpc_failure, grpc_match, hosts, http_failure, http_match, redirect, request_headers,
    response_headers,
};
use super::{InvalidPolicy, fitted, reference};
use crate::balance::breaker::BreakerSettings;
use crate::control::destination::{EndpointSpec, endpoint};
use crate::route::filter::Filter;
use crate::route::retry::Retry;
use crate::route::select::{Reference, Route, Routes, Rule};
use crate::route::timeout::Timeouts;

type Translated<T> = Result<T, InvalidPolicy>;

/// What a rule points at, before it is connected to live endpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct BackendSpec {
    pub reference: Arc<Reference>,
    pub target: BackendTarget,
    pub carried: Carried,
    pub queue: Queue,
}

/// What a backend is sent, as metrics of balancers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    Http,
    Opaque,
    Tls,
}

/// How many requests may wait for an endpoint, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub capacity: usize,
    pub failfast: Duration,
}

/// What a policy means that says nothing of it.
const QUEUE: Queue = Queue {
    capacity: 100,
    failfast: Duration::from_secs(3),
};

#[derive(Clone, Debug, PartialEq)]
pub enum BackendTarget {
    /// The `host:port` to ask destination for.
    Balance {
        authority: Arc<str>,
        default_rtt: Duration,
        decay: Duration,
        accrual: Option<BreakerSettings>,
    },
    Forward(Box<EndpointSpec>),
    None,
}

#[derive(Clone, Debug)]
pub struct RouteBackend<B> {
    pub backend: B,
    pub weight: u32,
    pub filters: Vec<Filter>,
}

#[derive(Clone, Debug)]
pub enum Distribution<B> {
    Empty,
    First(Vec<RouteBackend<B>>),
    Random(Vec<RouteBackend<B>>),
}

#[derive(Clone, Debug)]
pub struct HttpRule<B> {
    pub filters: Vec<Filter>,
    pub backends: Distribution<B>,
    pub timeouts: Timeouts,
    pub retry: Option<Retry>,
    /// A GRPCRoute's: counted by gRPC codes.
    pub is_grpc: bool,
    /// The app may set timeouts and retries of one request by `l5d-` headers.
    pub allows_request_headers: bool,
}

#[derive(Clone, Debug)]
pub enum TcpRule<B> {
    Forbidden,
    Invalid,
    Forward(Distribution<B>),
}

#[derive(Clone, Debug)]
pub enum SniMatch {
    Exact(String),
    Suffix(String),
}

#[derive(Clone, Debug)]
pub struct TlsRoute<B> {
    /// Empty: every name, and none.
    pub names: Vec<SniMatch>,
    pub route: TcpRoute<B>,
}

#[derive(Clone, Debug)]
pub struct TcpRoute<B> {
    pub reference: Arc<Reference>,
    pub rule: TcpRule<B>,
}

pub type HttpRoutes<B> = Arc<Routes<HttpRule<B>>>;

#[derive(Clone, Debug)]
pub enum Protocol<B> {
    Detect {
        /// How long what may yet become a request line is waited for.
        timeout: Option<Duration>,
        http1: HttpRoutes<B>,
        http2: HttpRoutes<B>,
        opaque: Option<TcpRoute<B>>,
    },
    Http1(HttpRoutes<B>),
    Http2(HttpRoutes<B>),
    Opaque(Option<TcpRoute<B>>),
    Tls(Vec<TlsRoute<B>>),
}

#[derive(Clone, Debug)]
pub struct OutboundPolicy<B> {
    pub parent: Arc<Reference>,
    pub protocol: Protocol<B>,
}

/// `resolve` connects a backend of the parent to its live endpoints; it is called once per backend of the answer.
pub fn policy<B: Clone>(
    from: pb::OutboundPolicy,
    resolve: &mut dyn FnMut(&Arc<Reference>, BackendSpec) -> B,
) -> Translated<OutboundPolicy<B>> {
    use pb::proxy_protocol::Kind;
    let parent = reference(from.metadata);
    let resolve = &mut |spec| resolve(&parent, spec);
    let kind = from.protocol.and_then(|p| p.kind);
    let protocol = match kind.ok_or(InvalidPolicy("no protocol"))? {
        Kind::Detect(detect) => detected(detect, resolve)?,
        Kind::Http1(from) => Protocol::Http1(http1(from, resolve)?),
        Kind::Http2(from) => Protocol::Http2(http2(from, resolve)?),
        Kind::Grpc(from) => {
            let accrual = from.failure_accrual.and_then(accrual);
            let routes = from.routes.into_iter();
            let routes = routes.map(|route| grpc_route(route, &accrual, resolve));
            Protocol::Http2(Arc::new(Routes(fitted(routes)?)))
        }
        Kind::Opaque(from) => Protocol::Opaque(opaque(from, resolve)?),
        Kind::Tls(from) => {
            let routes = from.routes.into_iter();
            let routes = routes.map(|route| tls_route(route, resolve));
            Protocol::Tls(fitted(routes)?)
        }
    };
    Ok(OutboundPolicy { parent, protocol })
}

/// The routes of both versions of HTTP are nearly always the same, and then kept once.
fn detected<B: Clone>(
    from: pb::proxy_protocol::Detect,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Protocol<B>> {
    let from_http1 = from.http1.unwrap_or_default();
    let from_http2 = from.http2.unwrap_or_default();
    let are_same = from_http1.routes == from_http2.routes
        && from_http1.failure_accrual == from_http2.failure_accrual;
    let http1 = http1(from_http1, resolve)?;
    Ok(Protocol::Detect {
        timeout: duration(from.timeout),
        http2: match are_same {
            true => Arc::clone(&http1),
            false => http2(from_http2, resolve)?,
        },
        http1,
        opaque: opaque(from.opaque.unwrap_or_default(), resolve)?,
    })
}

fn http1<B: Clone>(
    from: pb::proxy_protocol::Http1,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<HttpRoutes<B>> {
    http_routes(from.routes, from.failure_accrual, resolve)
}

fn http2<B: Clone>(
    from: pb::proxy_protocol::Http2,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<HttpRoutes<B>> {
    http_routes(from.routes, from.failure_accrual, resolve)
}

fn http_routes<B: Clone>(
    from: Vec<pb::HttpRoute>,
    accrual_from: Option<pb::FailureAccrual>,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<HttpRoutes<B>> {
    let accrual = accrual_from.and_then(accrual);
    let routes = from.into_iter();
    let routes = routes.map(|route| http_route(route, &accrual, resolve));
    Ok(Arc::new(Routes(fitted(routes)?)))
}

fn http_route<B: Clone>(
    from: pb::HttpRoute,
    accrual: &Option<BreakerSettings>,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Route<HttpRule<B>>> {
    let rules = from.rules.into_iter().map(|rule| {
        Ok(Rule {
            matches: fitted(rule.matches.into_iter().map(http_match))?,
            policy: HttpRule {
                filters: http_filters(rule.filters)?,
                backends: http_backends(rule.backends, accrual, resolve)?,
                timeouts: timeouts(rule.timeouts),
                retry: rule.retry.map(http_retry),
                is_grpc: false,
                allows_request_headers: rule.allow_l5d_request_headers,
            },
        })
    });
    Ok(Route {
        rules: fitted(rules)?,
        reference: reference(from.metadata),
        hosts: hosts(from.hosts),
    })
}

fn http_filters(from: Vec<pb::http_route::Filter>) -> Translated<Vec<Filter>> {
    use pb::http_route::filter::Kind;
    let filters = from.into_iter().filter_map(|filter| filter.kind);
    let filters = filters.map(|kind| match kind {
        Kind::FailureInjector(from) => http_failure(from),
        Kind::RequestHeaderModifier(from) => request_headers(from),
        Kind::ResponseHeaderModifier(from) => response_headers(from),
        Kind::Redirect(from) => redirect(from),
    });
    fitted(filters)
}

fn http_backends<B>(
    from: Option<pb::http_route::Distribution>,
    accrual: &Option<BreakerSettings>,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Distribution<B>> {
    use pb::http_route::distribution::Kind;
    let mut one = |from: pb::http_route::RouteBackend, weight| {
        Ok(RouteBackend {
            backend: resolve(backend(from.backend, accrual, Carried::Http)),
            weight,
            filters: http_filters(from.filters)?,
        })
    };
    Ok(match from.and_then(|d| d.kind) {
        None | Some(Kind::Empty(_)) => Distribution::Empty,
        Some(Kind::FirstAvailable(first)) => {
            let backends = first.backends.into_iter().map(|b| one(b, 1));
            Distribution::First(fitted(backends)?)
        }
        Some(Kind::RandomAvailable(random)) => {
            let backends = random.backends.into_iter();
            let backends = backends.filter_map(|b| Some(one(b.backend?, b.weight)));
            Distribution::Random(fitted(backends)?)
        }
    })
}

fn grpc_route<B: Clone>(
    from: pb::GrpcRoute,
    accrual: &Option<BreakerSettings>,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Route<HttpRule<B>>> {
    let rules = from.rules.into_iter().map(|rule| {
        Ok(Rule {
            matches: fitted(rule.matches.into_iter().map(grpc_match))?,
            policy: HttpRule {
                filters: grpc_filters(rule.filters)?,
                backends: grpc_backends(rule.backends, accrual, resolve)?,
                timeouts: timeouts(rule.timeouts),
                retry: rule.retry.map(grpc_retry),
                is_grpc: true,
                allows_request_headers: rule.allow_l5d_request_headers,
            },
        })
    });
    Ok(Route {
        rules: fitted(rules)?,
        reference: reference(from.metadata),
        hosts: hosts(from.hosts),
    })
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

fn grpc_backends<B>(
    from: Option<pb::grpc_route::Distribution>,
    accrual: &Option<BreakerSettings>,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Distribution<B>> {
    use pb::grpc_route::distribution::Kind;
    let mut one = |from: pb::grpc_route::RouteBackend, weight| {
        Ok(RouteBackend {
            backend: resolve(backend(from.backend, accrual, Carried::Http)),
            weight,
            filters: grpc_filters(from.filters)?,
        })
    };
    Ok(match from.and_then(|d| d.kind) {
        None | Some(Kind::Empty(_)) => Distribution::Empty,
        Some(Kind::FirstAvailable(first)) => {
            let backends = first.backends.into_iter().map(|b| one(b, 1));
            Distribution::First(fitted(backends)?)
        }
        Some(Kind::RandomAvailable(random)) => {
            let backends = random.backends.into_iter();
            let backends = backends.filter_map(|b| Some(one(b.backend?, b.weight)));
            Distribution::Random(fitted(backends)?)
        }
    })
}

/// Opaque policies carry one route; a connection has nothing that could choose between more.
fn opaque<B>(
    from: pb::proxy_protocol::Opaque,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<Option<TcpRoute<B>>> {
    use pb::opaque_route::distribution::Kind;
    let Some(mut route) = from.routes.into_iter().next() else {
        return Ok(None);
    };
    let reference = reference(route.metadata.take());
    let rule = route.rules.into_iter().next().unwrap_or_default();
    let mut one = |from: pb::opaque_route::RouteBackend, weight| RouteBackend {
        backend: resolve(backend(from.backend, &None, Carried::Opaque)),
        weight,
        filters: Vec::new(),
    };
    let backends = match rule.backends.and_then(|d| d.kind) {
        None | Some(Kind::Empty(_)) => Distribution::Empty,
        Some(Kind::FirstAvailable(first)) => {
            let backends = first.backends.into_iter().map(|b| one(b, 1));
            Distribution::First(fitted(backends.map(Ok))?)
        }
        Some(Kind::RandomAvailable(random)) => {
            let backends = random.backends.into_iter();
            let backends = backends.filter_map(|b| Some(one(b.backend?, b.weight)));
            Distribution::Random(fitted(backends.map(Ok))?)
        }
    };
    use pb::opaque_route::filter::Kind as FilterKind;
    let rule = match rule.filters.into_iter().find_map(|f| f.kind) {
        Some(FilterKind::Invalid(_)) => TcpRule::Invalid,
        Some(FilterKind::Forbidden(_)) => TcpRule::Forbidden,
        None => TcpRule::Forward(backends),
    };
    Ok(Some(TcpRoute { reference, rule }))
}

fn tls_route<B>(
    from: pb::TlsRoute,
    resolve: &mut dyn FnMut(BackendSpec) -> B,
) -> Translated<TlsRoute<B>> {
    use linkerd2_proxy_api::tls_route::sni_match::Match;
    use pb::tls_route::{distribution::Kind, filter::Kind as FilterKind};
    let names = from.snis.into_iter().filter_map(|sni| sni.r#match);
    let names = names.map(|name| match name {
        Match::Exact(exact) => SniMatch::Exact(exact),
        Match::Suffix(suffix) => {
            let labels = suffix.reverse_labels.iter().rev();
            SniMatch::Suffix(labels.map(|label| format!(".{label}")).collect())
        }
    });
    let rule = from.rules.into_iter().next().unwrap_or_default();
    let mut one = |from: pb::tls_route::RouteBackend, weight| RouteBackend {
        backend: resolve(backend(from.backend, &None, Carried::Tls)),
        weight,
        filters: Vec::new(),
    };
    let backends = match rule.backends.and_then(|d| d.kind) {
        None | Some(Kind::Empty(_)) => Distribution::Empty,
        Some(Kind::FirstAvailable(first)) => {
            let backends = first.backends.into_iter().map(|b| one(b, 1));
            Distribution::First(fitted(backends.map(Ok))?)
        }
        Some(Kind::RandomAvailable(random)) => {
            let backends = random.backends.into_iter();
            let backends = backends.filter_map(|b| Some(one(b.backend?, b.weight)));
            Distribution::Random(fitted(backends.map(Ok))?)
        }
    };
    Ok(TlsRoute {
        names: names.collect(),
        route: TcpRoute {
            reference: reference(from.metadata),
            rule: match rule.filters.into_iter().find_map(|f| f.kind) {
                Some(FilterKind::Invalid(_)) => TcpRule::Invalid,
                Some(FilterKind::Forbidden(_)) => TcpRule::Forbidden,
                None => TcpRule::Forward(backends),
            },
        },
    })
}

fn backend(
    from: Option<pb::Backend>,
    accrual: &Option<BreakerSettings>,
    carried: Carried,
) -> BackendSpec {
    use pb::backend::{Kind, balance_p2c::Load, endpoint_discovery};
    let from = from.unwrap_or_default();
    let target = match from.kind {
        Some(Kind::Forward(address)) => endpoint(address, &Default::default())
            .map_or(BackendTarget::None, |e| BackendTarget::Forward(Box::new(e))),
        Some(Kind::Balancer(balancer)) => {
            let load = match balancer.load {
                Some(Load::PeakEwma(load)) => (load.default_rtt, load.decay),
                Some(Load::PenaltyPeakEwma(load)) => (load.default_rtt, load.decay),
                None => (None, None),
            };
            match balancer.discovery.and_then(|d| d.kind) {
                Some(endpoint_discovery::Kind::Dst(get)) => BackendTarget::Balance {
                    authority: get.path.into(),
                    default_rtt: duration(load.0).unwrap_or(Duration::from_millis(30)),
                    decay: duration(load.1).unwrap_or(Duration::from_secs(10)),
                    accrual: accrual.clone(),
                },
                None => BackendTarget::None,
            }
        }
        None => BackendTarget::None,
    };
    let queue = from.queue.map_or(QUEUE, |queue| Queue {
        capacity: Some(queue.capacity as usize)
            .filter(|c| *c > 0)
            .unwrap_or(QUEUE.capacity),
        failfast: duration(queue.failfast_timeout).unwrap_or(QUEUE.failfast),
    });
    BackendSpec {
        reference: reference(from.metadata),
        target,
        carried,
        queue,
    }
}
