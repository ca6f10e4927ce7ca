"""What is wrong with a route, if one of its parents is ours. Pure."""

from collections.abc import Iterator
from typing import Any

from tulle import durations
from tulle.index.index import Reader
from tulle.routes import CORE_GROUP, GATEWAY_GROUP, POLICY_GROUP

Json = dict[str, Any]

OUR_PARENTS = (
    (CORE_GROUP, "Service"),
    (POLICY_GROUP, "Server"),
    (POLICY_GROUP, "EgressNetwork"),
)
HEADERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
}
HTTP_FILTERS = {**HEADERS, "RequestRedirect": "requestRedirect"}
PATH_KINDS = ("Exact", "PathPrefix")


def _is_ours(parent: Json) -> bool:
    group = parent.get("group")
    group = GATEWAY_GROUP if group is None else group or CORE_GROUP
    return (group, parent.get("kind") or "Gateway") in OUR_PARENTS


def _parents(spec: Json) -> list[Json]:
    return [parent for parent in spec.get("parentRefs") or () if _is_ours(parent)]


def _egress_ports(parents: list[Json]) -> Iterator[str]:
    for parent in parents:
        if parent.get("kind") == "EgressNetwork" and parent.get("port") is None:
            yield f"the parent EgressNetwork {parent.get('name')} needs a port, such as port: 443"


def _backends(rule: Json, where: str) -> Iterator[str]:
    for backend in rule.get("backendRefs") or ():
        is_service = (backend.get("kind") or "Service") == "Service"
        if is_service and not backend.get("group") and backend.get("port") is None:
            yield f"{where}: the backend Service {backend.get('name')} needs a port"


def _filters(item: Json, known: dict[str, str], where: str) -> Iterator[str]:
    for entry in item.get("filters") or ():
        kind = entry.get("type")
        if kind not in known:
            yield f"{where}: proxies do not know the filter {kind}; they know {', '.join(known)}"
        elif not entry.get(known[kind]):
            yield f"{where}: the filter {kind} needs {known[kind]}"
        elif kind == "RequestRedirect":
            path = (entry["requestRedirect"].get("path") or {}).get("replaceFullPath")
            if path is not None and not path.startswith("/"):
                yield f"{where}: a redirect's path begins with a slash, and {path!r} does not"


def _paths(rule: Json, where: str) -> Iterator[str]:
    for match in rule.get("matches") or ():
        path = match.get("path") or {}
        value = path.get("value", "/")
        if (path.get("type") or "PathPrefix") in PATH_KINDS and not value.startswith("/"):
            yield f"{where}: a path begins with a slash, and {value!r} does not"


def _timeouts(rule: Json, where: str) -> Iterator[str]:
    for key, text in (rule.get("timeouts") or {}).items():
        try:
            durations.seconds(str(text))
        except ValueError as error:
            yield f"{where}: timeouts.{key} is {text!r}: {error}"


def _requests(item: Json, filters: dict[str, str], *, has_paths: bool) -> Iterator[str]:
    parents = _parents(item.get("spec") or {})
    if not parents:
        return
    yield from _egress_ports(parents)
    for number, rule in enumerate(item["spec"].get("rules") or ()):
        where = f"rules[{number}]"
        yield from _filters(rule, filters, where)
        yield from _backends(rule, where)
        yield from _timeouts(rule, where)
        for backend in rule.get("backendRefs") or ():
            yield from _filters(backend, filters, f"{where}, backend {backend.get('name')}")
        if has_paths:
            yield from _paths(rule, where)


def http(item: Json, _reader: Reader) -> Iterator[str]:
    yield from _requests(item, HTTP_FILTERS, has_paths=True)


def grpc(item: Json, _reader: Reader) -> Iterator[str]:
    yield from _requests(item, HEADERS, has_paths=False)


def stream(item: Json, _reader: Reader) -> Iterator[str]:
    """TLSRoute and TCPRoute: nothing tells the connections of one rule from those of another."""
    parents = _parents(item.get("spec") or {})
    if not parents:
        return
    yield from _egress_ports(parents)
    rules = item["spec"].get("rules") or ()
    if len(rules) != 1:
        yield f"it has {len(rules)} rules, where proxies can follow one and only one"
    for number, rule in enumerate(rules):
        yield from _backends(rule, f"rules[{number}]")
