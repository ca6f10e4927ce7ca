"""Golden metrics of each route: of ServiceProfiles, HTTPRoutes and GRPCRoutes."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tulle import durations
from tulle.viz import gateway_routes, quantiles
from tulle.viz import route_queries as queries
from tulle.viz.breakdown import Measured
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.prometheus import Prometheus, Sample
from tulle.viz.queries import QUANTILES
from tulle.viz.stat import BadRequest

Json = dict[str, Any]
Key = tuple[str, str]  # authority without its port, and route
Service = tuple[str, str]  # namespace and name

DEFAULT = "[DEFAULT]"  # requests that match no route
PROFILES = "/apis/linkerd.io/v1alpha2/serviceprofiles"


@dataclass(frozen=True, slots=True)
class Counted:
    """Over the window."""

    success: float  # 0 to 1
    rps: float


@dataclass(frozen=True, slots=True)
class Row:
    """`kind` is that of the object which names the route."""

    route: str
    authority: str
    effective: Counted | None  # as the client saw it, after retries
    actual: Counted | None  # every attempt; known to clients only
    latency_ms: dict[str, float | None]
    kind: str = "ServiceProfile"


@dataclass(frozen=True, slots=True)
class Question:
    target: Resource  # with a name
    window: str = "1m"
    to: Resource | None = None  # a Service


async def routes(
    question: Question, inventory: Inventory, prometheus: Prometheus, domain: str
) -> list[Row]:
    """A row for each route that the target's traffic can match."""
    services = await _services(question, inventory)
    authorities = [_authority(*service, domain) for service in services]
    profiles, gateways = await asyncio.gather(
        _known_routes(inventory, authorities),
        _gateway_rows(question, services, inventory, prometheus, domain),
    )
    if not profiles and not gateways:
        names = " or ".join(authorities) or f"any Service of {question.target.name}"
        raise BadRequest(
            f"there is no ServiceProfile of {names}, nor an HTTPRoute or GRPCRoute, so no route "
            "is known; make one, such as: "
            "tulle profile --open-api FILE SERVICE | kubectl apply -f -"
        )
    if not profiles:
        return gateways
    traffic = queries.Routes(
        "inbound" if _is_server(question) else "outbound",
        _clients(question) if not _is_server(question) else question.target.labels(),
        tuple(sorted(authorities)),
    )
    return await _measured(profiles, traffic, question.window, prometheus) + gateways


async def _gateway_rows(
    question: Question,
    services: list[Service],
    inventory: Inventory,
    prometheus: Prometheus,
    domain: str,
) -> list[Row]:
    seconds = durations.seconds(question.window)
    if _is_server(question):
        found = await gateway_routes.received(question.target, question.window, prometheus)
        return [
            _gateway_row(name, f"server/{server}", kind, row, None, seconds)
            for server, kind, name, row in found
        ]
    known = await gateway_routes.attached(inventory, services)
    if not known:
        return []
    numbers = await gateway_routes.sent(known, _clients(question), question.window, prometheus)
    return [
        _gateway_row(
            route.name,
            _authority(route.namespace, route.service, domain),
            route.kind,
            *numbers[route],
            seconds,
        )
        for route in known
    ]


def _gateway_row(
    name: str,
    authority: str,
    kind: str,
    whole: Measured | None,
    attempts: Measured | None,
    seconds: float,
) -> Row:
    effective, actual = (
        Counted(row.success, row.total / seconds) if row else None for row in (whole, attempts)
    )
    latency = {
        quantile: whole.latency_ms.get(quantile) if whole else None for quantile in QUANTILES
    }
    return Row(name, authority, effective, actual, latency, kind)


def _clients(question: Question) -> dict[str, str]:
    """Labels of the proxies that count: all clients' of a Service, or those of the target."""
    return {} if question.target.kind == KINDS["service"] else question.target.labels()


def _is_server(question: Question) -> bool:
    """A Service has no proxy of its own: its clients' proxies count for it."""
    return question.to is None and question.target.kind != KINDS["service"]


async def _services(question: Question, inventory: Inventory) -> list[Service]:
    asked = question.to or question.target
    if asked.kind == KINDS["service"]:
        return [(asked.namespace, asked.name)]
    if question.to:
        raise BadRequest(f"routes are of a Service; --to names a {question.to.kind.name}")
    return [(asked.namespace, name) for name in await inventory.services_of(asked)]


def _authority(namespace: str, name: str, domain: str) -> str:
    return f"{name}.{namespace}.svc.{domain}"


async def _known_routes(inventory: Inventory, authorities: Iterable[str]) -> list[Key]:
    wanted = set(authorities)
    found: dict[Key, None] = {}
    for item in await inventory.listed(PROFILES):
        authority = item["metadata"]["name"]
        if authority not in wanted:
            continue
        for route in (item.get("spec") or {}).get("routes") or ():
            found[authority, str(route.get("name", ""))] = None
        found[authority, DEFAULT] = None
    return list(found)


async def _measured(
    known: list[Key], traffic: queries.Routes, window: str, prometheus: Prometheus
) -> list[Row]:
    seconds = durations.seconds(window)
    asked = {"buckets": queries.buckets(traffic, window)}
    asked["effective"] = queries.responses(traffic, "route_response_total", window)
    asked["actual"] = queries.responses(traffic, "route_actual_response_total", window)
    answers = await asyncio.gather(*(prometheus.query(text) for text in asked.values()))
    by_name = dict(zip(asked, answers, strict=True))
    effective = _counted(by_name["effective"], seconds)
    actual = _counted(by_name["actual"], seconds)
    latency = quantiles.by_key(by_name["buckets"], _key)  # whatever port the client named
    return [
        Row(
            route,
            authority,
            effective.get((authority, route)),
            actual.get((authority, route)),
            {name: latency.get((authority, route), {}).get(name) for name in QUANTILES},
        )
        for authority, route in known
    ]


def _key(sample: Sample) -> Key:
    authority = re.sub(r":\d+$", "", sample.labels.get("dst", ""))
    return authority, sample.labels.get("rt_route") or DEFAULT


def _counted(samples: list[Sample], seconds: float) -> dict[Key, Counted]:
    total: dict[Key, float] = {}
    success: dict[Key, float] = {}
    for sample in samples:
        key = _key(sample)
        total[key] = total.get(key, 0) + sample.value
        if sample.labels.get("classification") == "success":
            success[key] = success.get(key, 0) + sample.value
    return {
        key: Counted(success.get(key, 0) / count, count / seconds)
        for key, count in total.items()
        if count > 0
    }


def row_json(row: Row) -> Json:
    found: Json = {"route": row.route, "authority": row.authority, "kind": row.kind}
    for name, counted in (("effective", row.effective), ("actual", row.actual)):
        found[f"{name}_success"] = counted.success if counted else None
        found[f"{name}_rps"] = counted.rps if counted else None
    return found | {f"latency_ms_{name}": value for name, value in row.latency_ms.items()}
