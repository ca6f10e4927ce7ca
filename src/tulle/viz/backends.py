"""What the backends of a Service's routes answered: each side of a split by itself."""

import asyncio
from typing import Any

from tulle import durations
from tulle.viz import breakdown
from tulle.viz.breakdown import BACKENDS, matchers
from tulle.viz.prometheus import Prometheus
from tulle.viz.queries import QUANTILES

Json = dict[str, Any]

GROUP = (
    "route_group",
    "route_kind",
    "route_namespace",
    "route_name",
    "backend_namespace",
    "backend_name",
    "backend_port",
)


async def backends(namespace: str, service: str, window: str, prometheus: Prometheus) -> list[Json]:
    """A row for each route and backend that answered in the window, as all clients counted it."""
    series = matchers({"parent_namespace": namespace, "parent_name": service})
    found = await asyncio.gather(
        *(
            breakdown.measured(prometheus, families, series, GROUP, window)
            for families in BACKENDS.values()
        )
    )
    seconds = durations.seconds(window)
    return [
        {
            **dict(zip(GROUP, key, strict=True)),
            "success": row.success,
            "rps": row.total / seconds,
            **{f"latency_ms_{name}": row.latency_ms.get(name) for name in QUANTILES},
        }
        for by_key in found
        for key, row in sorted(by_key.items())
    ]
