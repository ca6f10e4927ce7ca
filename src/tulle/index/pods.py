"""Pods as discovery needs them. Pure."""

from dataclasses import dataclass, field
from sys import intern
from typing import Any

from tulle import names
from tulle.index.objects import annotations_of, labels_of
from tulle.index.ports import PortSet, port_set
from tulle.workload import TEMPLATE_HASH_LABEL, owner

Json = dict[str, Any]

PROXY_CONTAINERS = (names.PROXY_CONTAINER, "linkerd-proxy")
REQUIRE_IDENTITY_ANNOTATION = (
    f"{names.CONFIG_ANNOTATION_PREFIX}proxy-require-identity-inbound-ports"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """The ports of a pod's sidecar, as its environment sets them."""

    inbound: int = names.INBOUND_PORT
    admin: int = names.ADMIN_PORT
    control: int = names.CONTROL_PORT


@dataclass(frozen=True, slots=True)
class Pod:
    namespace: str
    name: str
    labels: dict[str, str] = field(hash=False)
    addresses: tuple[str, ...]
    host_addresses: tuple[str, ...]
    on_host_network: bool
    has_ended: bool
    node: str
    service_account: str
    owner: tuple[str, str]
    control_namespace: str | None  # None: not meshed
    template_hash: str | None
    proxy: Proxy
    ports: tuple[tuple[str, int], ...]  # named container ports
    host_ports: tuple[tuple[int, int], ...]  # host port -> container port
    probes: tuple[tuple[int, str], ...]  # port and path of kubelet's HTTP probes
    opaque_ports: PortSet | None
    skip_inbound_ports: PortSet | None
    require_identity_ports: PortSet | None
    default_policy: str | None

    def is_named(self, name: str, port: int) -> bool:
        return any(entry == (name, port) for entry in self.ports)


def _containers(spec: Json) -> list[Json]:
    """Those that run beside one another: the containers and the native sidecars."""
    initial = spec.get("initContainers") or ()
    sidecars = [entry for entry in initial if entry.get("restartPolicy") == "Always"]
    return [*sidecars, *(spec.get("containers") or ())]


def _proxy(containers: list[Json]) -> Proxy:
    for container in containers:
        if container["name"] in PROXY_CONTAINERS:
            environment = {e["name"]: e.get("value") or "" for e in container.get("env") or ()}

            def port(variable: str, default: int, given: dict[str, str] = environment) -> int:
                text = given.get(f"LINKERD2_PROXY_{variable}", "").rpartition(":")[2]
                return int(text) if text.isdecimal() else default

            return Proxy(
                port("INBOUND_LISTEN_ADDR", names.INBOUND_PORT),
                port("ADMIN_LISTEN_ADDR", names.ADMIN_PORT),
                port("CONTROL_LISTEN_ADDR", names.CONTROL_PORT),
            )
    return Proxy()


def _probes(containers: list[Json], named: dict[str, int]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    for container in containers:
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            request = (container.get(probe) or {}).get("httpGet")
            if request is None:
                continue
            port = request.get("port")
            number = port if isinstance(port, int) else named.get(str(port))
            path = (request.get("path") or "/").partition("?")[0]
            if number:
                found.add((number, path if path.startswith("/") else f"/{path}"))
    return found


def _addresses(status: Json, many: str, one: str) -> tuple[str, ...]:
    listed = [entry["ip"] for entry in status.get(many) or () if entry.get("ip")]
    return tuple(listed or ([status[one]] if status.get(one) else []))


_DEFAULT_PROXY = Proxy()


def pod(item: Json) -> Pod:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    annotations, labels = annotations_of(item), labels_of(item)
    containers = _containers(spec)
    listed = [entry for container in containers for entry in container.get("ports") or ()]
    named = {intern(e["name"]): e["containerPort"] for e in listed if e.get("name")}
    kind, name = owner(metadata)
    proxy = _proxy(containers)
    return Pod(
        namespace=intern(metadata["namespace"]),
        name=metadata["name"],
        labels={intern(key): intern(value) for key, value in labels.items()},
        addresses=_addresses(status, "podIPs", "podIP"),
        host_addresses=_addresses(status, "hostIPs", "hostIP"),
        on_host_network=bool(spec.get("hostNetwork")),
        has_ended=status.get("phase") in ("Succeeded", "Failed"),
        node=intern(spec.get("nodeName") or ""),
        service_account=intern(spec.get("serviceAccountName") or "default"),
        owner=(intern(kind), intern(name)),
        control_namespace=labels.get(names.CONTROL_NAMESPACE_LABEL) or None,
        template_hash=labels.get(TEMPLATE_HASH_LABEL),
        proxy=_DEFAULT_PROXY if proxy == _DEFAULT_PROXY else proxy,
        ports=tuple(sorted(named.items())),
        host_ports=tuple((e["hostPort"], e["containerPort"]) for e in listed if e.get("hostPort")),
        probes=tuple(sorted(_probes(containers, named))),
        opaque_ports=port_set(annotations.get(names.OPAQUE_PORTS_ANNOTATION)),
        skip_inbound_ports=port_set(annotations.get(names.SKIP_INBOUND_PORTS_ANNOTATION)),
        require_identity_ports=port_set(annotations.get(REQUIRE_IDENTITY_ANNOTATION)),
        default_policy=annotations.get(names.DEFAULT_INBOUND_POLICY_ANNOTATION),
    )
