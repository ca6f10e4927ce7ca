"""Takes a sample of the whole mesh every ten seconds: for the history, and for the journal."""

import asyncio
from collections.abc import Callable
from typing import Any

from tulle.serve.logs import Log
from tulle.viz.web.journal import Journal
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.recent import Recent
from tulle.viz.web.store import STEP_SECONDS, Store, Values

Json = dict[str, Any]

log = Log("viz.web")

GRAPH = "/api/graph"
QUERY = {"totals": "1"}
CHECK_EVERY = 6  # samples
RENEWED_SECONDS = 3600.0  # an end that moved by less is no other certificate, but a late scrape
_NAMES = {"p50": "latency_ms_p50", "p95": "latency_ms_p95", "p99": "latency_ms_p99"}
_NAMES |= {"rps": "rps", "success": "success", "tcp": "tcp_open_connections", "secured": "secured"}


def key(ref: list[str] | tuple[str, str, str]) -> str:
    """The ID of an object: `kind/namespace/name`."""
    return "/".join(ref)


def edge_key(source: str, destination: str) -> str:
    return f"edge/{source}>{destination}"


def values(numbers: Json) -> Values:
    return {name: numbers.get(known) for name, known in _NAMES.items()}


def entries(graph: Json) -> dict[str, Values]:
    """What is worth a series: whatever had traffic. Totals first, edges last."""
    found: dict[str, Values] = {}
    nodes = sorted(graph["nodes"], key=lambda node: -(node["numbers"]["rps"] or 0))
    edges = sorted(graph["edges"], key=lambda edge: -(edge["numbers"]["rps"] or 0))
    for entry in (*graph.get("totals", ()), *nodes):
        if is_active(entry["numbers"]):
            found[key(entry["ref"])] = values(entry["numbers"])
    for edge in edges:
        if is_active(edge["numbers"]):
            name = edge_key(key(edge["src"]), key(edge["dst"]))
            found[name] = values(edge["numbers"])
    return found


def is_active(numbers: Json) -> bool:
    return numbers["rps"] is not None or bool(numbers["tcp_open_connections"])


class Collector:
    def __init__(
        self,
        ask: Callable[[str, dict[str, str]], Any],
        store: Store,
        recent: Recent,
        journal: Journal,
        clock: Callable[[], float],
    ) -> None:
        self._ask, self._clock = ask, clock
        self._store, self._recent, self._journal = store, recent, journal
        self._samples = 0
        self._issuer_ends: float | None = None

    async def sample(self) -> None:
        """A failure is kept in words, and warned of once until it ends."""
        try:
            graph = await self._ask(GRAPH, QUERY)
        except Unanswered as error:
            if not self._recent.failure:
                log.warn("no sample of the mesh", reason=error)
            self._recent.failure = str(error)
            return
        now = self._clock()
        self._recent.see(now, graph)
        self._store.add(now, entries(graph))
        self._journal.see_restarts(graph["nodes"])
        if self._samples % CHECK_EVERY == 0:
            await self._look_at_issuer(now)
        self._samples += 1

    async def _look_at_issuer(self, now: float) -> None:
        """Its Secret may not be read; but identity tells for how long it is still valid."""
        try:
            left = (await self._ask("/api/check", {})).get("issuer_seconds_left")
        except Unanswered:
            return
        if left is None:
            return
        ends = now + left
        if self._issuer_ends is not None and ends > self._issuer_ends + RENEWED_SECONDS:
            self._journal.issuer_renewed()
        self._issuer_ends = ends

    async def follow(self) -> None:
        """At the moments that ten seconds divide, so that samples of all lie side by side."""
        while True:
            await asyncio.sleep(STEP_SECONDS - self._clock() % STEP_SECONDS)
            await self.sample()
