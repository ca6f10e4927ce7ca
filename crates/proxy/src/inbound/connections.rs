//! The rows of connections: what they began with, and what they turned out to speak.

use std::time::Instant;

use super::accept::Arrival;
use super::labels::named;
use super::policies::LivePolicy;
use crate::connect::header::{SessionProtocol, TransportHeader};
use crate::exchange::first::Spoken;
use crate::outbound::connections::result;
use crate::telemetry::labels::Labels;

impl Arrival {
    pub fn count_header(&self, header: &TransportHeader) {
        let protocol = match header.protocol {
            Some(SessionProtocol::Http1) => "http/1",
            Some(SessionProtocol::Http2) => "http/2",
            None => "",
        };
        let client = self.tls.identity().map(|id| id.as_str());
        let labels = Labels::new()
            .with("session_protocol", protocol)
            .with("target_port", &header.port.to_string())
            .with("target_name", header.name.as_deref().unwrap_or_default())
            .with("client_id", client.unwrap_or_default());
        let families = &self.inbound.metrics.inbound;
        families.transport_header.get(&labels).increment();
    }

    /// None: the connection failed before its protocol was known.
    pub fn count_detected(&self, live: &LivePolicy, spoken: Option<Spoken>, started: Instant) {
        let labels = Labels::new().server(named(&live.policy.server), self.target.port());
        let families = &self.inbound.metrics.inbound.detect;
        let duration = families.duration.get(&labels);
        duration.observe_time(started.elapsed());
        let labels = labels.with("result", result(spoken));
        families.results.get(&labels).increment();
    }
}
