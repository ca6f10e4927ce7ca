//! What may be set and is not obeyed: a sentence for each, so that nobody believes otherwise.

use super::Config;

impl Config {
    /// One sentence per variable; the proxy serves on without what it asks for.
    pub fn unheeded(&self) -> Vec<String> {
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
        ];
        let set = cases.into_iter().filter(|(is_set, ..)| *is_set);
        set.map(|(_, name, why)| format!("LINKERD2_PROXY_{name} is not obeyed: {why}"))
            .collect()
    }
}
