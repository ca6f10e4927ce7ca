//! The metric handles of one outbound endpoint, resolved when it appears.

use std::net::IpAddr;
use std::sync::Arc;

use crate::control::destination::EndpointSpec;
use crate::telemetry::labels::{Direction, Labels, NoTls, Side, Tls};
use crate::telemetry::metrics::{HttpEndpointMetrics, Metrics, TransportMetrics};

pub struct EndpointMetrics {
    pub http: Arc<HttpEndpointMetrics>,
    pub transport: Arc<TransportMetrics>,
}

impl EndpointMetrics {
    pub fn new(
        metrics: &Metrics,
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
            http: metrics.http_endpoint(direction.merged(&rest)),
            transport: metrics.transport(transport),
        }
    }
}
