"""Is the mesh well? One line for each part of it, with what to do where it is not."""

import asyncio
from collections.abc import Iterable
from typing import Any

from tulle import names
from tulle.k8s.client import ApiError, Unreachable
from tulle.viz.web.metrics import Unanswered
from tulle.viz.web.sources import Sources
from tulle.viz.web.store import STEP_SECONDS
from tulle.viz.web.watched import TrustRoots
from tulle.viz.web.workloads import certificate_state

Json = dict[str, Any]

DAY = 86400.0
ANCHOR_WARNING_DAYS = 60
ISSUER_WARNING_DAYS = 7
TAP_API = f"/apis/{names.TAP_GROUP}/{names.TAP_VERSION}"
CONTROL = (
    ("identity", "Identity", names.IDENTITY),
    ("destination", "Destination", names.DESTINATION),
    ("proxy-injector", "Injector", names.PROXY_INJECTOR),
)
VIZ = (
    ("metrics-api", "Metrics", names.METRICS_API),
    ("tap", "Tap", names.TAP),
    ("tap-injector", "Tap injector", names.TAP_INJECTOR),
)


def part(known: str, title: str, state: str, detail: str, hint: str = "") -> Json:
    return {"id": known, "title": title, "state": state, "detail": detail, "hint": hint}


class Health:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def parts(self) -> list[Json]:
        """Each is asked for by itself, so that one that fails hides no other."""
        ask, place = self._sources.metrics.get, self._sources.place
        control, viz, check, proxies, tap = await asyncio.gather(
            _tried(ask("/api/pods", {"namespace": place.control_namespace})),
            _tried(ask("/api/pods", {"namespace": place.namespace})),
            _tried(ask("/api/check", {})),
            _tried(ask("/api/proxies", {})),
            self._tap(),
        )
        return [
            *(self._component(entry, control, place.control_namespace) for entry in CONTROL),
            _data_plane(check, self._sources.recent.graph.get("nodes", ())),
            self._certificates(proxies),
            self._anchor(check),
            _prometheus(check),
            *(self._component(entry, viz, place.namespace) for entry in VIZ),
            *tap,
            self._history(),
        ]

    def _component(self, entry: tuple[str, str, str], found: Json | str, namespace: str) -> Json:
        known, title, deployment = entry
        hint = f"kubectl -n {namespace} describe deploy/{deployment}"
        if isinstance(found, str):
            return part(known, title, "unknown", found)
        pods = [pod for pod in found["pods"] if f"deployment/{deployment}" in pod["owners"]]
        ready = sum(pod["is_ready"] for pod in pods)
        if not pods:
            return part(known, title, "fail", "it has no pod", hint)
        state = "ok" if ready == len(pods) else "warn" if ready else "fail"
        detail = f"{ready} of {len(pods)} pods are ready"
        return part(known, title, state, detail, "" if state == "ok" else hint)

    def _certificates(self, found: Json | str) -> Json:
        known, title = "certificates", "Proxies' certificates"
        if isinstance(found, str):
            return part(known, title, "unknown", found)
        now = self._sources.clock()
        ends = [entry for entry in found["proxies"] if entry["expires"] is not None]
        if not ends:
            return part(known, title, "unknown", "no proxy has told when its certificate ends")
        late = [
            entry
            for entry in ends
            if certificate_state(entry["refreshed"], entry["expires"], now) != "ok"
        ]
        if late:
            first = late[0]
            state = "fail" if any(entry["expires"] <= now for entry in late) else "warn"
            detail = (
                f"{len(late)} of {len(ends)} were not renewed in time, such as that of "
                f"{first['namespace']}/{first['pod']}"
            )
            place = self._sources.place.control_namespace
            return part(
                known, title, state, detail, f"kubectl -n {place} logs deploy/{names.IDENTITY}"
            )
        soonest = min(entry["expires"] for entry in ends) - now
        return part(known, title, "ok", f"{len(ends)} are valid, the first for {lasts(soonest)}")

    def _anchor(self, check: Json | str) -> Json:
        known, title = "trust-anchor", "Trust anchor and issuer"
        roots = self._sources.journal.roots
        issuer = None if isinstance(check, str) else check.get("issuer_seconds_left")
        if roots is None or not roots.expiries:
            return part(known, title, "unknown", "the trust anchors could not be read")
        anchor = _left(roots, self._sources.clock())
        detail = f"the anchor is valid for {lasts(anchor)}"
        if issuer is not None:
            detail += f", the issuer for {lasts(issuer)}"
        is_dead = anchor <= 0 or (issuer is not None and issuer <= 0)
        is_late = anchor < ANCHOR_WARNING_DAYS * DAY or (
            issuer is not None and issuer < ISSUER_WARNING_DAYS * DAY
        )
        state = "fail" if is_dead else "warn" if is_late else "ok"
        return part(known, title, state, detail, "" if state == "ok" else "tulle check")

    async def _tap(self) -> list[Json]:
        if self._sources.api is None:
            return []
        try:
            await self._sources.api.get(TAP_API)
        except (ApiError, Unreachable) as error:
            hint = f"kubectl get apiservice {names.TAP_VERSION}.{names.TAP_GROUP}"
            return [
                part("tap-api", "Tap's API", "fail", f"the API server cannot ask it: {error}", hint)
            ]
        return [part("tap-api", "Tap's API", "ok", "the API server reaches it")]

    def _history(self) -> Json:
        known, title = "history", "History"
        recent, store = self._sources.recent, self._sources.history
        if recent.failure:
            return part(known, title, "warn", f"no sample is taken: {recent.failure}")
        if not recent.time:
            return part(known, title, "unknown", "the first sample is still to come")
        if self._sources.clock() - recent.time > 6 * STEP_SECONDS:
            return part(known, title, "warn", "the last sample is more than a minute old")
        if store.refused:
            detail = f"{store.refused} series have no room beside {store.series} others"
            return part(known, title, "warn", detail, "older history is in Prometheus")
        return part(known, title, "ok", f"{store.series} series, one sample each {STEP_SECONDS} s")


async def _tried(asked: Any) -> Json | str:
    """The answer, or why there is none."""
    try:
        found: Json = await asked
    except Unanswered as error:
        return str(error)
    return found


def _data_plane(check: Json | str, nodes: Iterable[Json]) -> Json:
    known, title = "data-plane", "Data plane"
    if isinstance(check, str):
        return part(known, title, "unknown", check)
    meshed = check["meshed_pods"]
    if not meshed:
        hint = "kubectl annotate namespace NAME linkerd.io/inject=enabled"
        return part(known, title, "warn", "no pod is meshed", hint)
    late = [node for node in nodes if node["meshed_pods"] and node["ready_pods"] < node["pods"]]
    if late:
        kind, namespace, name = late[0]["ref"]
        detail = f"{len(late)} meshed workloads have pods that are not ready, such as {kind}/{name}"
        hint = f"kubectl -n {namespace} describe {kind}/{name}"
        return part(known, title, "warn", detail, hint)
    return part(known, title, "ok", f"{meshed} pods are meshed")


def _prometheus(check: Json | str) -> Json:
    known, title = "prometheus", "Prometheus"
    if isinstance(check, str):
        return part(known, title, "fail", check, "tulle viz check")
    meshed, scraped = check["meshed_pods"], check["scraped_proxies"]
    if scraped < meshed:
        detail = f"it reaches {scraped} of {meshed} proxies"
        return part(known, title, "warn", detail, "tulle viz allow-scrapes, if a policy forbids it")
    return part(known, title, "ok", f"it reaches all {meshed} proxies")


def _left(roots: TrustRoots, now: float) -> float:
    """Of the last to end: while one is valid, so is what it vouches for."""
    return max(roots.expiries) - now


def lasts(seconds: float) -> str:
    if seconds <= 0:
        return "no longer"
    if seconds >= 2 * DAY:
        return f"{seconds / DAY:.0f} days"
    if seconds >= 2 * 3600:
        return f"{seconds / 3600:.0f} hours"
    return f"{seconds / 60:.0f} minutes"
