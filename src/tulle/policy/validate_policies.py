"""What is wrong with a Server, an authorization, a rate limit or an egress network. Pure.

Each function yields sentences; none means that the object can be followed as it is.
"""

import re
from collections.abc import Iterable, Iterator
from ipaddress import collapse_addresses, ip_network
from typing import Any

from tulle.index.index import Reader
from tulle.index.pods import Pod
from tulle.index.policies import Network, Selector, Server
from tulle.index.policies import server as read_server
from tulle.policy.authorize import DEFAULT_POLICIES
from tulle.routes import CORE_GROUP, GATEWAY_GROUP, POLICY_GROUP

Json = dict[str, Any]

PROTOCOLS = ("unknown", "HTTP/1", "HTTP/2", "gRPC", "opaque", "TLS")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
IDENTITY = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*")
TARGETS = (
    (POLICY_GROUP, "Server"),
    (POLICY_GROUP, "HTTPRoute"),
    (GATEWAY_GROUP, "HTTPRoute"),
    (GATEWAY_GROUP, "GRPCRoute"),
    (CORE_GROUP, "Namespace"),
)
CLIENTS = ((POLICY_GROUP, "MeshTLSAuthentication"), (CORE_GROUP, "ServiceAccount"))
NETWORKS = ((POLICY_GROUP, "NetworkAuthentication"),)
ACCOUNT = ((CORE_GROUP, "ServiceAccount"),)
ACCOUNT_OR_NAMESPACE = (*ACCOUNT, (CORE_GROUP, "Namespace"))


def _named(known: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{group}/{kind}" for group, kind in known)


def _reference(item: Json, where: str, known: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """`core` may be written as nothing, which is also how a group is forgotten."""
    group, kind = item.get("group") or CORE_GROUP, item.get("kind")
    if (group, kind) in known:
        return
    hint = ""
    if fits := [right for right, named in known if named == kind]:
        hint = f"; for a {kind}, write group: {' or '.join(fits)}"
    yield f"{where} is {group}/{kind}, which is none of {_named(known)}{hint}"


def networks(listed: Iterable[Json], where: str) -> Iterator[str]:
    for entry in listed:
        try:
            network = ip_network(str(entry.get("cidr")), strict=False)
            excepted = [ip_network(str(text), strict=False) for text in entry.get("except") or ()]
        except ValueError as error:
            yield f"{where}: {error}; write a network such as 10.0.0.0/8"
            continue
        yield from _exceptions(network, excepted, where)


def _exceptions(network: Network, excepted: list[Network], where: str) -> Iterator[str]:
    inside = [part for part in excepted if _lies_in(part, network)]
    for part in excepted:
        if part not in inside and not _lies_in(network, part):
            yield f"{where}: {part} is excepted from {network}, in which it does not lie"
    if any(_lies_in(network, part) for part in excepted) or (
        inside and network in list(collapse_addresses(inside))  # type: ignore[type-var]
    ):
        yield f"{where}: nothing of {network} is left after its exceptions"


def _lies_in(part: Network, whole: Network) -> bool:
    return part.version == whole.version and part.subnet_of(whole)  # type: ignore[arg-type]


def _identities(listed: Iterable[str]) -> Iterator[str]:
    for text in listed:
        if not IDENTITY.fullmatch(text):
            yield (
                f"the identity {text!r} is no DNS name; write one such as "
                "web.shop.serviceaccount.identity.tulle.cluster.local, *.SUFFIX or *"
            )


def server(item: Json, reader: Reader) -> Iterator[str]:
    spec = item["spec"]
    port, access = spec.get("port"), spec.get("accessPolicy", "deny")
    protocol = spec.get("proxyProtocol", "unknown")
    if access not in DEFAULT_POLICIES:
        yield f"accessPolicy {access!r} is none of {', '.join(DEFAULT_POLICIES)}"
    if protocol not in PROTOCOLS:
        yield f"proxyProtocol {protocol!r} is none of {', '.join(PROTOCOLS)}"
    if ("podSelector" in spec) == ("externalWorkloadSelector" in spec):
        yield "a Server selects by podSelector or by externalWorkloadSelector: give one of them"
    is_number = isinstance(port, int) and 0 < port < 65536
    if not is_number and not (isinstance(port, str) and PORT_NAME.fullmatch(port)):
        yield f"port {port!r} is neither a number from 1 to 65535 nor the name of a container port"
    else:
        yield from _shared_ports(read_server(item), reader)


def _shared_ports(made: Server, reader: Reader) -> Iterator[str]:
    for other in reader.in_namespace("Server", made.namespace):
        if other.name != made.name and (shared := _shared(made, other, reader)):
            yield (
                f"the Server {other.name} has {shared} already, and a port has one Server: change "
                f"a selector or a port, or delete {other.name}"
            )


def _shared(made: Server, other: Server, reader: Reader) -> str | None:
    """What both have, in words: by their selectors, or by a pod that is there."""
    if made.pods is None or other.pods is None:
        return None
    everything = Selector()
    if made.port == other.port and (
        made.pods == other.pods or everything in (made.pods, other.pods)
    ):
        return f"port {made.port} of the same pods"
    for pod in reader.pods_in(made.namespace):
        if made.pods.selects(pod.labels) and other.pods.selects(pod.labels):
            number = _number(pod, made.port)
            if number is not None and number == _number(pod, other.port):
                return f"port {number} of the pod {pod.name}"
    return None


def _number(pod: Pod, port: int | str) -> int | None:
    return port if isinstance(port, int) else dict(pod.ports).get(port)


def server_authorization(item: Json, _reader: Reader) -> Iterator[str]:
    spec = item["spec"]
    target, client = spec.get("server") or {}, spec.get("client") or {}
    if ("name" in target) == ("selector" in target):
        yield "server is found by name or by selector: give one of them"
    tls = client.get("meshTLS") or {}
    if not client.get("unauthenticated") and not any(
        tls.get(key) for key in ("unauthenticatedTLS", "identities", "serviceAccounts")
    ):
        yield (
            "client names nobody: give unauthenticated: true, or in meshTLS identities, "
            "serviceAccounts or unauthenticatedTLS: true"
        )
    yield from networks(client.get("networks") or (), "client.networks")
    yield from _identities(tls.get("identities") or ())


def authorization_policy(item: Json, _reader: Reader) -> Iterator[str]:
    spec, namespace = item["spec"], item["metadata"].get("namespace")
    target, required = spec["targetRef"], spec.get("requiredAuthenticationRefs") or ()
    yield from _reference(target, "targetRef", TARGETS)
    if target.get("kind") == "Namespace" and target.get("name") != namespace:
        yield f"targetRef is the namespace {target.get('name')}: a policy may be for its own only"
    for entry in required:
        yield from _reference(entry, "a requiredAuthenticationRef", (*CLIENTS, *NETWORKS))
    for kinds, word in ((CLIENTS, "for the client's identity"), (NETWORKS, "for its network")):
        found = [e for e in required if (e.get("group") or CORE_GROUP, e.get("kind")) in kinds]
        if len(found) > 1:
            yield (
                f"{len(found)} requiredAuthenticationRefs are {word}, and all would have to hold; "
                "put the alternatives into one object, or write a policy for each"
            )


def mesh_tls_authentication(item: Json, _reader: Reader) -> Iterator[str]:
    identities, references = item["spec"].get("identities"), item["spec"].get("identityRefs")
    if bool(identities) == bool(references):
        yield "give either identities or identityRefs, and at least one"
    yield from _identities(identities or ())
    for entry in references or ():
        yield from _reference(entry, "an identityRef", ACCOUNT_OR_NAMESPACE)


def network_authentication(item: Json, _reader: Reader) -> Iterator[str]:
    listed = item["spec"].get("networks") or ()
    if not listed:
        yield "networks is empty, so nobody could be authenticated by it"
    yield from networks(listed, "networks")


def rate_limit(item: Json, _reader: Reader) -> Iterator[str]:
    spec = item["spec"]
    yield from _reference(spec["targetRef"], "targetRef", ((POLICY_GROUP, "Server"),))
    total, identity = (_rate(spec.get(key)) for key in ("total", "identity"))
    overrides = spec.get("overrides") or ()
    if total is None and identity is None and not overrides:
        yield "it limits nothing: give total, identity or overrides"
    rates = [("total", total), ("identity", identity)]
    rates += [("an override", _rate(entry)) for entry in overrides]
    for word, rate in rates:
        if rate is not None and rate <= 0:
            yield f"{word} allows {rate} requests per second; the least is 1"
        elif rate is not None and total is not None and rate > total > 0:
            yield f"{word} allows {rate} requests per second, more than the total of {total}"
    for entry in overrides:
        for client in entry.get("clientRefs") or ():
            yield from _reference(client, "a clientRef", ACCOUNT)


def _rate(entry: Json | None) -> int | None:
    return None if entry is None else int(entry.get("requestsPerSecond") or 0)


def egress_network(item: Json, _reader: Reader) -> Iterator[str]:
    listed = item["spec"].get("networks")
    if listed is not None and not listed:
        yield "networks is empty; leave it out to mean all that is outside the cluster"
    yield from networks(listed or (), "networks")
