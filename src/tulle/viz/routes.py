"""Golden metrics of each route of a ServiceProfile."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tulle import durations
from tulle.viz import route_queries as queries
from tulle.viz.inventory import Inventory
from tulle.viz.kinds import KINDS, Resource
from tulle.viz.prometheus import Prometheus, Sample
from tulle.viz.queries import QUANTILES
from tulle.viz.stat import BadRequest

Json = dict[str, Any]
Key = tuple[str, str]  # authority without its port, and route

DEFAULT = "[DEFAULT]"  # requests that match no route
PROFILES = "/apis/linkerd.io/v1alpha2/serviceprofiles"


@dataclass(frozen=True, slots=True)
class Counted:
    """Over the window."""

    success: float  # 0 to 1
    rps: float


@dataclass(frozen=True, slots=True)
class Row:
    route: str
    authority: str
    effective: Counted | None  # as the client saw it, after retries
    actual: Counted | None  # every attempt; known to clients only
    latency_ms: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Question:
    target: Resource  # with a name
    window: str = "1m"
    to: Resource | None = None  # a Service


async def routes(
    question: Question, inventory: Inventory, prometheus: Prometheus, domain: str
) -> list[Row]:
    """A row for each route of each profile that the target's traffic can match."""
    authorities = await _authorities(question, inventory, domain)
    known = await _known_routes(inventory, authorities)
    if not known:
        names = " or ".join(authorities) or f"any Service of {question.target.name}"
        raise BadRequest(
            f"there is no ServiceProfile of {names}, so no route is known; make one, such as: "
            "tulle profile --open-api FILE SERVICE | kubectl apply -f -"
        )
    traffic = queries.Routes(
        "inbound" if _is_server(question) else "outbound",
        {} if question.target.kind == KINDS["service"] else question.target.labels(),
        tuple(sorted(authorities)),
    )
    return await _measured(known, traffic, question.window, prometheus)


def _is_server(question: Question) -> bool:
    """A Service has no proxy of its own: its clients' proxies count for it."""
    return question.to is None and question.target.kind != KINDS["service"]


async def _authorities(question: Question, inventory: Inventory, domain: str) -> list[str]:
    asked = question.to or question.target
    if asked.kind == KINDS["service"]:
        return [f"{asked.name}.{asked.namespace}.svc.{domain}"]
    if question.to:
        raise BadRequest(f"routes are of a Service; --to names a {question.to.kind.name}")
    services = await inventory.services_of(asked)
    return [f"{name}.{asked.namespace}.svc.{domain}" for name in services]


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
    asked = {name: queries.latency(traffic, window, value) for name, value in QUANTILES.items()}
    asked["effective"] = queries.responses(traffic, "route_response_total", window)
    asked["actual"] = queries.responses(traffic, "route_actual_response_total", window)
    answers = await asyncio.gather(*(prometheus.query(text) for text in asked.values()))
    by_name = dict(zip(asked, answers, strict=True))
    effective = _counted(by_name["effective"], seconds)
    actual = _counted(by_name["actual"], seconds)
    latency = {name: {_key(s): s.value for s in by_name[name]} for name in QUANTILES}
    return [
        Row(
            route,
            authority,
            effective.get((authority, route)),
            actual.get((authority, route)),
            {name: latency[name].get((authority, route)) for name in QUANTILES},
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
    found: Json = {"route": row.route, "authority": row.authority}
    for name, counted in (("effective", row.effective), ("actual", row.actual)):
        found[f"{name}_success"] = counted.success if counted else None
        found[f"{name}_rps"] = counted.rps if counted else None
    return found | {f"latency_ms_{name}": value for name, value in row.latency_ms.items()}
