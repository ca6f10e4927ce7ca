"""The first screen: is the mesh well, what changed, what hurts."""

from collections.abc import Callable, Iterable
from typing import Any

from tulle.viz.web.collector import edge_key, key
from tulle.viz.web.graphs import Graphs
from tulle.viz.web.health import Health
from tulle.viz.web.http import Query
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.sources import Sources
from tulle.viz.web.store import Store

Json = dict[str, Any]
Before = Callable[[str, str], float | None]

GOOD_SUCCESS = 0.99
SLOWER = 2.0  # times its own past
SLOWER_MS = 20.0  # and by so much, since a ms more is no pain
MOST_CHANGES, MOST_PAINS = 50, 20
BEFORE_SECONDS, LATELY_SECONDS = 3600, 300


class Baselines:
    """What an object did in the hour before the last five minutes; known for five minutes."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store, self._clock = store, clock
        self._known: dict[tuple[str, str], float | None] = {}
        self._since = 0.0

    def __call__(self, known: str, name: str) -> float | None:
        now = self._clock()
        if now - self._since > LATELY_SECONDS:
            self._known.clear()
            self._since = now
        if (known, name) not in self._known:
            self._known[known, name] = self.at(known, name, now)
        return self._known[known, name]

    def at(self, known: str, name: str, moment: float) -> float | None:
        begin, end = moment - BEFORE_SECONDS, moment - LATELY_SECONDS
        values = [v for v in self._store.span(known, begin, end, [name])[name] if v is not None]
        return sum(values) / len(values) if len(values) >= 6 else None


class Overview:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._graphs, self._health = Graphs(sources), Health(sources)
        self._before = Baselines(sources.history, sources.clock)

    async def answer(self, query: Query) -> Json:
        at = query.moment("at")
        now = self._sources.clock() if at is None else at
        health = await self._health.parts() if at is None else []
        graph, failure = await self._graph(at)

        def before(known: str, name: str) -> float | None:
            return self._before(known, name) if at is None else self._before.at(known, name, now)

        return {
            "at": at,
            "note": failure,
            "health": health,
            "changes": [
                change.as_json() for change in self._sources.journal.before(now, MOST_CHANGES)
            ],
            "pains": pains(graph, before),
            "totals": totals(graph),
        }

    async def _graph(self, at: float | None) -> tuple[Json, str]:
        """Health must be seen when there are no numbers, and most of all then."""
        empty: Json = {"nodes": [], "edges": [], "totals": []}
        try:
            if at is None:
                return (await self._graphs.latest())[0], ""
            asked = {"totals": "1", "at": str(at)}
            return await self._sources.metrics.get("/api/graph", asked), ""
        except Unanswered as error:
            return empty, str(error)


def totals(graph: Json) -> Json:
    sums: list[Json] = graph.get("totals", [])
    whole: Json = next((item["numbers"] for item in sums if item["ref"][0] == "mesh"), {})
    nodes = graph["nodes"]
    return {
        "pods": sum(node["pods"] for node in nodes),
        "meshed": sum(node["meshed_pods"] for node in nodes),
        "workloads": len(nodes),
        "namespaces": len({node["ref"][1] for node in nodes}),
        "rps": whole.get("rps"),
        "success": whole.get("success"),
        "p99": whole.get("latency_ms_p99"),
        "securedShare": whole.get("secured"),
    }


def pains(graph: Json, before: Before) -> list[Json]:
    """The worst first."""
    found = [
        *_failing(graph["nodes"], before),
        *_slow(graph["nodes"], before),
        *_plain(graph["edges"], before),
        *_not_ready(graph["nodes"]),
    ]
    found.sort(key=lambda item: -item[0])
    return [content for _, content in found[:MOST_PAINS]]


def _pain(ref: list[str], what: str, value: float, before: float | None, detail: str) -> Json:
    kind, namespace, name = ref
    place = {"kind": kind, "namespace": namespace, "name": name}
    return {**place, "what": what, "value": value, "before": before, "detail": detail}


def _failing(nodes: Iterable[Json], before: Before) -> Iterable[tuple[float, Json]]:
    for node in nodes:
        success = node["numbers"]["success"]
        if success is not None and success < GOOD_SUCCESS:
            past = before(key(node["ref"]), "success")
            detail = f"{1 - success:.1%} of its requests fail"
            yield 1 - success, _pain(node["ref"], "success", success, past, detail)


def _slow(nodes: Iterable[Json], before: Before) -> Iterable[tuple[float, Json]]:
    for node in nodes:
        slowest = node["numbers"]["latency_ms_p99"]
        if slowest is None or slowest < SLOWER_MS:
            continue
        past = before(key(node["ref"]), "p99")
        if past and slowest > SLOWER * past and slowest - past > SLOWER_MS:
            times = slowest / past
            taken = f"{slowest:.0f} ms" if slowest < 1000 else f"{slowest / 1000:.2f} s"
            detail = f"its slowest requests take {taken}, {times:.1f} times as long as before"
            score = min(0.5, times / 40)
            yield score, _pain(node["ref"], "latency", slowest, past, detail)


def _plain(edges: Iterable[Json], before: Before) -> Iterable[tuple[float, Json]]:
    for edge in edges:
        secured = edge["numbers"]["secured"]
        if secured is None or secured >= 1:
            continue
        source, destination = edge["src"], edge["dst"]
        past = before(edge_key(key(source), key(destination)), "secured")
        reason = edge["no_tls_reason"] or "no reason is given"
        detail = f"{source[0]}/{source[2]} talks to it without mutual TLS: {reason}"
        yield 0.2 * (1 - secured), _pain(destination, "mtls", secured, past, detail)


def _not_ready(nodes: Iterable[Json]) -> Iterable[tuple[float, Json]]:
    for node in nodes:
        pods, ready = node["pods"], node["ready_pods"]
        if node["meshed_pods"] and ready < pods:
            detail = f"{ready} of {pods} pods are ready"
            yield 0.6 * (1 - ready / pods), _pain(node["ref"], "pods", ready / pods, None, detail)
