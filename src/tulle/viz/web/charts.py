"""A span of an object's history: our own where it reaches, else Prometheus'."""

from math import ceil
from typing import Any

from tulle.viz.kinds import KINDS
from tulle.viz.web.collector import edge_key
from tulle.viz.web.http import Query, Refused
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.rows import thinned
from tulle.viz.web.sources import Sources
from tulle.viz.web.store import STEP_SECONDS

Json = dict[str, Any]

MESH = "mesh"  # all of it together, which only our own history knows
NAMES = ("rps", "success", "p50", "p95", "p99", "tcp")
DEFAULT_SECONDS = 3600.0
DEFAULT_POINTS, MOST_POINTS = 360, 2000
LONGEST_SECONDS = 90 * 86400.0


async def history(sources: Sources, query: Query) -> Json:
    end = query.moment("to") or sources.clock()
    begin = query.moment("from") or end - DEFAULT_SECONDS
    if not 0 <= end - begin <= LONGEST_SECONDS:
        raise Refused(400, "`from` is before `to`, and at most 90 days before it")
    points = query.count("points", DEFAULT_POINTS, 2, MOST_POINTS)
    every = max(1, ceil((end - begin) / STEP_SECONDS / points))
    step = every * STEP_SECONDS
    begin = begin - begin % step
    known, asked = _target(query)
    first = sources.history.first()
    own = _own(sources, known, begin, end, every)
    is_ours = first is not None and first <= begin + step and _has_any(own)
    if not is_ours and asked:
        stored = await _stored(sources, asked, begin, end, step)
        if stored is not None and _has_any(stored):
            return _answer(stored, begin, end, step, "prometheus")
    return _answer(own, begin, end, step, "own" if _has_any(own) else "none")


def _target(query: Query) -> tuple[str, dict[str, str]]:
    """The key in our own history, and how metrics-api is asked."""
    if query.text("kind") == "edge":
        source, destination = (_id(query, side) for side in ("src", "dst"))
        asked = dict(zip(("kind", "namespace", "name"), source, strict=True))
        asked |= dict(zip(("to_kind", "to_namespace", "to_name"), destination, strict=True))
        return edge_key("/".join(source), "/".join(destination)), asked
    kind = query.kind("deployment", MESH)
    namespace, name = query.name("namespace"), query.name("name")
    if kind == MESH:
        return f"{MESH}//", {}
    if not name:
        raise Refused(400, "name the object whose history is asked for")
    namespace = "" if kind == "namespace" else namespace
    return f"{kind}/{namespace}/{name}", {"kind": kind, "namespace": namespace, "name": name}


def _id(query: Query, side: str) -> list[str]:
    found = query.text(side).split("/", 2)
    if len(found) != 3 or found[0] not in KINDS:
        raise Refused(400, f"{side} is an ID such as deployment/shop/web")
    return found


def _own(sources: Sources, known: str, begin: float, end: float, every: int) -> Json:
    return thinned(sources.history.span(known, begin, end, NAMES), every)


async def _stored(
    sources: Sources, asked: dict[str, str], begin: float, end: float, step: int
) -> Json | None:
    span = {"from": str(begin), "to": str(end), "step": str(step)}
    try:
        found: Json = (await sources.metrics.get("/api/series", {**asked, **span}))["series"]
    except Unanswered:
        if sources.history.first() is None:
            raise
        return None
    return thinned(found, 1)


def _has_any(series: Json) -> bool:
    return any(value is not None for values in series.values() for value in values)


def _answer(series: Json, begin: float, end: float, step: int, source: str) -> Json:
    count = len(series["rps"])
    return {
        "stepSeconds": step,
        "from": begin,
        "to": end,
        "times": [begin + number * step for number in range(count)],
        "series": {name: series[name] for name in NAMES},
        "source": source,
    }
