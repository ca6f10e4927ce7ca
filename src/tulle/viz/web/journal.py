"""What changed in the mesh, newest last: rollouts, restarts, workloads, policies, certificates."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from tulle import names
from tulle.k8s.store import Change as StoreChange
from tulle.viz.web.watched import Configured, TrustRoots, Workload

Json = dict[str, Any]

KEPT = 500
AGE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Change:
    time: float
    kind: str
    namespace: str
    name: str
    what: str
    detail: str

    def as_json(self) -> Json:
        return asdict(self)


class Journal:
    """`clock` gives Unix seconds. What a watch lists when it starts is no change of now."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._changes: deque[Change] = deque(maxlen=KEPT)
        self._restarts: dict[tuple[str, str, str], int] = {}
        self.roots: TrustRoots | None = None  # as they are now
        self.is_listed = False  # once every watch has settled, what comes is new

    def add(self, change: Change) -> None:
        if change.time >= self._clock() - AGE_SECONDS:
            self._changes.append(change)

    def before(self, moment: float, most: int) -> list[Change]:
        """Newest first."""
        found = sorted((c for c in self._changes if c.time <= moment), key=lambda c: -c.time)
        return found[:most]

    def see_restarts(self, nodes: Iterable[Json]) -> None:
        """From the number of restarts of each workload's pods, as the graph tells it."""
        seen: dict[tuple[str, str, str], int] = {}
        for node in nodes:
            ref, count = (*node["ref"],), int(node["restarts"])
            seen[ref] = count
            last = node["restarted"]
            if last and count > self._restarts.get(ref, 0):
                ended, reason = last
                detail = f"a container ended ({reason or 'for no reason given'}); {_times(count)}"
                kind, namespace, name = ref
                self.add(Change(ended, kind, namespace, name, "restart", detail))
        self._restarts = seen

    def hear(self, change: StoreChange) -> None:
        """Of any kind that the dashboard watches."""
        found = change.new or change.old
        match found:
            case Workload():
                self._workload(change.old, change.new)
            case Configured():
                self._configured(change.old, change.new)
            case TrustRoots():
                self._roots(change.old, change.new)

    def _workload(self, old: Workload | None, new: Workload | None) -> None:
        now = self._clock()
        if new is None:
            if old is not None:
                self._of(old, now, "gone", "it was deleted")
            return
        if old is None:
            self._of(new, new.created if not self.is_listed else now, "new", "it was created")
            if not self.is_listed and new.rolled_out and new.rolled_out > new.created + 60:
                self._of(new, new.rolled_out, "rollout", f"now {new.images}")
            return
        if old.template != new.template:
            shown = f"{old.images} became {new.images}" if old.images != new.images else new.images
            self._of(new, now, "rollout", f"its pods are replaced: {shown}")
        if old.replicas != new.replicas:
            self._of(new, now, "scaled", f"from {old.replicas} to {new.replicas} pods")

    def _configured(self, old: Configured | None, new: Configured | None) -> None:
        now, found = self._clock(), new or old
        if found is None:
            return
        if new is None:
            detail, moment = "it was deleted", now
        elif old is None:
            detail, moment = "it was created", now if self.is_listed else new.created
        else:
            detail, moment = "it was changed", now
        what = found.what
        self.add(Change(moment, found.kind, found.namespace, found.name, what, detail))

    def _roots(self, old: TrustRoots | None, new: TrustRoots | None) -> None:
        self.roots = new
        if old is None or new is None or old.digest == new.digest:
            return
        detail = f"the mesh trusts {len(new.expiries)} anchors now, {len(old.expiries)} before"
        self.add(Change(self._clock(), "configmap", new.namespace, new.name, "certificate", detail))

    def issuer_renewed(self) -> None:
        namespace = self.roots.namespace if self.roots else ""
        detail = "identity signs with another issuer certificate now"
        self.add(
            Change(self._clock(), "secret", namespace, names.ISSUER_SECRET, "certificate", detail)
        )

    def _of(self, found: Workload, moment: float, what: str, detail: str) -> None:
        self.add(Change(moment, found.kind, found.namespace, found.name, what, detail))


def _times(count: int) -> str:
    return "its first restart" if count == 1 else f"{count} restarts of its pods in all"
