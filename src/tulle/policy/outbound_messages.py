"""Outbound routes of each protocol as messages of the proxy API. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tulle.policy import route_messages as common
from tulle.policy.backends import Share, accrual_message, distribution
from tulle.policy.settings import Accrual, Retry, Timeouts, retry, timeouts
from tulle.proto import grpc_route_pb2 as grpc_route
from tulle.proto import http_route_pb2 as http_route
from tulle.proto import meta_pb2 as meta
from tulle.proto import opaque_route_pb2 as opaque_route
from tulle.proto import outbound_pb2 as pb
from tulle.proto import tls_route_pb2 as tls_route
from tulle.routes import Backend, Failure, Filter, HeaderChange, HttpMatch, Redirect, Route, Rule

DETECT_SECONDS = 10.0
_MOST_RETRIED_BYTES = 64 * 1024
_BACKOFF = pb.ExponentialBackoff(
    min_backoff=common.duration(0.025), max_backoff=common.duration(0.25), jitter_ratio=1.0
)


Matches = tuple[HttpMatch, ...] | None


@dataclass(frozen=True, slots=True)
class Parent:
    """What routes hang on: a Service's port, or an EgressNetwork. `shares` splits the default
    route's traffic, or where there are `matches` only the requests that fit one; `is_allowed`
    None: a Service."""

    metadata: meta.Metadata
    backend: pb.Backend
    settings: dict[str, str]
    share: Callable[[Backend], Share | None]
    accrual: Accrual | None = None
    shares: tuple[Share, ...] = ()
    matches: Matches = None
    is_allowed: bool | None = None
    allows_request_headers: bool = False

    @property
    def is_denied(self) -> bool:
        return self.is_allowed is False

    @property
    def plain_shares(self) -> tuple[Share, ...]:
        """Of traffic that no match can be asked of."""
        return self.shares if self.matches is None else ()

    def default_name(self, protocol: str) -> str:
        """The name of the route that is there when nobody wrote one."""
        if self.is_allowed is None:
            return protocol
        kind = "tcp" if protocol == "opaq" else protocol
        return f"{kind}-egress-{'allow' if self.is_allowed else 'deny'}"


def _filter(item: Filter) -> pb.HttpRoute.Filter:
    match item:
        case HeaderChange(is_request=True):
            return pb.HttpRoute.Filter(request_header_modifier=common.request_headers(item))
        case HeaderChange():
            return pb.HttpRoute.Filter(response_header_modifier=common.response_headers(item))
        case Redirect():
            return pb.HttpRoute.Filter(redirect=common.redirect(item))
    return _failure(item.status, item.message)


def _failure(status: int, message: str) -> pb.HttpRoute.Filter:
    injector = http_route.HttpFailureInjector(status=status, message=message)
    return pb.HttpRoute.Filter(failure_injector=injector)


def _http_filters(share: Share) -> list[pb.HttpRoute.Filter]:
    if share.error is not None:
        return [_failure(500, share.error)]
    return [_filter(item) for item in share.filters]


def _grpc_failure(code: int, message: str) -> pb.GrpcRoute.Filter:
    injector = grpc_route.GrpcFailureInjector(code=code, message=message)
    return pb.GrpcRoute.Filter(failure_injector=injector)


def _grpc_filter(items: Iterable[Filter]) -> list[pb.GrpcRoute.Filter]:
    found = []
    for item in items:
        if isinstance(item, HeaderChange) and item.is_request:
            change = common.request_headers(item)
            found.append(pb.GrpcRoute.Filter(request_header_modifier=change))
        elif isinstance(item, Failure):
            found.append(_grpc_failure(13, item.message))
    return found


def _grpc_filters(share: Share) -> list[pb.GrpcRoute.Filter]:
    if share.error is not None:
        return [_grpc_failure(13, share.error)]
    return _grpc_filter(share.filters)


def _timeouts(found: Timeouts) -> http_route.Timeouts:
    return http_route.Timeouts(
        request=common.duration(found.request),
        response=common.duration(found.response),
        idle=common.duration(found.idle),
    )


def _retry(kind: Any, found: Retry | None) -> Any:
    if found is None:
        return None
    conditions = kind.Retry.Conditions()
    if kind is pb.HttpRoute:
        for low, high in found.statuses:
            conditions.status_ranges.add(start=low, end=high)
    else:
        for code in found.codes:
            # The API itself has this field's name misspelt.
            field = {"deadline-exceeded": "deadine_exceeded"}.get(code, code.replace("-", "_"))
            setattr(conditions, field, True)
    return kind.Retry(
        max_retries=found.limit,
        max_request_bytes=_MOST_RETRIED_BYTES,
        conditions=conditions,
        timeout=common.duration(found.timeout),
        backoff=_BACKOFF,
    )


def _chosen(parent: Parent, route: Route, rule: Rule, is_grpc: bool) -> tuple[Timeouts, Any]:
    """A route's annotations replace the Service's as a whole."""
    own = dict(route.settings)
    given = timeouts(own)
    found = Timeouts(
        rule.request_seconds if given.request is None else given.request,
        rule.backend_request_seconds if given.response is None else given.response,
        given.idle,
    )
    if found == Timeouts():
        found = timeouts(parent.settings)
    return found, retry(own, is_grpc=is_grpc) or retry(parent.settings, is_grpc=is_grpc)


def _shares(parent: Parent, rule: Rule) -> list[Share]:
    found = (parent.share(backend) for backend in rule.backends)
    return [share for share in found if share is not None]


def _http_rule(parent: Parent, route: Route, rule: Rule) -> pb.HttpRoute.Rule:
    times, again = _chosen(parent, route, rule, is_grpc=False)
    return pb.HttpRoute.Rule(
        matches=[common.http_match(match) for match in rule.matches] or [common.ANY_PATH],
        filters=[_filter(item) for item in rule.filters],
        backends=distribution(pb.HttpRoute, parent.backend, _shares(parent, rule), _http_filters),
        requestTimeout=common.duration(times.request),
        timeouts=_timeouts(times),
        retry=_retry(pb.HttpRoute, again),
        allow_l5d_request_headers=parent.allows_request_headers,
    )


def _default_http_rule(
    parent: Parent, matches: list[http_route.HttpRouteMatch], shares: tuple[Share, ...]
) -> pb.HttpRoute.Rule:
    times = timeouts(parent.settings)
    return pb.HttpRoute.Rule(
        matches=matches,
        filters=[_failure(403, "traffic not allowed")] if parent.is_denied else [],
        backends=distribution(pb.HttpRoute, parent.backend, shares, _http_filters),
        requestTimeout=common.duration(times.request),
        timeouts=_timeouts(times),
        retry=_retry(pb.HttpRoute, retry(parent.settings, is_grpc=False)),
        allow_l5d_request_headers=parent.allows_request_headers,
    )


def _default_http_route(parent: Parent) -> pb.HttpRoute:
    rules = [_default_http_rule(parent, [common.ANY_PATH], parent.plain_shares)]
    if parent.matches:
        wanted = [common.http_match(match) for match in parent.matches]
        rules.insert(0, _default_http_rule(parent, wanted, parent.shares))
    name = parent.default_name("http")
    return pb.HttpRoute(metadata=common.by_default(name), rules=rules)


def _metadata(route: Route) -> meta.Metadata:
    return common.resource(route.group, route.kind, route.name, namespace=route.namespace)


def http_routes(parent: Parent, routes: list[Route]) -> list[pb.HttpRoute]:
    made = [
        pb.HttpRoute(
            metadata=_metadata(route),
            hosts=common.hosts(route.hosts),
            rules=[_http_rule(parent, route, rule) for rule in route.rules],
        )
        for route in routes
    ]
    # What no route of an EgressNetwork matches falls to its policy; a Service's is not found.
    if not made or parent.is_allowed is not None:
        made.append(_default_http_route(parent))
    return made


def _grpc_rule(parent: Parent, route: Route, rule: Rule) -> pb.GrpcRoute.Rule:
    times, again = _chosen(parent, route, rule, is_grpc=True)
    return pb.GrpcRoute.Rule(
        matches=[common.grpc_match(match) for match in rule.matches]
        or [grpc_route.GrpcRouteMatch()],
        filters=_grpc_filter(rule.filters),
        backends=distribution(pb.GrpcRoute, parent.backend, _shares(parent, rule), _grpc_filters),
        requestTimeout=common.duration(times.request),
        timeouts=_timeouts(times),
        retry=_retry(pb.GrpcRoute, again),
        allow_l5d_request_headers=parent.allows_request_headers,
    )


def _default_grpc_route(parent: Parent) -> pb.GrpcRoute:
    rule = pb.GrpcRoute.Rule(
        matches=[grpc_route.GrpcRouteMatch()],
        filters=[_grpc_failure(7, "traffic not allowed")] if parent.is_denied else [],
        backends=distribution(pb.GrpcRoute, parent.backend, parent.plain_shares, _grpc_filters),
        timeouts=_timeouts(timeouts(parent.settings)),
        retry=_retry(pb.GrpcRoute, retry(parent.settings, is_grpc=True)),
        allow_l5d_request_headers=parent.allows_request_headers,
    )
    name = parent.default_name("grpc")
    return pb.GrpcRoute(metadata=common.by_default(name), rules=[rule])


def grpc(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol:
    made = [
        pb.GrpcRoute(
            metadata=_metadata(route),
            hosts=common.hosts(route.hosts),
            rules=[_grpc_rule(parent, route, rule) for rule in route.rules],
        )
        for route in routes
    ]
    if not made or parent.is_allowed is not None:
        made.append(_default_grpc_route(parent))
    accrual = accrual_message(parent.accrual)
    return pb.ProxyProtocol(grpc=pb.ProxyProtocol.Grpc(routes=made, failure_accrual=accrual))


def _plain_filters(kind: Any) -> Callable[[Share], list[Any]]:
    """Bytes know one filter only: that their backend cannot be used."""

    def filters(share: Share) -> list[Any]:
        if share.error is None:
            return []
        return [kind.Filter(invalid=opaque_route.Invalid(message=share.error))]

    return filters


def _plain_rule(kind: Any, parent: Parent, shares: Iterable[Share], *, denied: bool) -> Any:
    return kind.Rule(
        backends=distribution(kind, parent.backend, shares, _plain_filters(kind)),
        filters=[kind.Filter(forbidden=opaque_route.Forbidden())] if denied else [],
    )


def opaque(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol.Opaque:
    """Bytes cannot be told apart: the first route alone counts."""
    kind = pb.OpaqueRoute
    made = [
        kind(
            metadata=_metadata(route),
            rules=[_plain_rule(kind, parent, _shares(parent, route.rules[0]), denied=False)],
        )
        for route in routes[:1]
        if route.rules
    ]
    if not made:
        rule = _plain_rule(kind, parent, parent.plain_shares, denied=parent.is_denied)
        name = parent.default_name("opaq")
        made = [kind(metadata=common.by_default(name), rules=[rule])]
    return pb.ProxyProtocol.Opaque(routes=made)


def _sni(name: str) -> tls_route.SniMatch:
    if name.startswith("*."):
        labels = list(reversed(name[2:].split(".")))
        return tls_route.SniMatch(suffix=tls_route.SniMatch.Suffix(reverse_labels=labels))
    return tls_route.SniMatch(exact=name)


def tls(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol:
    kind = pb.TlsRoute
    made = [
        kind(
            metadata=_metadata(route),
            snis=[_sni(name) for name in route.hosts],
            rules=[_plain_rule(kind, parent, _shares(parent, route.rules[0]), denied=False)],
        )
        for route in routes
        if route.rules
    ]
    if parent.is_allowed is not None:
        rule = _plain_rule(kind, parent, (), denied=parent.is_denied)
        name = parent.default_name("tls")
        made.append(kind(metadata=common.by_default(name), rules=[rule]))
    return pb.ProxyProtocol(tls=pb.ProxyProtocol.Tls(routes=made))


def detect(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol:
    http = http_routes(parent, routes)
    accrual = accrual_message(parent.accrual)
    return pb.ProxyProtocol(
        detect=pb.ProxyProtocol.Detect(
            timeout=common.duration(DETECT_SECONDS),
            opaque=opaque(parent, []),
            http1=pb.ProxyProtocol.Http1(routes=http, failure_accrual=accrual),
            http2=pb.ProxyProtocol.Http2(routes=http, failure_accrual=accrual),
        )
    )


def http1(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol:
    made, accrual = http_routes(parent, routes), accrual_message(parent.accrual)
    return pb.ProxyProtocol(http1=pb.ProxyProtocol.Http1(routes=made, failure_accrual=accrual))


def http2(parent: Parent, routes: list[Route]) -> pb.ProxyProtocol:
    made, accrual = http_routes(parent, routes), accrual_message(parent.accrual)
    return pb.ProxyProtocol(http2=pb.ProxyProtocol.Http2(routes=made, failure_accrual=accrual))


def refused(metadata: meta.Metadata) -> bytes:
    """For a port that the Service does not define."""
    kind = pb.OpaqueRoute
    empty = kind.Distribution(empty=kind.Distribution.Empty())
    rule = kind.Rule(backends=empty, filters=[kind.Filter(forbidden=opaque_route.Forbidden())])
    route = kind(metadata=common.by_default("undefined-port"), rules=[rule])
    return encoded(pb.ProxyProtocol(opaque=pb.ProxyProtocol.Opaque(routes=[route])), metadata)


def encoded(protocol: pb.ProxyProtocol, metadata: meta.Metadata) -> bytes:
    policy = pb.OutboundPolicy(protocol=protocol, metadata=metadata)
    return bytes(policy.SerializeToString(deterministic=True))
