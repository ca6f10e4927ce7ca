"""From what a user filters by to what proxies match. Pure."""

from dataclasses import dataclass
from typing import Any

from tulle import workload
from tulle.proto import http_types_pb2, tap_pb2, viz_tap_pb2
from tulle.viz.tap.target import Target

METHODS = dict(http_types_pb2.HttpMethod.Registered.items())
SCHEMES = dict(http_types_pb2.Scheme.Registered.items())


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty: whatever comes. `to` is a kind and a name (empty: any of the kind)."""

    to: tuple[str, str] | None = None
    to_namespace: str = ""
    scheme: str = ""
    method: str = ""
    authority: str = ""  # exactly this
    path: str = ""  # or below it
    label_selector: str = ""
    max_rps: float = 100.0


def request(target: Target, filters: Filters, *, extract_headers: bool) -> Any:
    found = viz_tap_pb2.TapRequest(
        label_selector=filters.label_selector,
        max_rps=filters.max_rps,
        extract_headers=extract_headers,
    )
    found.target.namespace = target.namespace
    found.target.kind = target.kind
    found.target.name = target.name
    found.match.all.SetInParent()
    found.match.all.matches.extend(_matches(filters))
    return found


def _matches(filters: Filters) -> list[Any]:
    found = []
    if filters.to or filters.to_namespace:
        found += _destination(filters)
    http = tap_pb2.ObserveRequest.Match.Http
    if filters.scheme:
        found.append(_http(http(scheme=_scheme(filters.scheme))))
    if filters.method:
        found.append(_http(http(method=_method(filters.method))))
    if filters.authority:
        found.append(_http(http(authority=http.StringMatch(exact=filters.authority))))
    if filters.path:
        found.append(_http(http(path=http.StringMatch(prefix=filters.path))))
    return found


def _http(part: Any) -> Any:
    return tap_pb2.ObserveRequest.Match(http=part)


def _scheme(text: str) -> Any:
    known = SCHEMES.get(text.upper())
    if known is None:
        return http_types_pb2.Scheme(unregistered=text)
    return http_types_pb2.Scheme(registered=known)


def _method(text: str) -> Any:
    known = METHODS.get(text.upper())
    if known is None:
        return http_types_pb2.HttpMethod(unregistered=text)
    return http_types_pb2.HttpMethod(registered=known)


def _destination(filters: Filters) -> list[Any]:
    match = tap_pb2.ObserveRequest.Match
    kind, name = filters.to or ("namespace", filters.to_namespace)
    labels = {}
    if kind == "namespace":
        labels["namespace"] = name or filters.to_namespace
    else:
        labels["namespace"] = filters.to_namespace
        if name:
            labels[workload.metric_label(kind)] = name
    return [
        match(destination_label=match.Label(key=key, value=value))
        for key, value in labels.items()
        if value
    ]
