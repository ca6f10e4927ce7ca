"""What workloads sent, by the Service, the chosen route, and the backends that answered."""

import asyncio
from typing import Any

from tulle import durations
from tulle.viz import breakdown
from tulle.viz.breakdown import BACKENDS, ROUTES, Measured, matchers
from tulle.viz.inbound import DEFAULT
from tulle.viz.kinds import Resource
from tulle.viz.prometheus import Prometheus
from tulle.viz.queries import QUANTILES

Json = dict[str, Any]
Key = breakdown.Key

BY_ROUTE = ("parent_namespace", "parent_name", "parent_port", "route_kind", "route_name")
BY_BACKEND = ("backend_namespace", "backend_name", "backend_port")


async def outbound(target: Resource, window: str, prometheus: Prometheus) -> list[Json]:
    """A row for each route, followed by a row for each of its backends."""
    series = matchers(target.labels())
    found = await asyncio.gather(
        *(_of(protocol, target, series, window, prometheus) for protocol in ROUTES)
    )
    seconds = durations.seconds(window)
    rows: list[tuple[Key, list[Json]]] = []
    for routes, backends, retries in found:
        for key, row in routes.items():
            shown = [_route_row(key, row, retries.get(key, 0.0), seconds)]
            for whole, backend in sorted(backends.items()):
                if whole[: len(key)] == key:
                    shown.append(_backend_row(whole, backend, seconds))
            rows.append((key, shown))
    return [row for _, shown in sorted(rows, key=lambda item: item[0]) for row in shown]


async def _of(
    protocol: str, target: Resource, series: str, window: str, prometheus: Prometheus
) -> tuple[dict[Key, Measured], dict[Key, Measured], dict[Key, float]]:
    group = (target.kind.label, *BY_ROUTE)
    retried = f"outbound_{protocol}_route_retry_requests_total"
    return await asyncio.gather(
        breakdown.measured(prometheus, ROUTES[protocol], series, group, window),
        breakdown.measured(prometheus, BACKENDS[protocol], series, (*group, *BY_BACKEND), window),
        breakdown.increased(prometheus, retried, series, group, window),
    )


def _route_row(key: Key, row: Measured, retries: float, seconds: float) -> Json:
    return {**_names(key), **_numbers(row, seconds), "retryRate": retries / (row.total + retries)}


def _backend_row(key: Key, row: Measured, seconds: float) -> Json:
    _, name, port = key[-len(BY_BACKEND) :]
    return {**_names(key), "backend": name, "backendPort": port, **_numbers(row, seconds)}


def _names(key: Key) -> Json:
    name, _, service, port, route_kind, route = key[: 1 + len(BY_ROUTE)]
    return {
        "name": name,
        "service": service,
        "port": port,
        "route": DEFAULT if route == "default" else route,
        "routeType": "" if route_kind == "default" else route_kind,
    }


def _numbers(row: Measured, seconds: float) -> Json:
    return {
        "successRate": row.success,
        "rps": row.total / seconds,
        **{f"latencyMs{name.upper()}": row.latency_ms.get(name) for name in QUANTILES},
        "timeoutRate": row.timeouts / row.total,
    }
