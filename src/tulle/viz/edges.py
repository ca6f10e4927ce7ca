"""Who talks to whom, and whether each end proved who it is."""

from dataclasses import dataclass
from typing import Any

from tulle.viz import queries
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import Kind
from tulle.viz.prometheus import Prometheus, Sample

Json = dict[str, Any]

# The proxies' words for connections without TLS; a word that is not here is shown as it is.
REASONS = {
    "disabled": "Disabled",
    "loopback": "Loopback",
    "no_authority_in_http_request": "No Authority In HTTP Request",
    "not_http": "Not HTTP",
    "not_provided_by_remote": "Not Provided By Remote",
    "not_provided_by_service_discovery": "Not Provided By Service Discovery",
    "ingress_without_override": "Ingress Without Override",
}


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """Sorted by the namespaces, then by the names."""

    source_namespace: str
    destination_namespace: str
    source: str
    destination: str
    client_id: str
    server_id: str  # empty: not secured
    no_tls_reason: str

    def as_json(self) -> Json:
        return {
            "src": self.source,
            "src_namespace": self.source_namespace,
            "dst": self.destination,
            "dst_namespace": self.destination_namespace,
            "client_id": self.client_id,
            "server_id": self.server_id,
            "no_tls_reason": self.no_tls_reason,
        }


async def edges(
    kind: Kind, namespace: str, inventory: Inventory, prometheus: Prometheus
) -> list[Edge]:
    """Those with either end in the namespace; in all of them when none is given."""
    samples = await prometheus.query(queries.edges(kind.label))
    accounts = {(pod.namespace, pod.name): pod.service_account for pod in inventory.pods()}
    found = {_edge(kind, sample, accounts) for sample in samples}
    return sorted(
        edge
        for edge in found
        if not namespace or namespace in (edge.source_namespace, edge.destination_namespace)
    )


def _edge(kind: Kind, sample: Sample, accounts: dict[tuple[str, str], str]) -> Edge:
    labels = sample.labels
    namespace = labels.get("namespace", "")
    server = labels.get("server_id", "")
    account = accounts.get((namespace, labels.get("pod", "")), "")
    reason = labels.get("no_tls_reason", "")
    return Edge(
        namespace,
        labels.get("dst_namespace", ""),
        labels[kind.label],
        labels[f"dst_{kind.label}"],
        f"{account}.{namespace}" if server and account else "",
        short(server),
        "" if server else REASONS.get(reason, reason or "Not Provided By Service Discovery"),
    )


def short(identity: str) -> str:
    """The service account and its namespace: what stands before the mesh's own part."""
    return identity.partition(".serviceaccount.identity.")[0]
