"""Golden metrics of HTTPRoutes and GRPCRoutes: of Services, as clients count, and of Servers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tulle.viz import breakdown
from tulle.viz.breakdown import BACKENDS, RESPONSES, ROUTES, Measured, matchers
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import Resource
from tulle.viz.prometheus import Prometheus

Json = dict[str, Any]

GATEWAY = "/apis/gateway.networking.k8s.io/v1"
LISTED = {
    "HTTPRoute": (f"{GATEWAY}/httproutes", "/apis/policy.linkerd.io/v1beta3/httproutes"),
    "GRPCRoute": (f"{GATEWAY}/grpcroutes",),
}
PROTOCOLS = {"HTTPRoute": "http", "GRPCRoute": "grpc"}
BY_ROUTE = ("parent_namespace", "parent_name", "route_kind", "route_name")
BY_SERVER = ("srv_name", "route_kind", "route_name")
KINDS = "|".join(LISTED)


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """A route and the Service that it is attached to."""

    namespace: str
    service: str
    kind: str
    name: str


async def attached(inventory: Inventory, services: Iterable[tuple[str, str]]) -> list[Route]:
    """The routes of which one of the Services (namespace and name) is a parent."""
    wanted = set(services)
    paths = [(kind, path) for kind, group in LISTED.items() for path in group]
    lists = await asyncio.gather(*(inventory.listed(path) for _, path in paths))
    found = set()
    for (kind, _), items in zip(paths, lists, strict=True):
        for item in items:
            name, own = item["metadata"]["name"], item["metadata"]["namespace"]
            for namespace, service in _parents(item, own):
                if (namespace, service) in wanted:
                    found.add(Route(namespace, service, kind, name))
    return sorted(found)


def _parents(item: Json, own: str) -> Iterable[tuple[str, str]]:
    for parent in (item.get("spec") or {}).get("parentRefs") or ():
        if parent.get("kind") == "Service":
            yield parent.get("namespace") or own, parent["name"]


async def sent(
    routes: Iterable[Route], labels: dict[str, str], window: str, prometheus: Prometheus
) -> dict[Route, tuple[Measured | None, Measured | None]]:
    """Whole requests and single attempts of each route; `labels` are those of the clients."""
    known = list(routes)
    services = "|".join(sorted({route.service for route in known}))
    found: dict[Route, tuple[Measured | None, Measured | None]] = {}
    for kind in sorted({route.kind for route in known}):
        series = matchers({**labels, "route_kind": kind}, parent_name=services)
        whole, attempts = await asyncio.gather(
            *(
                breakdown.measured(prometheus, families[PROTOCOLS[kind]], series, BY_ROUTE, window)
                for families in (ROUTES, BACKENDS)
            )
        )
        for route in known:
            key = (route.namespace, route.service, route.kind, route.name)
            if route.kind == kind:
                found[route] = whole.get(key), attempts.get(key)
    return found


async def received(
    target: Resource, window: str, prometheus: Prometheus
) -> list[tuple[str, str, str, Measured]]:
    """Server, kind, name and numbers of each route by which the target was asked."""
    series = matchers({"direction": "inbound", **target.labels()}, route_kind=KINDS)
    found = await breakdown.measured(prometheus, RESPONSES, series, BY_SERVER, window)
    return [(key[0], key[1], key[2], row) for key, row in sorted(found.items())]
