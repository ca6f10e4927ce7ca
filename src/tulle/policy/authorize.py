"""From Servers, authorizations and authentications to who may reach one port. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from tulle.index.cluster import Cluster
from tulle.index.index import Reader
from tulle.index.policies import (
    ALL_NETWORKS,
    AuthorizationPolicy,
    MeshTlsAuthentication,
    NetworkAuthentication,
    NetworkMatch,
    Server,
    ServerAuthorization,
)
from tulle.routes import Reference, Route

POLICY_GROUP = "policy.linkerd.io"
DEFAULT_POLICIES = (
    "all-unauthenticated",
    "all-authenticated",
    "cluster-unauthenticated",
    "cluster-authenticated",
    "deny",
    "audit",
)


@dataclass(frozen=True, slots=True)
class Authorization:
    """`kind` is `default` for what no object says; `identities` ("*", "*.suffix", exact) count
    only where `clients` is `identities`."""

    kind: Literal["default", "serverauthorization", "authorizationpolicy"]
    name: str
    networks: tuple[NetworkMatch, ...]
    clients: Literal["unauthenticated", "any-tls", "identities"]
    identities: tuple[str, ...] = ()


def default_authorizations(
    cluster: Cluster, policy: str, *, needs_identity: bool = False
) -> list[Authorization]:
    """What a default policy, or a Server's accessPolicy, allows by itself."""
    if policy == "deny":
        return []
    if policy == "audit":
        return [Authorization("default", policy, ALL_NETWORKS, "unauthenticated")]
    networks: tuple[NetworkMatch, ...] = ALL_NETWORKS
    if policy.startswith("cluster-"):
        networks = tuple(NetworkMatch(network) for network in cluster.networks)
    if needs_identity or policy.endswith("-authenticated"):
        return [Authorization("default", policy, networks, "identities", ("*",))]
    return [Authorization("default", policy, networks, "unauthenticated")]


def _selects(item: ServerAuthorization, server: Server) -> bool:
    if item.server_name is not None:
        return item.server_name == server.name
    return item.servers is not None and item.servers.selects(dict(server.labels))


def _of_server_authorization(cluster: Cluster, item: ServerAuthorization) -> Authorization | None:
    if item.kind == "nobody":
        return None
    networks = item.networks or tuple(NetworkMatch(network) for network in cluster.networks)
    accounts = (cluster.identity(name, namespace) for namespace, name in item.service_accounts)
    identities = (*item.identities, *accounts) if item.kind == "identities" else ()
    return Authorization("serverauthorization", item.name, networks, item.kind, identities)


class InvalidPolicy(ValueError):
    """A policy that names an authentication that is not there, or two of a kind."""


def _mesh_identities(
    cluster: Cluster, reader: Reader, reference: Reference
) -> tuple[str, ...] | None:
    """None: the reference is to no mesh authentication."""
    if reference.kind == "ServiceAccount":
        return (cluster.identity(reference.name, reference.namespace),)
    if reference.kind != "MeshTLSAuthentication":
        return None
    found: MeshTlsAuthentication | None = reader.named(
        "MeshTLSAuthentication", reference.namespace, reference.name
    )
    if found is None:
        raise InvalidPolicy(f"there is no MeshTLSAuthentication {reference.name}")
    return (*found.identities, *(_identity(cluster, entry) for entry in found.references))


def _identity(cluster: Cluster, reference: Reference) -> str:
    if reference.kind == "Namespace":
        return f"*.{cluster.identity('', reference.name).removeprefix('.')}"
    return cluster.identity(reference.name, reference.namespace)


def _networks(reader: Reader, reference: Reference) -> tuple[NetworkMatch, ...] | None:
    if reference.kind != "NetworkAuthentication":
        return None
    found: NetworkAuthentication | None = reader.named(
        "NetworkAuthentication", reference.namespace, reference.name
    )
    if found is None:
        raise InvalidPolicy(f"there is no NetworkAuthentication {reference.name}")
    return found.networks


def _of_policy(cluster: Cluster, reader: Reader, policy: AuthorizationPolicy) -> Authorization:
    """Raises InvalidPolicy: such a policy authorizes nobody."""
    by_mesh = [_mesh_identities(cluster, reader, entry) for entry in policy.required]
    by_network = [_networks(reader, entry) for entry in policy.required]
    identities = [found for found in by_mesh if found is not None]
    networks = [found for found in by_network if found is not None]
    if len(identities) > 1 or len(networks) > 1:
        raise InvalidPolicy("more than one authentication of a kind is required")
    return Authorization(
        "authorizationpolicy",
        policy.name,
        networks[0] if networks else ALL_NETWORKS,
        "identities" if identities else "unauthenticated",
        identities[0] if identities else (),
    )


def _valid(
    cluster: Cluster, reader: Reader, policies: Iterable[AuthorizationPolicy]
) -> Iterator[Authorization]:
    for policy in sorted(policies, key=lambda policy: policy.name):
        try:
            yield _of_policy(cluster, reader, policy)
        except InvalidPolicy:
            continue


def server_authorizations(cluster: Cluster, reader: Reader, server: Server) -> list[Authorization]:
    """ServerAuthorizations, AuthorizationPolicies on the Server or its namespace, accessPolicy."""
    namespace = server.namespace
    items: list[ServerAuthorization] = reader.in_namespace("ServerAuthorization", namespace)
    direct = [
        _of_server_authorization(cluster, item)
        for item in sorted(items, key=lambda item: item.name)
        if _selects(item, server)
    ]
    policies: list[AuthorizationPolicy] = reader.in_namespace("AuthorizationPolicy", namespace)
    chosen = [
        policy
        for policy in policies
        if (policy.target.kind == "Server" and policy.target.name == server.name)
        or (policy.target.kind == "Namespace" and policy.target.name == namespace)
    ]
    return [
        *(entry for entry in direct if entry is not None),
        *_valid(cluster, reader, chosen),
        *default_authorizations(cluster, server.access_policy),
    ]


def route_authorizations(cluster: Cluster, reader: Reader, route: Route) -> list[Authorization]:
    policies: list[AuthorizationPolicy] = reader.in_namespace(
        "AuthorizationPolicy", route.namespace
    )
    wanted = (route.group, route.kind.lower(), route.name)
    chosen = [
        policy
        for policy in policies
        if (policy.target.group, policy.target.kind.lower(), policy.target.name) == wanted
    ]
    return list(_valid(cluster, reader, chosen))
