//! Counts what is asked of a control-plane service, and the look-ups of its name.

use std::sync::Arc;
use std::time::Duration;

use super::stream::Service;
use crate::exchange::classify::{grpc_status, is_failure};
use crate::telemetry::labels::{Labels, NoTls, Tls};
use crate::telemetry::metrics::{Class, HttpEndpointMetrics, Metrics};

/// The rows of one client: `identity`, `destination` or `policy`.
pub struct Observed {
    client: &'static str,
    metrics: Arc<Metrics>,
    requests: Arc<HttpEndpointMetrics>,
}

impl Observed {
    pub fn new(client: &'static str, service: &Service, metrics: &Arc<Metrics>) -> Self {
        let address = format!("{}:{}", service.host, service.port);
        let tls = match &service.peer {
            Some(peer) => Tls::ToServer(peer.identity.as_str()),
            None => Tls::None(NoTls::Loopback),
        };
        let labels = Labels::new().with("addr", &address).tls(tls);
        Self {
            client,
            requests: metrics.control_request(labels),
            metrics: Arc::clone(metrics),
        }
    }

    pub fn looked_up(&self, is_found: bool) {
        let labels = Labels::new()
            .with("client", self.client)
            .with("record_type", "A/AAAA")
            .with("result", if is_found { "ok" } else { "not_found" });
        self.metrics.control.dns.get(&labels).increment();
    }

    pub fn asked(&self) {
        self.requests.request();
    }

    /// Streams last for hours, so an answer is counted when it begins.
    pub fn answered<B, E>(&self, answer: &Result<http::Response<B>, E>, after: Duration) {
        let Ok(response) = answer else {
            let error = Some("unclassified");
            self.requests
                .response(None, Class::Failure, None, error, after);
            return;
        };
        let code = grpc_status(response.headers());
        let class = match is_failure(response.status(), code) {
            true => Class::Failure,
            false => Class::Success,
        };
        let status = Some(response.status().as_u16());
        self.requests.response(status, class, code, None, after);
    }
}
