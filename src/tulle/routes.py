"""HTTPRoute, GRPCRoute, TLSRoute and TCPRoute of either API group as our dataclasses. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tulle import durations

Json = Mapping[str, Any]

POLICY_GROUP = "policy.linkerd.io"
GATEWAY_GROUP = "gateway.networking.k8s.io"
CORE_GROUP = "core"

ValueKind = Literal["exact", "prefix", "regex"]
_VALUE_KINDS: dict[str, ValueKind] = {
    "Exact": "exact",
    "PathPrefix": "prefix",
    "RegularExpression": "regex",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """What a parent, backend or target reference points at. `namespace` is always filled in."""

    group: str
    kind: str
    namespace: str
    name: str
    port: int | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class ValueMatch:
    """A header, query parameter or path that is to have a value. A path's `name` is empty."""

    name: str
    kind: ValueKind
    value: str


@dataclass(frozen=True, slots=True)
class HttpMatch:
    path: ValueMatch | None
    headers: tuple[ValueMatch, ...]
    query: tuple[ValueMatch, ...]
    method: str | None


@dataclass(frozen=True, slots=True)
class GrpcMatch:
    service: str
    method: str
    headers: tuple[ValueMatch, ...]


@dataclass(frozen=True, slots=True)
class HeaderChange:
    """`is_request` False: the response's headers."""

    is_request: bool
    add: tuple[tuple[str, str], ...]
    set: tuple[tuple[str, str], ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Redirect:
    scheme: str | None
    host: str | None
    full_path: str | None
    prefix_path: str | None
    port: int | None
    status: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Answer with this status instead: made for what a route asks that cannot be done."""

    status: int
    message: str


Filter = HeaderChange | Redirect | Failure


@dataclass(frozen=True, slots=True)
class Backend:
    target: Reference
    weight: int
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    matches: tuple[HttpMatch | GrpcMatch, ...]
    filters: tuple[Filter, ...]
    backends: tuple[Backend, ...]
    request_seconds: float | None
    backend_request_seconds: float | None


@dataclass(frozen=True, slots=True)
class Route:
    group: str
    kind: str
    namespace: str
    name: str
    created: str  # sorts by time as text
    hosts: tuple[str, ...]
    parents: tuple[Reference, ...]
    rules: tuple[Rule, ...]
    settings: tuple[tuple[str, str], ...]  # annotations of retries and timeouts

    def order(self) -> tuple[str, str, str]:
        """The Gateway API's precedence: the oldest first, then by name."""
        return self.created or "9999", self.namespace, self.name


def _reference(item: Json, namespace: str, group: str, kind: str) -> Reference:
    named = item.get("group")
    return Reference(
        group=(group if named is None else named) or CORE_GROUP,
        kind=item.get("kind") or kind,
        namespace=item.get("namespace") or namespace,
        name=item["name"],
        port=item.get("port"),
        section=item.get("sectionName"),
    )


def _values(items: Iterable[Json] | None) -> tuple[ValueMatch, ...]:
    return tuple(
        ValueMatch(i["name"], _VALUE_KINDS[i.get("type") or "Exact"], i["value"])
        for i in items or ()
    )


def _http_match(item: Json) -> HttpMatch:
    path = item.get("path")
    return HttpMatch(
        path=None
        if path is None
        else ValueMatch("", _VALUE_KINDS[path.get("type") or "PathPrefix"], path.get("value", "/")),
        headers=_values(item.get("headers")),
        query=_values(item.get("queryParams")),
        method=item.get("method"),
    )


def _grpc_match(item: Json) -> GrpcMatch:
    call = item.get("method") or {}
    return GrpcMatch(
        call.get("service") or "", call.get("method") or "", _values(item.get("headers"))
    )


def _header_change(item: Json, is_request: bool) -> HeaderChange:
    def pairs(key: str) -> tuple[tuple[str, str], ...]:
        return tuple((header["name"], header["value"]) for header in item.get(key) or ())

    return HeaderChange(is_request, pairs("add"), pairs("set"), tuple(item.get("remove") or ()))


def _redirect(item: Json) -> Redirect:
    path = item.get("path") or {}
    return Redirect(
        scheme=item.get("scheme"),
        host=item.get("hostname"),
        full_path=path.get("replaceFullPath"),
        prefix_path=path.get("replacePrefixMatch"),
        port=item.get("port"),
        status=item.get("statusCode") or 302,
    )


def _filter(item: Json) -> Filter:
    match item["type"]:
        case "RequestHeaderModifier":
            return _header_change(item["requestHeaderModifier"], is_request=True)
        case "ResponseHeaderModifier":
            return _header_change(item["responseHeaderModifier"], is_request=False)
        case "RequestRedirect":
            return _redirect(item["requestRedirect"])
        case other:
            return Failure(500, f"filter {other} is not supported")


def _filters(item: Json) -> tuple[Filter, ...]:
    return tuple(_filter(entry) for entry in item.get("filters") or ())


def _seconds(timeouts: Json, key: str) -> float | None:
    """None when absent, zero (which the Gateway API calls `no time-out`) or not a duration."""
    try:
        return durations.seconds(str(timeouts[key])) or None
    except (KeyError, ValueError):
        return None


def _rule(item: Json, namespace: str, *, is_grpc: bool) -> Rule:
    matches = item.get("matches") or ()
    timeouts = item.get("timeouts") or {}
    return Rule(
        matches=tuple(_grpc_match(m) if is_grpc else _http_match(m) for m in matches),
        filters=_filters(item),
        backends=tuple(
            Backend(
                _reference(entry, namespace, CORE_GROUP, "Service"),
                1 if entry.get("weight") is None else entry["weight"],
                _filters(entry),
            )
            for entry in item.get("backendRefs") or ()
        ),
        request_seconds=_seconds(timeouts, "request"),
        backend_request_seconds=_seconds(timeouts, "backendRequest"),
    )


SETTING_PREFIXES = ("retry.linkerd.io/", "timeout.linkerd.io/")


def route(item: Json, group: str, kind: str) -> Route:
    metadata, spec = item["metadata"], item.get("spec") or {}
    namespace = metadata["namespace"]
    annotations = (metadata.get("annotations") or {}).items()
    return Route(
        group=group,
        kind=kind,
        namespace=namespace,
        name=metadata["name"],
        created=metadata.get("creationTimestamp") or "",
        hosts=tuple(spec.get("hostnames") or ()),
        parents=tuple(
            _reference(entry, namespace, GATEWAY_GROUP, "Gateway")
            for entry in spec.get("parentRefs") or ()
        ),
        rules=tuple(
            _rule(entry, namespace, is_grpc=kind == "GRPCRoute")
            for entry in spec.get("rules") or ()
        ),
        settings=tuple(
            sorted(pair for pair in annotations if pair[0].startswith(SETTING_PREFIXES))
        ),
    )
