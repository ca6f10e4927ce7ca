"""The policy of one port as messages of the proxy API. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tulle.index.policies import Network, NetworkMatch
from tulle.policy import route_messages as common
from tulle.policy.authorize import POLICY_GROUP, Authorization
from tulle.proto import grpc_route_pb2 as grpc_route
from tulle.proto import http_route_pb2 as http_route
from tulle.proto import inbound_pb2 as pb
from tulle.proto import meta_pb2 as meta
from tulle.proto import net_pb2 as net
from tulle.routes import Failure, Filter, HeaderChange, Redirect, Route

DETECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ServerRoute:
    """`route` None: made for a port without routes of its own; `paths` are those of probes."""

    route: Route | None
    name: str
    authorizations: tuple[Authorization, ...] = ()
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """Requests per second; `overrides` are for the clients with these identities."""

    name: str
    total: int | None
    identity: int | None
    overrides: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Port:
    """`reference`: group, kind and name of the Server, or of the default policy."""

    reference: tuple[str, str, str]
    protocol: str
    authorizations: list[Authorization]
    routes: list[ServerRoute]
    grpc_routes: list[ServerRoute] = field(default_factory=list)
    limit: Limit | None = None


def _network(network: Network) -> net.IPNetwork:
    number = int(network.network_address)
    if network.version == 4:
        address = net.IPAddress(ipv4=number)
    else:
        parts = net.IPv6(first=number >> 64, last=number & (2**64 - 1))
        address = net.IPAddress(ipv6=parts)
    return net.IPNetwork(ip=address, prefix_len=network.prefixlen)


def _networks(found: Iterable[NetworkMatch]) -> list[pb.Network]:
    return [
        pb.Network(net=_network(entry.network), **{"except": [_network(e) for e in entry.excepted]})
        for entry in found
    ]


def _suffix(identity: str) -> pb.IdentitySuffix:
    return pb.IdentitySuffix(parts=[] if identity == "*" else identity[2:].split("."))


def _is_suffix(identity: str) -> bool:
    return identity == "*" or identity.startswith("*.")


def _authentication(authorization: Authorization) -> pb.Authn:
    nobody_known = pb.Authn.PermitUnauthenticated()
    if authorization.clients == "unauthenticated":
        return pb.Authn(unauthenticated=nobody_known)
    tls = pb.Authn.PermitMeshTLS
    if authorization.clients == "any-tls":
        return pb.Authn(meshTLS=tls(unauthenticated=nobody_known))
    identities = authorization.identities
    clients = tls.PermitClientIdentities(
        identities=[pb.Identity(name=name) for name in identities if not _is_suffix(name)],
        suffixes=[_suffix(name) for name in identities if _is_suffix(name)],
    )
    return pb.Authn(meshTLS=tls(identities=clients))


def _labels(group: str, kind: str, name: str) -> dict[str, str]:
    return {"group": group, "kind": kind, "name": name}


def authorization_message(item: Authorization) -> pb.Authz:
    is_default = item.kind == "default"
    return pb.Authz(
        networks=_networks(item.networks),
        authentication=_authentication(item),
        labels=_labels("" if is_default else POLICY_GROUP, item.kind, item.name),
        metadata=common.by_default(item.name)
        if is_default
        else common.resource(POLICY_GROUP, item.kind, item.name),
    )


def _filter(item: Filter) -> pb.HttpRoute.Filter | None:
    """The API has no inbound change of response headers."""
    match item:
        case HeaderChange(is_request=True):
            return pb.HttpRoute.Filter(request_header_modifier=common.request_headers(item))
        case Redirect():
            return pb.HttpRoute.Filter(redirect=common.redirect(item))
        case Failure():
            injector = http_route.HttpFailureInjector(status=item.status, message=item.message)
            return pb.HttpRoute.Filter(failure_injector=injector)
    return None


def _rules(item: ServerRoute) -> list[pb.HttpRoute.Rule]:
    if item.route is None:
        matches = [
            http_route.HttpRouteMatch(
                path=http_route.PathMatch(exact=path), method=common.method("GET")
            )
            for path in item.paths
        ]
        return [pb.HttpRoute.Rule(matches=matches or [common.ANY_PATH])]
    return [
        pb.HttpRoute.Rule(
            matches=[common.http_match(match) for match in rule.matches] or [common.ANY_PATH],
            filters=[f for f in map(_filter, rule.filters) if f is not None],
        )
        for rule in item.route.rules
    ]


def _metadata(item: ServerRoute) -> meta.Metadata:
    if item.route is None:
        return common.by_default(item.name)
    return common.resource(item.route.group, item.route.kind, item.route.name)


def _http(item: ServerRoute) -> pb.HttpRoute:
    return pb.HttpRoute(
        metadata=_metadata(item),
        hosts=common.hosts(item.route.hosts if item.route else ()),
        authorizations=[authorization_message(entry) for entry in item.authorizations],
        rules=_rules(item),
    )


def _grpc_filters(filters: Iterable[Filter]) -> list[pb.GrpcRoute.Filter]:
    return [
        pb.GrpcRoute.Filter(request_header_modifier=common.request_headers(entry))
        for entry in filters
        if isinstance(entry, HeaderChange) and entry.is_request
    ]


def _grpc(item: ServerRoute) -> pb.GrpcRoute:
    everything = pb.GrpcRoute.Rule(matches=[grpc_route.GrpcRouteMatch()])
    rules = [
        pb.GrpcRoute.Rule(
            matches=[common.grpc_match(match) for match in rule.matches]
            or [grpc_route.GrpcRouteMatch()],
            filters=_grpc_filters(rule.filters),
        )
        for rule in (item.route.rules if item.route else ())
    ]
    return pb.GrpcRoute(
        metadata=_metadata(item),
        hosts=common.hosts(item.route.hosts if item.route else ()),
        authorizations=[authorization_message(entry) for entry in item.authorizations],
        rules=rules if item.route else [everything],
    )


def _rate(number: int | None) -> pb.HttpLocalRateLimit.Limit | None:
    return None if number is None else pb.HttpLocalRateLimit.Limit(requestsPerSecond=number)


def _limit(limit: Limit | None) -> pb.HttpLocalRateLimit | None:
    if limit is None:
        return None
    override = pb.HttpLocalRateLimit.Override
    return pb.HttpLocalRateLimit(
        metadata=common.resource(POLICY_GROUP, "HTTPLocalRateLimitPolicy", limit.name),
        total=_rate(limit.total),
        identity=_rate(limit.identity),
        overrides=[
            override(
                limit=_rate(rate),
                clients=override.ClientIdentities(
                    identities=[pb.Identity(name=name) for name in clients]
                ),
            )
            for rate, clients in limit.overrides
        ],
    )


def _protocol(port: Port) -> pb.ProxyProtocol:
    limit = _limit(port.limit)
    match port.protocol:
        case "opaque":
            return pb.ProxyProtocol(opaque=pb.ProxyProtocol.Opaque())
        case "TLS":
            return pb.ProxyProtocol(tls=pb.ProxyProtocol.Tls())
        case "gRPC":
            routes = [_grpc(route) for route in port.grpc_routes]
            return pb.ProxyProtocol(grpc=pb.ProxyProtocol.Grpc(routes=routes))
    http = [_http(route) for route in port.routes]
    match port.protocol:
        case "HTTP/1":
            one = pb.ProxyProtocol.Http1(routes=http, local_rate_limit=limit)
            return pb.ProxyProtocol(http1=one)
        case "HTTP/2":
            two = pb.ProxyProtocol.Http2(routes=http, local_rate_limit=limit)
            return pb.ProxyProtocol(http2=two)
    return pb.ProxyProtocol(
        detect=pb.ProxyProtocol.Detect(
            timeout=common.duration(DETECT_SECONDS), http_routes=http, http_local_rate_limit=limit
        )
    )


def server(port: Port) -> bytes:
    message = pb.Server(
        protocol=_protocol(port),
        authorizations=[authorization_message(item) for item in port.authorizations],
        labels=_labels(*port.reference),
    )
    # Deterministic: equal policies are equal bytes, and equal bytes wake nobody.
    return bytes(message.SerializeToString(deterministic=True))
