"""What workloads received, by the Server and the route that let it in."""

import asyncio
from typing import Any

from tulle import durations
from tulle.viz import breakdown
from tulle.viz.breakdown import RESPONSES, Measured, matchers
from tulle.viz.kinds import Resource
from tulle.viz.prometheus import Prometheus
from tulle.viz.queries import QUANTILES

Json = dict[str, Any]

DEFAULT = "[default]"
BY_SERVER = ("srv_kind", "srv_name", "target_port", "route_kind", "route_name")
BY_AUTHORIZATION = (
    "srv_kind", "srv_name", "route_kind", "route_name", "authz_kind", "authz_name",
)  # fmt: skip


async def inbound(target: Resource, window: str, prometheus: Prometheus) -> list[Json]:
    """A row for each workload, Server, port and route, probes and the admin port included."""
    series = matchers({"direction": "inbound", **target.labels()})
    group = (target.kind.label, *BY_SERVER)
    found = await breakdown.measured(prometheus, RESPONSES, series, group, window)
    rows = [_inbound_row(key, row, durations.seconds(window)) for key, row in found.items()]
    return sorted(rows, key=lambda row: (row["name"], row["server"], row["port"], row["route"]))


def _inbound_row(key: breakdown.Key, row: Measured, seconds: float) -> Json:
    name, server_kind, server, port, route_kind, route = key
    return {
        "name": name,
        "server": DEFAULT if server_kind == "default" else server,
        "port": port,
        "route": DEFAULT if route == "default" else route,
        "routeType": "" if route_kind == "default" else route_kind,
        "successesRate": row.success,
        "rps": row.total / seconds,
        **{f"latencyMs{name.upper()}": row.latency_ms.get(name) for name in QUANTILES},
    }


async def authorized(target: Resource, window: str, prometheus: Prometheus) -> list[Json]:
    """A row for each authorization that let requests in, and for each route that let none in."""
    series = matchers({"direction": "inbound", **target.labels()})
    denied_at = matchers(target.labels())
    counter = "inbound_http_authz_deny_total"
    allowed, denied = await asyncio.gather(
        breakdown.measured(prometheus, RESPONSES, series, BY_AUTHORIZATION, window),
        breakdown.increased(prometheus, counter, denied_at, BY_AUTHORIZATION[:4], window),
    )
    seconds = durations.seconds(window)
    rows = [_authorized_row(key, row, seconds) for key, row in allowed.items()]
    rows += [
        {**_names((*key, "", "")), "unauthorized": count / seconds} for key, count in denied.items()
    ]
    return rows


def _authorized_row(key: breakdown.Key, row: Measured, seconds: float) -> Json:
    return {
        **_names(key),
        "unauthorized": 0.0,
        "success": row.success,
        "rps": row.total / seconds,
        **{f"latency_ms_{name}": row.latency_ms.get(name) for name in QUANTILES},
    }


def _names(key: breakdown.Key) -> Json:
    server_kind, server, _, route, kind, name = key
    return {
        "route": route,
        "server": f"default:{server}" if server_kind == "default" else server,
        "authorization": f"{kind}/{name}" if kind or name else "",
    }
