"""Golden metrics over a span of time, for charts."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tulle import durations
from tulle.viz import queries
from tulle.viz.prometheus import Prometheus, Series
from tulle.viz.queries import QUANTILES, Traffic

Json = dict[str, Any]

MOST_MOMENTS = 2000
NAMES = ("rps", "success", *QUANTILES, "tcp")


@dataclass(frozen=True, slots=True)
class Span:
    """In Unix seconds; both ends belong to it."""

    begin: float
    end: float
    step: float

    def moments(self) -> list[float]:
        count = int((self.end - self.begin) / self.step + 1e-6) + 1
        return [self.begin + number * self.step for number in range(count)]


async def over(traffic: Traffic, span: Span, window: str, prometheus: Prometheus) -> Json:
    """Every list is as long as `times`; None: no traffic then, or nothing was stored."""
    asked = {
        "requests": queries.requests(traffic, window),
        "tcp": queries.open_connections(traffic),
        **{name: queries.latency(traffic, window, value) for name, value in QUANTILES.items()},
    }
    answers = await asyncio.gather(
        *(prometheus.query_range(text, span.begin, span.end, span.step) for text in asked.values())
    )
    by_name = dict(zip(asked, answers, strict=True))
    times = span.moments()
    rates = _rates(by_name.pop("requests"), times, durations.seconds(window))
    found = {name: _values(series, times) for name, series in by_name.items()}
    return {"times": times, "series": {**rates, **found}}


def _values(series: list[Series], times: list[float]) -> list[float | None]:
    values = _rounded(series[0]) if series else {}
    return [values.get(round(moment, 3)) for moment in times]


def _rounded(series: Series) -> dict[float, float]:
    return {round(moment, 3): value for moment, value in series.values.items()}


def _rates(series: list[Series], times: list[float], seconds: float) -> dict[str, list[Any]]:
    total: dict[float, float] = {}
    succeeded: dict[float, float] = {}
    for item in series:
        is_success = item.labels.get("classification") == "success"
        for moment, value in _rounded(item).items():
            total[moment] = total.get(moment, 0) + value
            if is_success:
                succeeded[moment] = succeeded.get(moment, 0) + value
    rps: list[float | None] = []
    success: list[float | None] = []
    for time in times:
        count = total.get(round(time, 3), 0)
        rps.append(count / seconds if count > 0 else None)
        success.append(succeeded.get(round(time, 3), 0) / count if count > 0 else None)
    return {"rps": rps, "success": success}
