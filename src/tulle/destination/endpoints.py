"""From Services, slices, pods and Servers to the endpoints of one Service port. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tulle.index.authority import ServiceTarget
from tulle.index.cluster import Cluster, pod_port_is_opaque
from tulle.index.index import Reader
from tulle.index.objects import Service, Slice, SliceEndpoint
from tulle.index.pods import Pod
from tulle.index.policies import Server
from tulle.workload import metric_label

WEIGHT = 10_000
Labels = tuple[tuple[str, str], ...]
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One `ip:port` and what a client needs to know to reach it."""

    address: Address
    weight: int
    labels: Labels
    identity: str | None = None  # None: no mesh TLS
    hint: Literal["h2", "opaque"] | None = None
    transport_port: int | None = None  # dial this port with the transport header
    is_meshed: bool = False
    pod: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the namespace, node and zone of the client's pod, as far as known."""

    namespace: str = ""
    node: str = ""
    zone: str = ""


def servers_of(reader: Reader, pod: Pod, port: int) -> list[Server]:
    """The Servers that select this port of the pod, the oldest first."""
    found = [
        server
        for server in reader.in_namespace("Server", pod.namespace)
        if server.pods is not None and _is_port(server, pod, port)
        if server.pods.selects(pod.labels)
    ]
    return sorted(found, key=lambda server: (server.created, server.name))


def _is_port(server: Server, pod: Pod, port: int) -> bool:
    return server.port == port or (isinstance(server.port, str) and pod.is_named(server.port, port))


def pod_labels(pod: Pod) -> dict[str, str]:
    kind, name = pod.owner
    labels = {"pod": pod.name, metric_label(kind): name, "serviceaccount": pod.service_account}
    if pod.control_namespace:
        labels["control_plane_ns"] = pod.control_namespace
    if pod.template_hash:
        labels["pod_template_hash"] = pod.template_hash
    return labels


def pod_endpoint(
    cluster: Cluster, reader: Reader, pod: Pod, address: Address, labels: dict[str, str]
) -> Endpoint:
    """A port of a pod. Its own answers depend on its proxy, which skipped ports do not meet."""
    port = address[1]
    labels = {**pod_labels(pod), **labels}
    named = tuple(sorted(labels.items()))
    reference = (pod.namespace, pod.name)
    skipped = pod.skip_inbound_ports is not None and port in pod.skip_inbound_ports
    if pod.control_namespace is None or skipped:
        return Endpoint(address, WEIGHT, named, pod=reference)
    servers = servers_of(reader, pod, port)
    by_server = bool(servers) and servers[0].is_opaque
    opaque = by_server or pod_port_is_opaque(cluster, reader, pod, port)
    is_proxys_own = port in (pod.proxy.admin, pod.proxy.control)
    transports = (opaque or cluster.transports_always) and not is_proxys_own
    is_ours = pod.control_namespace == cluster.control_namespace
    return Endpoint(
        address,
        WEIGHT,
        named,
        identity=cluster.identity(pod.service_account, pod.namespace) if is_ours else None,
        hint="opaque" if opaque else ("h2" if cluster.h2_upgrade else None),
        transport_port=pod.proxy.inbound if transports else None,
        is_meshed=True,
        pod=reference,
    )


def _slices(reader: Reader, service: Service) -> list[Slice]:
    """Those of one address family: IPv4 where there is any."""
    found = [entry for entry in reader.slices(service) if entry.family != "FQDN"]
    preferred = [entry for entry in found if entry.family == "IPv4"]
    return preferred or found


def _target_port(service: Service, part: Slice, port: int) -> int | None:
    defined = service.port(port)
    if defined is None:
        return port  # not a port of the Service: asked of the endpoints themselves
    return dict(part.ports).get(defined.name)


def _usable(
    reader: Reader, service: Service, target: ServiceTarget
) -> Iterator[tuple[SliceEndpoint, Address]]:
    for part in _slices(reader, service):
        port = _target_port(service, part, target.port)
        if port is None:
            continue
        for endpoint in part.endpoints:
            ready = endpoint.is_ready or service.publishes_not_ready
            if endpoint.is_terminating or not ready or not endpoint.addresses:
                continue
            if target.hostname is None or endpoint.hostname == target.hostname:
                yield endpoint, (endpoint.addresses[0], port)


Candidate = tuple[SliceEndpoint, Address]


def _nearby(service: Service, client: Client, found: list[Candidate]) -> list[Candidate]:
    """By internalTrafficPolicy, else by topology hints where each endpoint carries one."""
    if service.is_local:
        return [entry for entry in found if entry[0].node == client.node]
    if not client.zone or any(not entry[0].hint_zones for entry in found):
        return found
    return [entry for entry in found if client.zone in entry[0].hint_zones] or found


def _zone_labels(endpoint: SliceEndpoint, client: Client) -> dict[str, str]:
    locality = "unknown"
    if endpoint.zone and client.zone:
        locality = "local" if endpoint.zone == client.zone else "remote"
    return {"zone": endpoint.zone, "zone_locality": locality}


def _endpoints(
    cluster: Cluster, reader: Reader, service: Service, client: Client, found: Iterable[Candidate]
) -> Iterator[Endpoint]:
    for endpoint, address in found:
        labels = _zone_labels(endpoint, client)
        if endpoint.pod is None:
            zone = (("zone_locality", labels["zone_locality"]),)
            yield Endpoint(address, WEIGHT, zone)
            continue
        pod = reader.pod(service.namespace, endpoint.pod)
        # Nobody knows yet whether a pod that has not come is meshed: it counts once it comes.
        if pod is not None and not pod.has_ended:
            yield pod_endpoint(cluster, reader, pod, address, labels)


def service_endpoints(
    cluster: Cluster, reader: Reader, service: Service, target: ServiceTarget, client: Client
) -> dict[Address, Endpoint]:
    found = _nearby(service, client, list(_usable(reader, service, target)))
    made = _endpoints(cluster, reader, service, client, found)
    return {endpoint.address: endpoint for endpoint in made}


def address_endpoint(cluster: Cluster, reader: Reader, address: Address) -> Endpoint | None:
    """What is behind a bare address: a pod's own, or a node's port that leads to a pod."""
    host, port = address
    pod = reader.pod_at(host)
    if pod is None and (pod := reader.pod_behind(host, port)) is not None:
        inner = dict(pod.host_ports)[port]
        address = (pod.addresses[0] if pod.addresses else host, inner)
    if pod is None:
        return None
    labels = {"namespace": pod.namespace, "zone": reader.zone(pod.node)}
    return pod_endpoint(cluster, reader, pod, address, labels)
