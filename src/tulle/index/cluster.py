"""The cluster's settings that answers depend on, as flags give them. Pure."""

from dataclasses import dataclass, field

from tulle import names
from tulle.index.index import Reader
from tulle.index.objects import Namespace, Service
from tulle.index.pods import Pod
from tulle.index.policies import Network
from tulle.index.ports import PortSet, of_numbers


@dataclass(frozen=True, slots=True, eq=False)
class Cluster:
    """One per process: it is compared by identity, for it is part of every view's key."""

    control_namespace: str = names.CONTROL_NAMESPACE
    trust_domain: str = names.TRUST_DOMAIN
    cluster_domain: str = names.CLUSTER_DOMAIN
    networks: tuple[Network, ...] = ()
    probe_networks: tuple[Network, ...] = ()
    default_policy: str = "all-unauthenticated"
    default_opaque_ports: PortSet = field(
        default_factory=lambda: of_numbers(names.DEFAULT_OPAQUE_PORTS)
    )
    transports_always: bool = False  # every meshed hop dials the inbound port
    h2_upgrade: bool = True
    global_egress_namespace: str = "tulle-egress"
    allows_request_headers: bool = False  # a request may set its own time-outs and retries

    def identity(self, service_account: str, namespace: str) -> str:
        return names.workload_identity(
            service_account,
            namespace,
            control_namespace=self.control_namespace,
            trust_domain=self.trust_domain,
        )

    def service_name(self, name: str, namespace: str) -> str:
        return f"{name}.{namespace}.svc.{self.cluster_domain}"


def _inherited(cluster: Cluster, reader: Reader, namespace: str) -> PortSet:
    above: Namespace | None = reader.namespace(namespace)
    if above is not None and above.opaque_ports is not None:
        return above.opaque_ports
    return cluster.default_opaque_ports


def pod_port_is_opaque(cluster: Cluster, reader: Reader, pod: Pod, port: int) -> bool:
    """By annotation of the pod, else of its namespace, else by the default list. No Servers."""
    own = pod.opaque_ports
    if own is not None:
        return own.holds(port, dict(pod.ports))
    return port in _inherited(cluster, reader, pod.namespace)


def service_port_is_opaque(cluster: Cluster, reader: Reader, service: Service, port: int) -> bool:
    own = service.opaque_ports
    if own is not None:
        return own.holds(port, {entry.name: entry.port for entry in service.ports})
    return port in _inherited(cluster, reader, service.namespace)
