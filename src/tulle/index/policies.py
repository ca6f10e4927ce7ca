"""The policy kinds as our dataclasses: who may reach which port. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Literal

from tulle.index.objects import settings_of
from tulle.routes import CORE_GROUP, Reference

Json = dict[str, Any]
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Selector:
    """A label selector; the empty one selects everything."""

    labels: tuple[tuple[str, str], ...] = ()
    expressions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()

    def selects(self, labels: dict[str, str]) -> bool:
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _holds(labels.get(key), operator, values) for key, operator, values in self.expressions
        )


def _holds(value: str | None, operator: str, values: tuple[str, ...]) -> bool:
    match operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def selector(item: Json) -> Selector:
    return Selector(
        tuple(sorted((item.get("matchLabels") or {}).items())),
        tuple(
            (entry["key"], entry["operator"], tuple(entry.get("values") or ()))
            for entry in item.get("matchExpressions") or ()
        ),
    )


@dataclass(frozen=True, slots=True)
class NetworkMatch:
    network: Network
    excepted: tuple[Network, ...] = ()


ALL_NETWORKS = (NetworkMatch(ip_network("0.0.0.0/0")), NetworkMatch(ip_network("::/0")))


def network_match(item: Json) -> NetworkMatch:
    def parsed(text: str) -> Network:
        return ip_network(text, strict=False)

    return NetworkMatch(
        parsed(item["cidr"]), tuple(parsed(text) for text in item.get("except") or ())
    )


@dataclass(frozen=True, slots=True)
class Server:
    namespace: str
    name: str
    created: str
    labels: tuple[tuple[str, str], ...]
    pods: Selector | None  # None: it selects external workloads
    port: int | str
    protocol: str
    access_policy: str

    @property
    def is_opaque(self) -> bool:
        """Nothing but bytes may be expected there: neither HTTP nor detection of it."""
        return self.protocol in ("opaque", "TLS")


def server(item: Json) -> Server:
    metadata, spec = item["metadata"], item["spec"]
    pods = spec.get("podSelector")
    return Server(
        metadata["namespace"],
        metadata["name"],
        metadata.get("creationTimestamp") or "",
        tuple(sorted((metadata.get("labels") or {}).items())),
        None if pods is None else selector(pods),
        spec["port"],
        spec.get("proxyProtocol") or "unknown",
        spec.get("accessPolicy") or "deny",
    )


@dataclass(frozen=True, slots=True)
class ServerAuthorization:
    namespace: str
    name: str
    server_name: str | None
    servers: Selector | None
    networks: tuple[NetworkMatch, ...]
    kind: Literal["unauthenticated", "any-tls", "identities", "nobody"]
    identities: tuple[str, ...]
    service_accounts: tuple[tuple[str, str], ...]  # namespace, name


def server_authorization(item: Json) -> ServerAuthorization:
    namespace, spec = item["metadata"]["namespace"], item["spec"]
    target, client = spec.get("server") or {}, spec.get("client") or {}
    tls = client.get("meshTLS") or {}
    kind: Literal["unauthenticated", "any-tls", "identities", "nobody"] = "nobody"
    if client.get("unauthenticated"):
        kind = "unauthenticated"
    elif tls.get("unauthenticatedTLS"):
        kind = "any-tls"
    elif tls.get("identities") or tls.get("serviceAccounts"):
        kind = "identities"
    chosen = target.get("selector")
    return ServerAuthorization(
        namespace,
        item["metadata"]["name"],
        target.get("name"),
        None if chosen is None else selector(chosen),
        tuple(network_match(entry) for entry in client.get("networks") or ()),
        kind,
        tuple(tls.get("identities") or ()),
        tuple(
            (entry.get("namespace") or namespace, entry["name"])
            for entry in tls.get("serviceAccounts") or ()
        ),
    )


def _target(item: Json, namespace: str) -> Reference:
    group = item.get("group") or CORE_GROUP
    return Reference(group, item["kind"], item.get("namespace") or namespace, item["name"])


@dataclass(frozen=True, slots=True)
class AuthorizationPolicy:
    namespace: str
    name: str
    target: Reference
    required: tuple[Reference, ...]


def authorization_policy(item: Json) -> AuthorizationPolicy:
    namespace, spec = item["metadata"]["namespace"], item["spec"]
    return AuthorizationPolicy(
        namespace,
        item["metadata"]["name"],
        _target(spec["targetRef"], namespace),
        tuple(_target(entry, namespace) for entry in spec.get("requiredAuthenticationRefs") or ()),
    )


@dataclass(frozen=True, slots=True)
class MeshTlsAuthentication:
    identities: tuple[str, ...]
    references: tuple[Reference, ...]  # ServiceAccounts and Namespaces


def mesh_tls_authentication(item: Json) -> MeshTlsAuthentication:
    namespace, spec = item["metadata"]["namespace"], item["spec"]
    return MeshTlsAuthentication(
        tuple(spec.get("identities") or ()),
        tuple(_target(entry, namespace) for entry in spec.get("identityRefs") or ()),
    )


@dataclass(frozen=True, slots=True)
class NetworkAuthentication:
    networks: tuple[NetworkMatch, ...]


def network_authentication(item: Json) -> NetworkAuthentication:
    return NetworkAuthentication(
        tuple(network_match(entry) for entry in item["spec"].get("networks") or ())
    )


@dataclass(frozen=True, slots=True)
class RateLimit:
    namespace: str
    name: str
    created: str
    server: str
    total: int | None
    identity: int | None
    overrides: tuple[tuple[int, tuple[tuple[str, str], ...]], ...]  # limit, service accounts


def rate_limit(item: Json) -> RateLimit:
    metadata, spec = item["metadata"], item["spec"]
    namespace = metadata["namespace"]

    def limit(entry: Json | None) -> int | None:
        return (entry or {}).get("requestsPerSecond")

    def clients(entry: Json) -> tuple[tuple[str, str], ...]:
        listed = entry.get("clientRefs") or ()
        return tuple((client.get("namespace") or namespace, client["name"]) for client in listed)

    return RateLimit(
        namespace,
        metadata["name"],
        metadata.get("creationTimestamp") or "",
        spec["targetRef"]["name"],
        limit(spec.get("total")),
        limit(spec.get("identity")),
        tuple((e["requestsPerSecond"], clients(e)) for e in spec.get("overrides") or ()),
    )


@dataclass(frozen=True, slots=True)
class EgressNetwork:
    namespace: str
    name: str
    created: str
    is_allowed: bool
    networks: tuple[NetworkMatch, ...]  # empty: everything outside the cluster's networks
    settings: tuple[tuple[str, str], ...]  # annotations of retries, timeouts and failure accrual


def egress_network(item: Json) -> EgressNetwork:
    metadata, spec = item["metadata"], item["spec"]
    return EgressNetwork(
        metadata["namespace"],
        metadata["name"],
        metadata.get("creationTimestamp") or "",
        spec.get("trafficPolicy") == "Allow",
        tuple(network_match(entry) for entry in spec.get("networks") or ()),
        settings_of(item),
    )
