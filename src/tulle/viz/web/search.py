"""Names of the cluster that hold what somebody typed."""

from typing import Any

from tulle.viz.kinds import KINDS
from tulle.viz.web.http import Query
from tulle.viz.web.sources import Sources

Json = dict[str, Any]

FRESH_SECONDS = 15.0
DEFAULT_RESULTS, MOST_RESULTS = 20, 100
SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset", "svc": "service"}
SHORT |= {"po": "pod", "ns": "namespace", "cj": "cronjob"}
ORDER = {kind: number for number, kind in enumerate(("deployment", "service", "namespace"))}


class Search:
    """Names are asked for when somebody types, and held while he goes on."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._names: list[list[str]] = []
        self._time = 0.0

    async def answer(self, query: Query) -> Json:
        now = self._sources.clock()
        if now - self._time > FRESH_SECONDS:
            self._names = (await self._sources.metrics.get("/api/names", {}))["names"]
            self._time = now
        most = query.count("limit", DEFAULT_RESULTS, 1, MOST_RESULTS)
        found = matches(self._names, query.text("q"))
        results = [{"kind": kind, "namespace": ns, "name": name} for kind, ns, name in found[:most]]
        return {"results": results}


def matches(known: list[list[str]], text: str) -> list[list[str]]:
    """Those that hold every word, begun names first, pods last."""
    kinds, namespaces, words = set(), set(), []
    for word in text.lower().split():
        singular = next((kind.name for kind in KINDS.values() if word == kind.plural), word)
        singular = SHORT.get(singular, singular)
        if singular in KINDS:
            kinds.add(singular)
        elif word.endswith("/"):
            namespaces.add(word[:-1])
        else:
            words.append(word)
    if not (kinds or namespaces or words):
        return []
    found = [
        item
        for item in known
        if (not kinds or item[0] in kinds)
        and (not namespaces or item[1] in namespaces)
        and all(word in item[2] for word in words)
    ]
    return sorted(found, key=lambda item: _rank(item, words))


def _rank(item: list[str], words: list[str]) -> tuple[bool, bool, int, int, str, str]:
    kind, namespace, name = item
    begins = any(name.startswith(word) for word in words)
    return kind == "pod", not begins, ORDER.get(kind, 9), len(name), name, namespace
