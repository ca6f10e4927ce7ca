"""The topology and the edges, from the last sample or, for the past, from whoever remembers it."""

from collections.abc import Iterable
from typing import Any

from tulle.viz.kinds import EDGE_KINDS
from tulle.viz.web.collector import key
from tulle.viz.web.http import Query
from tulle.viz.web.rows import edge_json, link
from tulle.viz.web.sources import Sources
from tulle.viz.web.workloads import UNKNOWN_THEN, when

Json = dict[str, Any]

NOTHING = {"success": None, "rps": None, "latency_ms_p99": None, "tcp_open_connections": None}


class Graphs:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def latest(self) -> tuple[Json, float]:
        """The whole mesh over the last minute, and when that was."""
        recent, now = self._sources.recent, self._sources.clock()
        if recent.is_fresh(now):
            return recent.graph, recent.time
        return await self._sources.metrics.get("/api/graph", {"totals": "1"}), now

    async def topology(self, query: Query) -> Json:
        namespace, at, window = query.name("namespace"), query.moment("at"), query.window()
        if at is None and window in ("60s", "1m"):
            graph, moment = await self.latest()
            return {**drawn(graph, namespace), "at": moment, "note": "", "source": "prometheus"}
        asked = {"window": window, **when(at), **({"namespace": namespace} if namespace else {})}
        graph = await self._sources.metrics.get("/api/graph", asked)
        found = drawn(graph, namespace, is_past=at is not None)
        if at is None or any(edge["rps"] or edge["tcp"] for edge in found["edges"]):
            return {**found, "at": at, "note": "", "source": "prometheus"}
        kept = remembered(self._sources.history.at(at), namespace)
        if kept["nodes"]:
            return {**kept, "at": at, "note": "", "source": "own"}
        return {"nodes": [], "edges": [], "at": at, "note": UNKNOWN_THEN, "source": "own"}

    async def edges(self, query: Query) -> Json:
        namespace, at, window = query.name("namespace"), query.moment("at"), query.window()
        kind = query.text("kind")
        asked = {"window": window, **when(at), **({"namespace": namespace} if namespace else {})}
        graph = await self._sources.metrics.get("/api/graph", asked)
        found = [
            edge_json(edge)
            for edge in graph["edges"]
            if not kind or kind in (edge["src"][0], edge["dst"][0])
        ]
        note = "" if found or at is None else UNKNOWN_THEN
        return {"edges": found, "at": at, "note": note}


def drawn(graph: Json, namespace: str, *, is_past: bool = False) -> Json:
    """Nodes of the namespace, and those of others that talk with them."""
    edges = [
        edge
        for edge in graph["edges"]
        if not namespace or namespace in (edge["src"][1], edge["dst"][1])
    ]
    ends = {key(edge[side]) for edge in edges for side in ("src", "dst")}
    nodes = []
    for node in graph["nodes"]:
        kind, place, name = node["ref"]
        known = key(node["ref"])
        if namespace and place != namespace and known not in ends:
            continue
        numbers = node["numbers"]
        nodes.append(
            {
                "id": known,
                "kind": kind,
                "namespace": place,
                "name": name,
                "meshed": None if is_past or not node["pods"] else node["meshed_pods"] > 0,
                "pods": None if is_past else node["pods"],
                "rps": numbers["rps"],
                "success": numbers["success"],
                "p99": numbers["latency_ms_p99"],
            }
        )
    links = [
        {
            "src": key(edge["src"]),
            "dst": key(edge["dst"]),
            **link(edge["numbers"], edge["no_tls_reason"]),
        }
        for edge in edges
    ]
    return {"nodes": nodes, "edges": links}


def remembered(kept: dict[str, dict[str, float]], namespace: str) -> Json:
    """The same from our own history, which knows no reasons and no pods."""
    edges: list[Json] = []
    for known, values in sorted(kept.items()):
        if known.startswith("edge/"):
            source, _, destination = known.removeprefix("edge/").partition(">")
            if not namespace or namespace in (_namespace(source), _namespace(destination)):
                numbers = {**NOTHING, "secured": values.get("secured")}
                numbers |= {"rps": values.get("rps"), "success": values.get("success")}
                numbers |= {
                    "latency_ms_p99": values.get("p99"),
                    "tcp_open_connections": values.get("tcp"),
                }
                edges.append({"src": source, "dst": destination, **link(numbers, "")})
    ends = {edge[side] for edge in edges for side in ("src", "dst")}
    own = {
        known
        for known in kept
        if known.partition("/")[0] in EDGE_KINDS - {"namespace"}
        and (not namespace or _namespace(known) == namespace)
    }
    return {"nodes": list(_nodes(sorted(own | ends), kept)), "edges": edges}


def _namespace(known: str) -> str:
    return known.split("/", 2)[1]


def _nodes(ids: Iterable[str], kept: dict[str, dict[str, float]]) -> Iterable[Json]:
    for known in ids:
        kind, namespace, name = known.split("/", 2)
        values = kept.get(known, {})
        yield {
            "id": known,
            "kind": kind,
            "namespace": namespace,
            "name": name,
            "meshed": None,
            "pods": None,
            **{word: values.get(word) for word in ("rps", "success", "p99")},
        }
