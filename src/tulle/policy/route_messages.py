"""Matches and filters of routes, the same inbound and outbound, as messages. Pure."""

from collections.abc import Iterable
from math import modf

from google.protobuf.duration_pb2 import Duration

from tulle.proto import grpc_route_pb2 as grpc_route
from tulle.proto import http_route_pb2 as http_route
from tulle.proto import http_types_pb2 as http_types
from tulle.proto import meta_pb2 as meta
from tulle.routes import GrpcMatch, HeaderChange, HttpMatch, Redirect, ValueMatch


def duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    part, whole = modf(seconds)
    return Duration(seconds=int(whole), nanos=round(part * 1e9))


def resource(
    group: str, kind: str, name: str, *, namespace: str = "", port: int = 0
) -> meta.Metadata:
    return meta.Metadata(
        resource=meta.Resource(group=group, kind=kind, name=name, namespace=namespace, port=port)
    )


def by_default(name: str) -> meta.Metadata:
    return meta.Metadata(default=name)


def host(name: str) -> http_route.HostMatch:
    """`*.example.com` is a suffix, told label by label from its end."""
    if name.startswith("*."):
        labels = list(reversed(name[2:].split(".")))
        return http_route.HostMatch(suffix=http_route.HostMatch.Suffix(reverse_labels=labels))
    return http_route.HostMatch(exact=name)


def hosts(found: Iterable[str]) -> list[http_route.HostMatch]:
    return [host(name) for name in found]


def method(name: str) -> http_types.HttpMethod:
    if name in dict(http_types.HttpMethod.Registered.items()):
        return http_types.HttpMethod(registered=http_types.HttpMethod.Registered.Value(name))
    return http_types.HttpMethod(unregistered=name)


def _header(match: ValueMatch) -> http_route.HeaderMatch:
    if match.kind == "regex":
        return http_route.HeaderMatch(name=match.name, regex=match.value)
    return http_route.HeaderMatch(name=match.name, exact=match.value.encode())


def _query(match: ValueMatch) -> http_route.QueryParamMatch:
    if match.kind == "regex":
        return http_route.QueryParamMatch(name=match.name, regex=match.value)
    return http_route.QueryParamMatch(name=match.name, exact=match.value)


def _path(match: ValueMatch | None) -> http_route.PathMatch | None:
    return None if match is None else http_route.PathMatch(**{match.kind: match.value})


def http_match(match: HttpMatch | GrpcMatch) -> http_route.HttpRouteMatch:
    assert isinstance(match, HttpMatch)
    return http_route.HttpRouteMatch(
        path=_path(match.path),
        headers=[_header(entry) for entry in match.headers],
        query_params=[_query(entry) for entry in match.query],
        method=None if match.method is None else method(match.method),
    )


ANY_PATH = http_route.HttpRouteMatch(path=http_route.PathMatch(prefix="/"))


def grpc_match(match: HttpMatch | GrpcMatch) -> grpc_route.GrpcRouteMatch:
    assert isinstance(match, GrpcMatch)
    call = None
    if match.service or match.method:
        call = grpc_route.GrpcRpcMatch(service=match.service, method=match.method)
    headers = [_header(entry) for entry in match.headers]
    return grpc_route.GrpcRouteMatch(rpc=call, headers=headers)


def _headers(pairs: Iterable[tuple[str, str]]) -> http_types.Headers:
    return http_types.Headers(
        headers=[
            http_types.Headers.Header(name=name, value=value.encode()) for name, value in pairs
        ]
    )


def request_headers(change: HeaderChange) -> http_route.RequestHeaderModifier:
    return http_route.RequestHeaderModifier(
        add=_headers(change.add), set=_headers(change.set), remove=change.remove
    )


def response_headers(change: HeaderChange) -> http_route.ResponseHeaderModifier:
    return http_route.ResponseHeaderModifier(
        add=_headers(change.add), set=_headers(change.set), remove=change.remove
    )


def _scheme(name: str) -> http_types.Scheme:
    if name.upper() in dict(http_types.Scheme.Registered.items()):
        return http_types.Scheme(registered=http_types.Scheme.Registered.Value(name.upper()))
    return http_types.Scheme(unregistered=name)


def redirect(item: Redirect) -> http_route.RequestRedirect:
    path = None
    if item.full_path is not None:
        path = http_route.PathModifier(full=item.full_path)
    elif item.prefix_path is not None:
        path = http_route.PathModifier(prefix=item.prefix_path)
    return http_route.RequestRedirect(
        scheme=None if item.scheme is None else _scheme(item.scheme),
        host=item.host or "",
        path=path,
        port=item.port or 0,
        status=item.status,
    )
