"""Golden metrics told apart by any labels: what inbound, outbound, authz and routes share."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tulle.viz import quantiles
from tulle.viz.prometheus import Prometheus
from tulle.viz.queries import quoted

Key = tuple[str, ...]  # the values of the labels of a group, in its order
TIMEOUTS = frozenset({"REQUEST_TIMEOUT", "RESPONSE_HEADERS_TIMEOUT"})


@dataclass(frozen=True, slots=True)
class Families:
    """A counter of outcomes and the histogram beside it."""

    counter: str
    outcome: tuple[str, ...]  # labels that tell success from failure
    is_success: Callable[[Mapping[str, str]], bool]
    buckets: str
    milliseconds: float  # in one unit of the histogram


@dataclass(slots=True)
class Measured:
    """Over the window. A quantile that is not there is not known."""

    successes: float = 0.0
    failures: float = 0.0
    timeouts: float = 0.0
    latency_ms: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return self.successes + self.failures

    @property
    def success(self) -> float:
        """0 to 1. Only where there is a total."""
        return self.successes / self.total


def _is_http_success(labels: Mapping[str, str]) -> bool:
    return not labels.get("error") and not labels.get("http_status", "").startswith("5")


def _is_grpc_success(labels: Mapping[str, str]) -> bool:
    return not labels.get("error") and labels.get("grpc_status") == "OK"


def _of_routes(protocol: str, part: str) -> Families:
    is_success = _is_http_success if protocol == "http" else _is_grpc_success
    stem = f"outbound_{protocol}_route_{part}"
    return Families(
        f"{stem}_statuses_total",
        (f"{protocol}_status", "error"),
        is_success,
        f"{stem}_duration_seconds_bucket",
        1000.0,
    )


RESPONSES = Families(
    "response_total",
    ("classification",),
    lambda labels: labels.get("classification") == "success",
    "response_latency_ms_bucket",
    1.0,
)
# As a client's proxy counts them: whole requests, and single answers of backends.
ROUTES = {name: _of_routes(name, "request") for name in ("http", "grpc")}
BACKENDS = {name: _of_routes(name, "backend_response") for name in ("http", "grpc")}


def matchers(labels: Mapping[str, str], **patterns: str) -> str:
    """An empty value asks that the label be there; patterns are regular expressions."""
    parts = [f"{key}={quoted(text)}" if text else f'{key}!=""' for key, text in labels.items()]
    parts += [f"{key}=~{quoted(text)}" for key, text in patterns.items()]
    return "{" + ",".join(parts) + "}"


async def measured(
    prometheus: Prometheus, families: Families, series: str, group: Key, window: str
) -> dict[Key, Measured]:
    """By the values of the group's labels; what had no request is left out."""
    by_outcome = ", ".join((*group, *families.outcome))
    asked = [f"sum(increase({families.counter}{series}[{window}])) by ({by_outcome})"]
    asked.append(f"sum(rate({families.buckets}{series}[{window}])) by (le, {', '.join(group)})")
    counts, buckets = await asyncio.gather(*(prometheus.query(text) for text in asked))
    found: dict[Key, Measured] = {}
    for sample in counts:
        if sample.value <= 0:
            continue
        row = found.setdefault(key_of(sample.labels, group), Measured())
        if families.is_success(sample.labels):
            row.successes += sample.value
        else:
            row.failures += sample.value
        if sample.labels.get("error") in TIMEOUTS:
            row.timeouts += sample.value
    latency = quantiles.by_key(buckets, lambda sample: key_of(sample.labels, group))
    for key, row in found.items():
        values = latency.get(key, {}).items()
        row.latency_ms = {name: value * families.milliseconds for name, value in values}
    return found


async def increased(
    prometheus: Prometheus, counter: str, series: str, group: Key, window: str
) -> dict[Key, float]:
    text = f"sum(increase({counter}{series}[{window}])) by ({', '.join(group)})"
    return {
        key_of(sample.labels, group): sample.value
        for sample in await prometheus.query(text)
        if sample.value > 0
    }


def key_of(labels: Mapping[str, str], group: Key) -> Key:
    return tuple(labels.get(label, "") for label in group)
