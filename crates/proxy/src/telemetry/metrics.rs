//! The registry: every family that the proxy counts, and their text for Prometheus.
//! Ask it for a series once, keep the handle, count on the handle.

mod balancer;
mod control;
mod directions;
mod family;
mod few;
mod http;
mod idle;
mod limit;
#[cfg(test)]
mod limit_tests;
mod process;
#[cfg(test)]
mod tests;
mod transport;
mod zone;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

pub use balancer::{BalancerFamilies, BalancerRow, Balancing, Now, Sums, Update};
pub use control::{CertificateMetrics, ControlFamilies};
pub use directions::{
    DetectFamilies, InboundFamilies, InboundHttpFamilies, OutboundFamilies, RouteFamilies,
};
pub use family::{Counter, Family, Gauge, Histogram};
pub use few::Few;
pub use http::{Class, HttpEndpointMetrics, HttpFamilies, Outcome};
pub use limit::SeriesLimit;
pub use process::Process;
pub use transport::{TransportFamilies, TransportMetrics};
pub use zone::{Locality, TransferCost, TransferCosts};

use super::labels::Labels;

pub struct Metrics {
    retain_idle: Duration,
    limit: Arc<SeriesLimit>,
    /// Bytes of the last exposition, which the next one will need about as many of.
    last_length: AtomicUsize,
    endpoints: HttpFamilies,
    profile_routes: HttpFamilies,
    profile_attempts: HttpFamilies,
    control_requests: HttpFamilies,
    transports: TransportFamilies,
    process: Process,
    pub inbound: InboundFamilies,
    pub outbound: OutboundFamilies,
    pub control: ControlFamilies,
    /// `skipped="no_budget"` is the second row of a route.
    pub profile_retryable: Family<Counter>,
}

impl Metrics {
    pub fn new(retain_idle: Duration) -> Arc<Self> {
        let most = crate::config::Admin::MAX_SERIES;
        Self::with_limit(retain_idle, SeriesLimit::new(most, Vec::new()))
    }

    pub fn with_limit(retain_idle: Duration, limit: Arc<SeriesLimit>) -> Arc<Self> {
        let retryable = "Requests of routes that may be retried.";
        Arc::new(Self {
            retain_idle,
            endpoints: HttpFamilies::new("", true, &limit),
            profile_routes: HttpFamilies::new("route_", true, &limit),
            profile_attempts: HttpFamilies::new("route_actual_", false, &limit),
            control_requests: HttpFamilies::new("control_", true, &limit),
            transports: TransportFamilies::new(&limit),
            process: Process::starting(),
            inbound: InboundFamilies::new(&limit),
            outbound: OutboundFamilies::new(&limit),
            control: ControlFamilies::new(&limit),
            profile_retryable: Family::counter("route_retryable_total", retryable, &limit),
            limit,
            last_length: AtomicUsize::new(63 * 1024),
        })
    }

    /// `request_total`, `response_total`, `response_latency_ms` of one endpoint.
    pub fn http_endpoint(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        self.endpoints.get(labels)
    }

    /// `route_*`: one count per request of a ServiceProfile's route, however often it is tried.
    pub fn profile_route(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        self.profile_routes.get(labels)
    }

    /// `route_actual_*`: one count per attempt.
    pub fn profile_attempt(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        self.profile_attempts.get(labels)
    }

    pub fn control_request(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        self.control_requests.get(labels)
    }

    pub fn transport(&self, labels: Labels) -> Arc<TransportMetrics> {
        self.transports.get(labels)
    }

    pub fn uptime(&self) -> Duration {
        self.process.uptime()
    }

    /// All of it, as Prometheus reads it.
    pub fn exposition(&self) -> String {
        self.exposition_at(Instant::now())
    }

    fn exposition_at(&self, now: Instant) -> String {
        let mut out = String::with_capacity(self.last_length.load(Relaxed) + 1024);
        let retain = self.retain_idle;
        self.inbound.write_policy(&mut out);
        self.outbound.write_errors(&mut out);
        self.endpoints.write(&mut out, now, retain);
        self.profile_routes.write(&mut out, now, retain);
        self.profile_retryable.write(&mut out);
        self.profile_attempts.write(&mut out, now, retain);
        self.control_requests.write(&mut out, now, retain);
        self.transports.write(&mut out, now, retain);
        self.process.write(&mut out);
        self.control.write(&mut out);
        self.outbound.write(&mut out);
        self.inbound.write(&mut out);
        self.write_limit(&mut out);
        out.push_str("# EOF\n");
        self.last_length.store(out.len(), Relaxed);
        out
    }

    fn write_limit(&self, out: &mut String) {
        let mut each = |name: &str, help: &str, kind: &str, value: u64| {
            family::write_head(out, name, help, kind);
            family::write_sample(out, name, "", value);
        };
        let limit = &self.limit;
        let (now, most) = (limit.now() as u64, limit.most() as u64);
        each(
            "proxy_metrics_series",
            "Series that count toward the limit.",
            "gauge",
            now,
        );
        each(
            "proxy_metrics_series_limit",
            "The most there may be.",
            "gauge",
            most,
        );
        each(
            "proxy_metrics_series_refused_total",
            "Look-ups of a series that there was no room for.",
            "counter",
            limit.refused(),
        );
    }
}
