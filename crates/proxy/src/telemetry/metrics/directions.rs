//! Families of one direction: authorization, errors, detection, routes and backends.

use std::sync::Arc;

use super::balancer::BalancerFamilies;
use super::family::{Buckets, Counter, Family, Histogram};
use super::limit::SeriesLimit;
use super::zone::TransferCosts;

macro_rules! seconds {
    ($name:ident, $($bound:literal),+) => {
        pub static $name: Buckets = Buckets::new(&[$($bound),+], 1_000_000, false);
    };
}
seconds!(COARSE_SECONDS, 50_000, 500_000, 1_000_000, 10_000_000);
seconds!(
    FINE_SECONDS,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    10_000_000
);
seconds!(DETECT_SECONDS, 1_000, 100_000);

pub static FRAME_BYTES: Buckets = Buckets::new(&[128, 1_024, 10_240], 1, false);

type Limit = Arc<SeriesLimit>;

fn coarse() -> Histogram {
    Histogram::new(&COARSE_SECONDS)
}

fn fine() -> Histogram {
    Histogram::new(&FINE_SECONDS)
}

fn detect() -> Histogram {
    Histogram::new(&DETECT_SECONDS)
}

fn frames() -> Histogram {
    Histogram::new(&FRAME_BYTES)
}

/// How long detection took, and what it found.
pub struct DetectFamilies {
    pub duration: Family<Histogram>,
    /// `result`: not_http, http/1, http/2, read_timeout, error.
    pub results: Family<Counter>,
}

impl DetectFamilies {
    fn new(direction: &str, limit: &Limit) -> Self {
        let name = |rest: &str| format!("{direction}_tcp_detect_http_{rest}");
        Self {
            duration: Family::with(
                name("duration_seconds"),
                "Time until a connection's protocol was known.",
                limit,
                detect,
            ),
            results: Family::counter(name("results_total"), "Protocols detected.", limit),
        }
    }

    fn write(&self, out: &mut String) {
        self.duration.write(out);
        self.results.write(out);
    }
}

pub struct InboundFamilies {
    pub http_allow: Family<Counter>,
    pub http_deny: Family<Counter>,
    pub http_route_not_found: Family<Counter>,
    pub http_rate_limit: Family<Counter>,
    pub tcp_allow: Family<Counter>,
    pub tcp_deny: Family<Counter>,
    pub tcp_terminate: Family<Counter>,
    pub http_errors: Family<Counter>,
    pub tcp_errors: Family<Counter>,
    pub http: InboundHttpFamilies,
    pub grpc: InboundHttpFamilies,
    pub detect: DetectFamilies,
    pub transport_header: Family<Counter>,
}

impl InboundFamilies {
    pub fn new(limit: &Limit) -> Self {
        let counter =
            |rest: &str, help| Family::counter(format!("inbound_{rest}_total"), help, limit);
        Self {
            http_allow: counter(
                "http_authz_allow",
                "Requests that an authorization allowed.",
            ),
            http_deny: counter("http_authz_deny", "Requests that no authorization allowed."),
            http_route_not_found: counter(
                "http_route_not_found",
                "Requests that matched no route.",
            ),
            http_rate_limit: counter("http_local_ratelimit", "Requests over a rate limit."),
            tcp_allow: counter(
                "tcp_authz_allow",
                "Connections that an authorization allowed.",
            ),
            tcp_deny: counter(
                "tcp_authz_deny",
                "Connections that no authorization allowed.",
            ),
            tcp_terminate: counter(
                "tcp_authz_terminate",
                "Connections closed by a policy change.",
            ),
            http_errors: counter("http_errors", "Requests that the proxy itself failed."),
            tcp_errors: counter("tcp_errors", "Connections that the proxy itself failed."),
            http: InboundHttpFamilies::new("http", limit),
            grpc: InboundHttpFamilies::new("grpc", limit),
            detect: DetectFamilies::new("inbound", limit),
            transport_header: counter(
                "tcp_transport_header_connections",
                "Connections that began with a transport header.",
            ),
        }
    }

    /// The part that stands first in the exposition.
    pub fn write_policy(&self, out: &mut String) {
        for family in [
            &self.http_allow,
            &self.http_deny,
            &self.http_route_not_found,
            &self.http_rate_limit,
            &self.tcp_allow,
            &self.tcp_deny,
            &self.tcp_terminate,
            &self.http_errors,
            &self.tcp_errors,
        ] {
            family.write(out);
        }
    }

    pub fn write(&self, out: &mut String) {
        self.http.write(out);
        self.grpc.write(out);
        self.detect.write(out);
        self.transport_header.write(out);
    }
}

/// `inbound_http_*` or `inbound_grpc_*`, by parent and route.
pub struct InboundHttpFamilies {
    pub requests: Family<Counter>,
    pub request_duration: Family<Histogram>,
    pub response_duration: Family<Histogram>,
    pub request_frames: Family<Histogram>,
    pub response_frames: Family<Histogram>,
    pub statuses: Family<Counter>,
}

impl InboundHttpFamilies {
    fn new(protocol: &str, limit: &Limit) -> Self {
        let name = |rest: &str| format!("inbound_{protocol}_{rest}");
        let time = "Time that a stream took.";
        let size = "Sizes of DATA frames.";
        Self {
            requests: Family::counter(name("requests_total"), "Requests received.", limit),
            request_duration: Family::with(name("request_duration_seconds"), time, limit, fine),
            response_duration: Family::with(name("response_duration_seconds"), time, limit, coarse),
            request_frames: Family::with(name("request_frame_size_bytes"), size, limit, frames),
            response_frames: Family::with(name("response_frame_size_bytes"), size, limit, frames),
            statuses: Family::counter(name("statuses_total"), "Completed responses.", limit),
        }
    }

    fn write(&self, out: &mut String) {
        self.requests.write(out);
        self.request_duration.write(out);
        self.response_duration.write(out);
        self.request_frames.write(out);
        self.response_frames.write(out);
        self.statuses.write(out);
    }
}

pub struct OutboundFamilies {
    pub http_errors: Family<Counter>,
    pub tcp_errors: Family<Counter>,
    pub http: RouteFamilies,
    pub grpc: RouteFamilies,
    pub http_balancer: BalancerFamilies,
    pub tcp_balancer: BalancerFamilies,
    pub tls_balancer: BalancerFamilies,
    pub tcp_route_open: Family<Counter>,
    /// `error`: empty, forbidden, invalid_backend, invalid_policy or unexpected.
    pub tcp_route_close: Family<Counter>,
    pub tls_route_open: Family<Counter>,
    pub tls_route_close: Family<Counter>,
    /// `protocol`: http/1, http/2, detect, opaq or tls.
    pub protocols: Family<Counter>,
    pub transfer_costs: TransferCosts,
    pub detect: DetectFamilies,
}

impl OutboundFamilies {
    pub fn new(limit: &Limit) -> Self {
        let counter =
            |rest: &str, help| Family::counter(format!("outbound_{rest}_total"), help, limit);
        Self {
            http_errors: counter("http_errors", "Requests that the proxy itself failed."),
            tcp_errors: counter("tcp_errors", "Connections that the proxy itself failed."),
            http: RouteFamilies::new("http", limit),
            grpc: RouteFamilies::new("grpc", limit),
            http_balancer: BalancerFamilies::new("outbound_http", limit),
            tcp_balancer: BalancerFamilies::new("outbound_tcp", limit),
            tls_balancer: BalancerFamilies::new("outbound_tls", limit),
            tcp_route_open: counter("tcp_route_open", "Connections opened by a route."),
            tcp_route_close: counter("tcp_route_close", "Connections of a route that closed."),
            tls_route_open: counter("tls_route_open", "TLS connections opened by a route."),
            tls_route_close: counter("tls_route_close", "TLS connections of a route that closed."),
            protocols: counter("tcp_protocol_connections", "Connections by protocol."),
            transfer_costs: TransferCosts::new(limit),
            detect: DetectFamilies::new("outbound", limit),
        }
    }

    pub fn write_errors(&self, out: &mut String) {
        self.http_errors.write(out);
        self.tcp_errors.write(out);
    }

    pub fn write(&self, out: &mut String) {
        self.http.write(out);
        self.grpc.write(out);
        self.http_balancer.write(out);
        self.tcp_balancer.write(out);
        self.tls_balancer.write(out);
        for family in [
            &self.tcp_route_open,
            &self.tcp_route_close,
            &self.tls_route_open,
            &self.tls_route_close,
            &self.protocols,
        ] {
            family.write(out);
        }
        self.transfer_costs.write(out);
        self.detect.write(out);
    }
}

/// `outbound_http_route_*` or `outbound_grpc_route_*`.
pub struct RouteFamilies {
    pub request_duration: Family<Histogram>,
    /// By `http_status` or `grpc_status`, and `error`.
    pub request_statuses: Family<Counter>,
    pub request_frames: Family<Histogram>,
    pub retries: Family<Counter>,
    pub retry_successes: Family<Counter>,
    pub retry_limit_exceeded: Family<Counter>,
    pub retry_overflow: Family<Counter>,
    pub backend_requests: Family<Counter>,
    pub backend_response_duration: Family<Histogram>,
    pub backend_response_statuses: Family<Counter>,
    pub backend_response_frames: Family<Histogram>,
}

impl RouteFamilies {
    fn new(protocol: &str, limit: &Limit) -> Self {
        let name = |rest: &str| format!("outbound_{protocol}_route_{rest}");
        let counter = |rest: &str, help| Family::counter(name(rest), help, limit);
        let histogram = |rest: &str, help, make| Family::with(name(rest), help, limit, make);
        Self {
            request_duration: histogram(
                "request_duration_seconds",
                "Time from a request to the end of its response, retries included.",
                coarse,
            ),
            request_statuses: counter("request_statuses_total", "Completed requests."),
            request_frames: histogram("request_frame_size_bytes", "Sizes of DATA frames.", frames),
            retries: counter("retry_requests_total", "Retries sent."),
            retry_successes: counter("retry_successes_total", "Retries that succeeded."),
            retry_limit_exceeded: counter("retry_limit_exceeded_total", "Retries past the limit."),
            retry_overflow: counter(
                "retry_overflow_total",
                "Retries that a body or budget forbade.",
            ),
            backend_requests: counter("backend_requests_total", "Requests sent to a backend."),
            backend_response_duration: histogram(
                "backend_response_duration_seconds",
                "Time from a request to the end of one backend's response.",
                fine,
            ),
            backend_response_statuses: counter(
                "backend_response_statuses_total",
                "Completed responses of a backend.",
            ),
            backend_response_frames: histogram(
                "backend_response_frame_size_bytes",
                "Sizes of DATA frames.",
                frames,
            ),
        }
    }

    fn write(&self, out: &mut String) {
        self.request_duration.write(out);
        self.request_statuses.write(out);
        self.request_frames.write(out);
        self.retries.write(out);
        self.retry_successes.write(out);
        self.retry_limit_exceeded.write(out);
        self.retry_overflow.write(out);
        self.backend_requests.write(out);
        self.backend_response_duration.write(out);
        self.backend_response_statuses.write(out);
        self.backend_response_frames.write(out);
    }
}
