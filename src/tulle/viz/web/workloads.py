"""Lists of workloads and the page of one, as the dashboard's interface answers them."""

import asyncio
from typing import Any

from tulle import names
from tulle.viz.kinds import EDGE_KINDS, KINDS
from tulle.viz.web.collector import key
from tulle.viz.web.http import Query, Refused
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.rows import (
    Ref,
    edge_json,
    kept_row,
    node_row,
    peer_row,
    route_rows,
    spark,
    stat_row,
)
from tulle.viz.web.sources import Sources

Json = dict[str, Any]

ALL = "all"  # every kind that owns pods
UNKNOWN_THEN = "nothing is known of that moment: it is before what Prometheus and the history hold"
LEAF_LIFETIME_SHARE = 0.7  # when a proxy renews its certificate, of its lifetime


def place(namespace: str, name: str = "") -> dict[str, str]:
    found = {"namespace": namespace, "name": name}
    return {word: text for word, text in found.items() if text}


def when(moment: float | None) -> dict[str, str]:
    return {} if moment is None else {"at": str(moment)}


class Workloads:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def table(self, query: Query, kind: str = "", namespace: str = "") -> Json:
        asked = kind or query.kind("deployment", ALL)
        within = namespace or query.name("namespace")
        at, window = query.moment("at"), query.window()
        rows = await self._rows(asked, within, window, at)
        source, note = "prometheus", ""
        if at is not None and not any(row["rps"] is not None or row["tcp"] for row in rows):
            kept = self._kept(asked, within, at)
            source, note = ("own", "") if kept else (source, UNKNOWN_THEN)
            rows = kept or []
        if query.text("spark") != "0":
            self._add_sparks(rows, at)
        return {"rows": rows, "at": at, "note": note, "source": source}

    async def _rows(self, kind: str, namespace: str, window: str, at: float | None) -> list[Json]:
        ask = self._sources.metrics.get
        if kind == ALL:
            graph = await self._graph(namespace, window, at)
            return [
                node_row(node, is_past=at is not None)
                for node in graph["nodes"]
                if not namespace or node["ref"][1] == namespace
            ]
        asked = {"kind": kind, **place(namespace), "window": window, **when(at)}
        found = await ask("/api/stat", asked)
        return [stat_row(kind, item, is_past=at is not None) for item in found["rows"]]

    async def _graph(self, namespace: str, window: str, at: float | None) -> Json:
        """The last sample, where that is what is asked for."""
        recent, now = self._sources.recent, self._sources.clock()
        if at is None and window in ("60s", "1m") and recent.is_fresh(now):
            return recent.graph
        asked = {**place(namespace), "window": window, **when(at)}
        return await self._sources.metrics.get("/api/graph", asked)

    def _kept(self, kind: str, namespace: str, at: float) -> list[Json]:
        found = []
        for known, values in sorted(self._sources.history.at(at).items()):
            ref = _ref(known)
            if ref is None or (namespace and ref[1] != namespace):
                continue
            if kind == ref[0] or (kind == ALL and ref[0] in EDGE_KINDS - {"namespace"}):
                found.append(kept_row(ref, values))
        return found

    def _add_sparks(self, rows: list[Json], at: float | None) -> None:
        store, end = self._sources.history, at or self._sources.clock()
        if store.first() is None:
            return
        for row in rows:
            row["spark"] = spark(store, (row["kind"], row["namespace"], row["name"]), end)

    async def one(self, kind: str, namespace: str, name: str, query: Query) -> Json:
        """All that its page shows. A part that cannot be had fails the whole: no half truths."""
        ref = kind, namespace, name
        at, window = query.moment("at"), query.window()
        asked = {"kind": kind, **place(namespace, name), "window": window, **when(at)}
        ask = self._sources.metrics.get
        stat, around, (routes, notes), pods = await asyncio.gather(
            ask("/api/stat", asked),
            _nothing("edges") if kind == "trafficsplit" else ask("/api/around", asked),
            self.routes_of(asked),
            self._pods_of(ref, window, at),
        )
        rows = [stat_row(kind, item, is_past=at is not None) for item in stat["rows"]]
        if not rows and at is None:
            raise Refused(404, f"there is no {kind} {name} in the namespace {namespace or name}")
        self._add_sparks(rows[:1], at)
        inbound = [edge for edge in around["edges"] if tuple(edge["dst"]) == ref]
        outbound = [edge for edge in around["edges"] if tuple(edge["src"]) == ref]
        certificates, unmeshed = await asyncio.gather(
            self._certificates(kind, asked), self._unmeshed(kind, asked)
        )
        return {
            "row": rows[0] if rows else kept_row(ref, self._kept_values(ref, at)),
            "at": at,
            "inbound": [peer_row(edge, "src") for edge in inbound],
            "outbound": [peer_row(edge, "dst") for edge in outbound],
            "pods": pods,
            "edges": [edge_json(edge) for edge in around["edges"]],
            "routes": routes,
            "routesNotes": notes,
            "certificates": certificates,
            "unmeshedSources": unmeshed,
            "leaves": rows if kind == "trafficsplit" else await self._leaves(ref, window, at),
        }

    def _kept_values(self, ref: Ref, at: float | None) -> dict[str, float]:
        return {} if at is None else self._sources.history.at(at).get(key(ref), {})

    async def routes_of(self, asked: dict[str, str]) -> tuple[list[Json], list[str]]:
        """That nothing has a profile is no failure, but a note."""
        if asked["kind"] in ("namespace", "trafficsplit"):
            return [], []
        try:
            found = await self._sources.metrics.get("/api/routes", asked)
        except Unanswered as error:
            if error.status != 400:
                raise
            return [], [str(error)]
        return [item for table in found["tables"] for item in route_rows(table)], []

    async def _pods_of(self, ref: Ref, window: str, at: float | None) -> list[Json]:
        kind, namespace, name = ref
        if kind in ("service", "trafficsplit", "namespace"):
            return []
        within = place(namespace)
        pods, stat = await asyncio.gather(
            self._sources.metrics.get("/api/pods", within),
            self._sources.metrics.get(
                "/api/stat", {"kind": "pod", **within, "window": window, **when(at)}
            ),
        )
        owned = {
            pod["name"]
            for pod in pods["pods"]
            if f"{kind}/{name}" in pod["owners"] or (kind, name) == ("pod", pod["name"])
        }
        return [
            stat_row("pod", item, is_past=at is not None)
            for item in stat["rows"]
            if item["name"] in owned
        ]

    async def _certificates(self, kind: str, asked: dict[str, str]) -> list[Json]:
        if kind in ("service", "trafficsplit"):
            return []
        found = await self._sources.metrics.get("/api/proxies", _target(asked))
        return [self.certificate(item) for item in found["proxies"]]

    def certificate(self, item: Json) -> Json:
        where, now = self._sources.place, self._sources.clock()
        suffix = f"{where.control_namespace}.{where.trust_domain}"
        return {
            "pod": item["pod"],
            "namespace": item["namespace"],
            "identity": names.workload_identity(
                item["service_account"],
                item["namespace"],
                control_namespace=where.control_namespace,
                trust_domain=where.trust_domain,
            ),
            "issuer": f"identity.{suffix}",
            "notBefore": item["refreshed"],
            "notAfter": item["expires"],
            "proxyVersion": item["proxy_version"] or None,
            "state": certificate_state(item["refreshed"], item["expires"], now),
        }

    async def _unmeshed(self, kind: str, asked: dict[str, str]) -> list[Json]:
        if kind in ("service", "trafficsplit"):
            return []
        found: list[Json] = (await self._sources.metrics.get("/api/unmeshed", asked))["sources"]
        return found

    async def _leaves(self, ref: Ref, window: str, at: float | None) -> list[Json]:
        kind, namespace, name = ref
        if kind != "service":
            return []
        asked = {"kind": "trafficsplit", "namespace": namespace, "window": window, **when(at)}
        found = await self._sources.metrics.get("/api/stat", asked)
        rows = [item for item in found["rows"] if item["apex"] == name]
        return [stat_row("trafficsplit", item, is_past=at is not None) for item in rows]

    async def namespace(self, name: str, query: Query) -> Json:
        """The page of a namespace: each kind that it has any of, in one answer."""
        at, window = query.moment("at"), query.window()
        ask = self._sources.metrics.get
        wanted = [kind for kind in KINDS if kind not in ("namespace", "pod", "replicaset")]
        stat, graph = await asyncio.gather(
            ask("/api/stat", {"kind": "namespace", "name": name, "window": window, **when(at)}),
            ask("/api/graph", {"namespace": name, "window": window, **when(at)}),
        )
        lists = await asyncio.gather(*(self._rows(kind, name, window, at) for kind in wanted))
        rows = [stat_row("namespace", item, is_past=at is not None) for item in stat["rows"]]
        if not rows and at is None:
            raise Refused(404, f"there is no namespace {name}")
        kinds = {kind: found for kind, found in zip(wanted, lists, strict=True) if found}
        for found in kinds.values():
            self._add_sparks(found, at)
        edges = [edge_json(edge) for edge in graph["edges"]]
        ref = "namespace", "", name
        row = rows[0] if rows else kept_row(ref, self._kept_values(ref, at))
        return {"row": row, "kinds": kinds, "edges": edges, "at": at}


def certificate_state(begun: float | None, ends: float | None, now: float) -> str:
    """A renewal that is overdue is a warning: the proxy tried, and could not."""
    if ends is None:
        return "unknown"
    if ends <= now:
        return "fail"
    if begun is not None and now > begun + (ends - begun) * (1 + LEAF_LIFETIME_SHARE) / 2:
        return "warn"
    return "ok"


def _target(asked: dict[str, str]) -> dict[str, str]:
    return {word: asked[word] for word in ("kind", "namespace", "name") if word in asked}


def _ref(known: str) -> Ref | None:
    """Of a key in the history; None if it is an edge's."""
    kind, _, rest = known.partition("/")
    namespace, _, name = rest.partition("/")
    return None if kind == "edge" else (kind, namespace, name)


async def _nothing(word: str) -> Json:
    return {word: []}
