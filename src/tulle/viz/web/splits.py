"""Splits of a Service's traffic: routes with weighted backends, and SMI's TrafficSplits. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tulle.index.profiles import thousandths

Json = dict[str, Any]

GATEWAY, POLICY, SMI = "gateway.networking.k8s.io", "policy.linkerd.io", "split.smi-spec.io"
SERVICE_GROUPS = ("", "core")
SPLIT_KIND = "TrafficSplit"
MOST_WEIGHT = 1_000_000  # of Gateway API; what we write is never more


@dataclass(frozen=True, slots=True)
class Resource:
    """What may split traffic. `versions`: the first that the server has is used."""

    group: str
    versions: tuple[str, ...]
    plural: str
    kind: str

    @property
    def name(self) -> str:
        """As RBAC and kubectl write it."""
        return f"{self.plural}.{self.group}"

    def path(self, version: str, namespace: str = "", name: str = "") -> str:
        within = f"/namespaces/{namespace}" if namespace else ""
        found = f"/apis/{self.group}/{version}{within}/{self.plural}"
        return f"{found}/{name}" if name else found


RESOURCES = {
    resource.name: resource
    for resource in (
        Resource(GATEWAY, ("v1",), "httproutes", "HTTPRoute"),
        Resource(GATEWAY, ("v1",), "grpcroutes", "GRPCRoute"),
        Resource(POLICY, ("v1beta3",), "httproutes", "HTTPRoute"),
        Resource(SMI, ("v1alpha4", "v1alpha2"), "trafficsplits", SPLIT_KIND),
    )
}


@dataclass(frozen=True, slots=True)
class Backend:
    """`weight` counts beside those of the others; `text` is how the object has it."""

    namespace: str
    name: str
    port: int | None
    weight: int
    text: str


@dataclass(frozen=True, slots=True)
class Split:
    """Weighted backends of one rule of a route, or of a TrafficSplit, whose `rule` is 0."""

    resource: Resource
    namespace: str
    name: str
    version: str  # the object's resourceVersion, which a change of its status changes too
    generation: int  # which is another after a change of what it asks for only
    rule: int
    matches: str  # which requests it holds for, in words; empty: all
    backends: tuple[Backend, ...]

    def pointer(self, number: int) -> str:
        """Where a backend's weight stands, as JSON Patch says it."""
        if self.resource.kind == SPLIT_KIND:
            return f"/spec/backends/{number}/weight"
        return f"/spec/rules/{self.rule}/backendRefs/{number}/weight"


def is_of(item: Json, resource: Resource, namespace: str, service: str) -> bool:
    """Whether the object says who gets what is sent to the Service."""
    own, spec = item["metadata"]["namespace"], item.get("spec") or {}
    if resource.kind == SPLIT_KIND:
        return own == namespace and _bare(spec.get("service", "")) == service
    return any(
        ref.get("kind") == "Service"
        and ref.get("group", GATEWAY) in SERVICE_GROUPS
        and (ref.get("namespace") or own, ref.get("name")) == (namespace, service)
        for ref in spec.get("parentRefs") or ()
    )


def splits_of(item: Json, resource: Resource) -> Iterator[Split]:
    """Of each rule that has a choice."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    version = metadata["resourceVersion"], int(metadata.get("generation") or 0)
    head = resource, metadata["namespace"], metadata["name"], *version
    if resource.kind == SPLIT_KIND:
        leaves = [_leaf(head[1], entry) for entry in spec.get("backends") or ()]
        groups = [entry.get("name", "") for entry in spec.get("matches") or ()]
        if len(leaves) > 1:
            yield Split(*head, 0, ", ".join(groups), tuple(leaves))
        return
    for number, rule in enumerate(spec.get("rules") or ()):
        found = [_backend(head[1], entry) for entry in rule.get("backendRefs") or ()]
        if len(found) > 1:
            texts = [_match(match) for match in rule.get("matches") or ()]
            yield Split(*head, number, " or ".join(texts) if all(texts) else "", tuple(found))


def _backend(namespace: str, ref: Json) -> Backend:
    weight = ref.get("weight", 1)
    space = ref.get("namespace") or namespace
    return Backend(space, ref.get("name", ""), ref.get("port"), int(weight), str(weight))


def _leaf(namespace: str, entry: Json) -> Backend:
    text = str(entry.get("weight", 0))
    return Backend(namespace, _bare(entry["service"]), None, thousandths(text), text)


def _bare(name: str) -> str:
    """A Service may be given as a DNS name."""
    return str(name).removesuffix(".").split(".", 1)[0]


def _match(match: Mapping[str, Any]) -> str:
    """Empty if it takes all."""
    words = []
    if isinstance(method := match.get("method"), str):
        words.append(method)
    elif isinstance(method, dict):  # of gRPC
        words.append("/".join(filter(None, (method.get("service"), method.get("method")))))
    if (path := match.get("path")) and (text := _path(path)) != "/*":
        words.append(text)
    words += [f"{header['name']}: {header['value']}" for header in match.get("headers") or ()]
    words += [f"?{query['name']}={query['value']}" for query in match.get("queryParams") or ()]
    return " ".join(words)


def _path(path: Mapping[str, str]) -> str:
    value = path.get("value", "/")
    if path.get("type", "PathPrefix") == "PathPrefix":
        return f"{value.rstrip('/')}/*"
    return value
