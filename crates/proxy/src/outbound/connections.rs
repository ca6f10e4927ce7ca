//! The rows of connections: by protocol, by what was detected, and by the route of those that are no HTTP.

use std::sync::Arc;
use std::time::Instant;

use super::accept::AcceptError;
use super::opaque::OpaqueError;
use crate::exchange::first::Spoken;
use crate::route::select::Reference;
use crate::telemetry::labels::{Labels, Named};
use crate::telemetry::metrics::{Counter, Family, Metrics};

/// The rows of one destination.
pub struct Connections {
    metrics: Arc<Metrics>,
    parent: Labels,
}

impl Connections {
    pub fn new(metrics: &Arc<Metrics>, parent: &Reference) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            parent: Labels::new().referred("parent_", parent.referred()),
        }
    }

    /// What policy says that the destination speaks.
    pub fn protocol(&self, protocol: &str) {
        let labels = self.parent.clone().with("protocol", protocol);
        self.metrics.outbound.protocols.get(&labels).increment();
    }

    /// What a connection turned out to speak.
    pub fn detected(&self, spoken: Option<Spoken>, accepted: Instant) {
        let families = &self.metrics.outbound.detect;
        let duration = families.duration.get(&self.parent);
        duration.observe_time(accepted.elapsed());
        let labels = self.parent.clone().with("result", result(spoken));
        families.results.get(&labels).increment();
    }

    /// A connection by a route begins.
    pub fn open(&self, route: Option<&Reference>, is_tls: bool) -> RouteConnection<'_> {
        let families = &self.metrics.outbound;
        let (open, close) = match is_tls {
            true => (&families.tls_route_open, &families.tls_route_close),
            false => (&families.tcp_route_open, &families.tcp_route_close),
        };
        let none = Reference::default();
        let route = route.unwrap_or(&none);
        let named = Named {
            group: &route.group,
            kind: &route.kind,
            name: &route.name,
        };
        let labels = self.parent.clone().outbound_route(named, &route.namespace);
        open.get(&labels).increment();
        RouteConnection { close, labels }
    }
}

/// The `result` label; none: the connection failed before it was known.
pub fn result(spoken: Option<Spoken>) -> &'static str {
    match spoken {
        Some(Spoken::Http1) => "http/1",
        Some(Spoken::Http2) => "http/2",
        Some(Spoken::Opaque | Spoken::Nothing) => "not_http",
        None => "error",
    }
}

/// Counted as closed when it is told how it ended.
pub struct RouteConnection<'a> {
    close: &'a Family<Counter>,
    labels: Labels,
}

impl RouteConnection<'_> {
    pub fn ended<T>(self, ended: Result<T, AcceptError>) -> Result<T, AcceptError> {
        let error = match &ended {
            Ok(_) => "",
            Err(AcceptError::Opaque(_, OpaqueError::Forbidden)) => "forbidden",
            Err(AcceptError::Opaque(_, OpaqueError::Invalid)) => "invalid_policy",
            Err(AcceptError::Opaque(_, OpaqueError::NoBackend)) => "invalid_backend",
            Err(_) => "unexpected",
        };
        self.close
            .get(&self.labels.with("error", error))
            .increment();
        ended
    }
}
