//! What may be set and is not obeyed: a sentence for each, so that nobody believes otherwise.

use std::time::Duration;

use super::Config;

impl Config {
    /// One sentence per variable; the proxy serves on without what it asks for. What has its default's value asks
    /// for nothing.
    pub fn unheeded(&self) -> Vec<String> {
        let inbound = &self.inbound.direction;
        let backoff = &inbound.connect_backoff;
        let cases = [
            (
                !self.inbound.gateway_suffixes.is_empty(),
                "INBOUND_GATEWAY_SUFFIXES",
                "this proxy is no gateway; connections that name a service are closed",
            ),
            (
                self.outbound.is_ingress,
                "INGRESS_MODE",
                "l5d-dst-override is dropped; inject with `enabled`, and let the ingress controller send to Services",
            ),
            (
                self.trace.is_some(),
                "TRACE_COLLECTOR_SVC_ADDR",
                "the proxy sends no spans; trace headers pass on as they are",
            ),
            (
                self.identity.spire_socket.is_some(),
                "IDENTITY_SPIRE_WORKLOAD_API_ADDRESS",
                "the identity service certifies this proxy",
            ),
            (
                self.outbound.has_hostname_labels,
                "OUTBOUND_METRICS_HOSTNAME_LABELS",
                "`hostname` stays empty, so that requests cannot make series without bound",
            ),
            (
                self.inbound.has_authority_labels,
                "INBOUND_METRICS_AUTHORITY_LABELS",
                "inbound series carry no authority, so that requests cannot make series without bound",
            ),
            (
                (backoff.min, backoff.max, backoff.jitter)
                    != (Duration::from_millis(100), Duration::from_secs(10), 0.1),
                "INBOUND_CONNECT_EXP_BACKOFF_MIN (or _MAX, or _JITTER)",
                "our own application is tried at every request",
            ),
            (
                inbound.http_queue_capacity != 10_000,
                "INBOUND_HTTP_QUEUE_CAPACITY",
                "nothing waits for our own application; INBOUND_MAX_IN_FLIGHT limits the requests that it is sent",
            ),
            (
                inbound.http_failfast != Duration::from_secs(1),
                "INBOUND_HTTP_FAILFAST_TIMEOUT",
                "nothing waits for our own application; INBOUND_CONNECT_TIMEOUT limits how long it may take to accept",
            ),
            (
                self.destination.initial_timeout != Duration::from_millis(500),
                "DESTINATION_PROFILE_INITIAL_TIMEOUT",
                "a connection waits up to ten seconds for the first answer about its destination",
            ),
        ];
        let set = cases.into_iter().filter(|(is_set, ..)| *is_set);
        set.map(|(_, name, why)| format!("LINKERD2_PROXY_{name} is not obeyed: {why}"))
            .collect()
    }
}
