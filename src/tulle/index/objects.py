"""Kubernetes' own kinds as discovery needs them: namespaces, nodes, Services, slices. Pure."""

from dataclasses import dataclass
from sys import intern
from typing import Any

from tulle import names
from tulle.index.ports import PortSet, port_set

Json = dict[str, Any]

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
ZONE_LABEL = "topology.kubernetes.io/zone"


def annotations_of(item: Json) -> dict[str, str]:
    return item["metadata"].get("annotations") or {}


def labels_of(item: Json) -> dict[str, str]:
    return item["metadata"].get("labels") or {}


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    opaque_ports: PortSet | None
    default_policy: str | None


def namespace(item: Json) -> Namespace:
    annotations = annotations_of(item)
    return Namespace(
        intern(item["metadata"]["name"]),
        port_set(annotations.get(names.OPAQUE_PORTS_ANNOTATION)),
        annotations.get(names.DEFAULT_INBOUND_POLICY_ANNOTATION),
    )


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    zone: str
    addresses: tuple[str, ...]


def node(item: Json) -> Node:
    listed = (item.get("status") or {}).get("addresses") or ()
    return Node(
        intern(item["metadata"]["name"]),
        intern(labels_of(item).get(ZONE_LABEL, "")),
        tuple(entry["address"] for entry in listed if entry["type"].endswith("IP")),
    )


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A slice's port of the same name says to which number it leads on each endpoint."""

    name: str
    port: int
    target: int | str
    app_protocol: str | None
    protocol: str


@dataclass(frozen=True, slots=True)
class Service:
    namespace: str
    name: str
    cluster_ips: tuple[str, ...]  # empty: headless or ExternalName
    ports: tuple[ServicePort, ...]
    is_external_name: bool
    is_local: bool  # internalTrafficPolicy: Local
    publishes_not_ready: bool
    opaque_ports: PortSet | None
    settings: tuple[tuple[str, str], ...]  # annotations of retries, timeouts and failure accrual

    def port(self, number: int) -> ServicePort | None:
        found = (entry for entry in self.ports if entry.port == number and entry.protocol == "TCP")
        return next(found, None)

    def setting(self, key: str) -> str | None:
        return dict(self.settings).get(key)


SETTING_PREFIXES = (
    "retry.linkerd.io/",
    "timeout.linkerd.io/",
    "balancer.linkerd.io/",
    "balancer.alpha.linkerd.io/",
)


def settings_of(item: Json) -> tuple[tuple[str, str], ...]:
    """The annotations that outbound policy reads, in order of their names."""
    pairs = annotations_of(item).items()
    return tuple(sorted(pair for pair in pairs if pair[0].startswith(SETTING_PREFIXES)))


def _service_port(entry: Json) -> ServicePort:
    return ServicePort(
        intern(entry.get("name") or ""),
        entry["port"],
        entry.get("targetPort") or entry["port"],
        entry.get("appProtocol"),
        intern(entry.get("protocol") or "TCP"),
    )


def service(item: Json) -> Service:
    spec = item.get("spec") or {}
    external = spec.get("type") == "ExternalName"
    addresses = spec.get("clusterIPs") or [spec.get("clusterIP")]
    return Service(
        intern(item["metadata"]["namespace"]),
        intern(item["metadata"]["name"]),
        () if external else tuple(ip for ip in addresses if ip and ip != "None"),
        tuple(_service_port(entry) for entry in spec.get("ports") or ()),
        external,
        spec.get("internalTrafficPolicy") == "Local",
        bool(spec.get("publishNotReadyAddresses")),
        port_set(annotations_of(item).get(names.OPAQUE_PORTS_ANNOTATION)),
        settings_of(item),
    )


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    addresses: tuple[str, ...]
    is_ready: bool
    is_terminating: bool
    hostname: str | None
    pod: str | None
    node: str
    zone: str
    hint_zones: tuple[str, ...]  # empty: for every zone


@dataclass(frozen=True, slots=True)
class Slice:
    namespace: str
    service: str
    family: str
    ports: tuple[tuple[str, int], ...]  # name of the Service's port, number on the endpoint
    endpoints: tuple[SliceEndpoint, ...]


def _slice_endpoint(entry: Json) -> SliceEndpoint:
    conditions = entry.get("conditions") or {}
    target = entry.get("targetRef") or {}
    hints = (entry.get("hints") or {}).get("forZones") or ()
    ready = conditions.get("ready")
    return SliceEndpoint(
        tuple(entry.get("addresses") or ()),
        ready is None or ready,  # a missing `ready` counts as ready, as the API asks
        bool(conditions.get("terminating")),
        entry.get("hostname"),
        target.get("name") if target.get("kind") == "Pod" else None,
        intern(entry.get("nodeName") or ""),
        intern(entry.get("zone") or ""),
        tuple(sorted(hint["name"] for hint in hints)),
    )


def endpoint_slice(item: Json) -> Slice | None:
    owner = labels_of(item).get(SERVICE_NAME_LABEL)
    if not owner:
        return None
    ports = (
        (intern(entry.get("name") or ""), entry["port"])
        for entry in item.get("ports") or ()
        if entry.get("port") and (entry.get("protocol") or "TCP") == "TCP"
    )
    return Slice(
        intern(item["metadata"]["namespace"]),
        intern(owner),
        item.get("addressType", "IPv4"),
        tuple(ports),
        tuple(_slice_endpoint(entry) for entry in item.get("endpoints") or ()),
    )
