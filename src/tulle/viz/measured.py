"""Numbers of many groups at once, whatever the labels that tell them apart."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tulle import durations
from tulle.viz import quantiles, queries, recorded
from tulle.viz.edges import REASONS, short
from tulle.viz.prometheus import Prometheus, Sample
from tulle.viz.queries import QUANTILES, Traffic

Json = dict[str, Any]
Key = frozenset[tuple[str, str]]  # labels and their values

TLS = ("tls", "no_tls_reason")
BOUND = (quantiles.BOUND,)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Over the window; None where nothing was asked or answered."""

    success: float | None = None
    rps: float | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    open_connections: int | None = None
    secured: float | None = None  # the share of requests, or else connections, by mutual TLS
    no_tls_reason: str = ""
    server_id: str = ""

    def as_json(self) -> Json:
        return {
            "success": self.success,
            "rps": self.rps,
            **{f"latency_ms_{name}": self.latency_ms.get(name) for name in QUANTILES},
            "tcp_open_connections": self.open_connections,
            "secured": self.secured,
        }


async def measured(
    traffics: list[Traffic], window: str, prometheus: Prometheus, wanted: tuple[str, ...]
) -> dict[Key, Numbers]:
    """By the labels of the groups, with the quantiles that are wanted."""
    secure = TLS if traffics[0].direction == "outbound" else ("tls",)
    ends = ("server_id", "no_tls_reason") if traffics[0].direction == "outbound" else ()
    known = await prometheus.recorded()
    asked = {
        "requests": _any(recorded.requests(known, item, window, *secure) for item in traffics),
        "open": _any(queries.open_connections(item, *ends) for item in traffics),
    }
    if wanted:
        asked["buckets"] = _any(recorded.buckets(known, item, window) for item in traffics)
    answers = await asyncio.gather(*(prometheus.query(text) for text in asked.values()))
    by_name = dict(zip(asked, answers, strict=True))
    found: dict[Key, _Sum] = {}
    for sample in by_name["requests"]:
        found.setdefault(_key(sample, secure), _Sum()).add_requests(sample)
    for sample in by_name["open"]:
        found.setdefault(_key(sample, ends), _Sum()).add_connections(sample)
    buckets = by_name.get("buckets", [])
    latency = quantiles.by_key(buckets, lambda sample: _key(sample, BOUND), wanted)
    for key, values in latency.items():
        found.setdefault(key, _Sum()).latency_ms = values
    seconds = durations.seconds(window)
    return {key: item.numbers(seconds) for key, item in found.items() if item.is_seen}


def _any(texts: Iterable[str]) -> str:
    return " or ".join(texts)


def _key(sample: Sample, less: tuple[str, ...]) -> Key:
    dropped = {*less, "classification"}
    return frozenset(
        (label, value) for label, value in sample.labels.items() if label not in dropped and value
    )


@dataclass(slots=True)
class _Sum:
    total: float = 0.0
    succeeded: float = 0.0
    secured: float = 0.0
    connections: float = 0.0
    secured_connections: float = 0.0
    reason: str = ""
    server_id: str = ""
    latency_ms: dict[str, float] = field(default_factory=dict)

    @property
    def is_seen(self) -> bool:
        return self.total > 0 or self.connections > 0

    def add_requests(self, sample: Sample) -> None:
        self.total += sample.value
        if sample.labels.get("classification") == "success":
            self.succeeded += sample.value
        if sample.labels.get("tls") == "true":
            self.secured += sample.value
        elif sample.value > 0:
            self.reason = sample.labels.get("no_tls_reason", "") or self.reason

    def add_connections(self, sample: Sample) -> None:
        self.connections += sample.value
        if server_id := sample.labels.get("server_id"):
            self.secured_connections += sample.value
            self.server_id = server_id
        elif sample.value > 0:
            self.reason = sample.labels.get("no_tls_reason", "") or self.reason

    def numbers(self, seconds: float) -> Numbers:
        secured = None
        if self.total > 0:
            secured = self.secured / self.total
        elif self.connections > 0:
            secured = self.secured_connections / self.connections
        return Numbers(
            success=self.succeeded / self.total if self.total > 0 else None,
            rps=self.total / seconds if self.total > 0 else None,
            latency_ms=self.latency_ms if self.total > 0 else {},
            open_connections=round(self.connections),
            secured=secured,
            no_tls_reason="" if secured == 1 else REASONS.get(self.reason, self.reason),
            server_id=short(self.server_id),
        )
