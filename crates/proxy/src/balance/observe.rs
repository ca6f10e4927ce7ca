//! The metric handles of one outbound endpoint, resolved once.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::control::destination::EndpointSpec;
use crate::telemetry::labels::{Direction, Labels, NoTls, Side, Tls};
use crate::telemetry::metrics::{HttpEndpointMetrics, Metrics, TransportMetrics};

pub struct EndpointMetrics {
    pub transport: Arc<TransportMetrics>,
    labels: Labels,
    registry: Arc<Metrics>,
    /// At the first request: an endpoint of opaque traffic has no such rows.
    http: OnceLock<Arc<HttpEndpointMetrics>>,
}

impl EndpointMetrics {
    pub fn new(
        metrics: &Arc<Metrics>,
        spec: &EndpointSpec,
        authority: Option<&str>,
        local: &[IpAddr],
    ) -> Self {
        let tls = match &spec.peer {
            Some(peer) => Tls::ToServer(peer.identity.as_str()),
            None if local.contains(&spec.address.ip()) => Tls::None(NoTls::Loopback),
            None => Tls::None(NoTls::NotProvidedByServiceDiscovery),
        };
        let rest = Labels::new()
            .authority(authority)
            .target(spec.address)
            .tls(tls)
            .destination(spec.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let direction = Labels::new().direction(Direction::Outbound);
        let transport = direction.clone().peer(Side::Destination).merged(&rest);
        Self {
            transport: metrics.transport(transport),
            labels: direction.merged(&rest),
            registry: Arc::clone(metrics),
            http: OnceLock::new(),
        }
    }

    pub fn http(&self) -> &Arc<HttpEndpointMetrics> {
        self.http
            .get_or_init(|| self.registry.http_endpoint(self.labels.clone()))
    }
}
