"""Whose a pod is: its controller, or the Deployment or CronJob above that."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol

from tulle.injector.sidecar import Owner
from tulle.k8s.client import ApiError, Json

GROUPS = {"ReplicaSet": "apis/apps/v1", "Job": "apis/batch/v1"}
REMEMBERED = 1000


class Api(Protocol):
    async def get(self, path: str, **params: Any) -> Json: ...


@dataclass(frozen=True, slots=True)
class Reference:
    """The owner as an object that events can be about."""

    api_version: str
    kind: str
    name: str
    uid: str

    @property
    def owner(self) -> Owner:
        return Owner(self.kind, self.name)


def _controller(metadata: Json) -> Reference | None:
    references = metadata.get("ownerReferences") or []
    chosen = next((item for item in references if item.get("controller")), None)
    if chosen is None and len(references) == 1:
        chosen = references[0]
    if chosen is None:
        return None
    return Reference(chosen["apiVersion"], chosen["kind"], chosen["name"], chosen.get("uid", ""))


class Owners:
    """Looks owners up, and remembers what is above a ReplicaSet or Job: that never changes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._above: OrderedDict[str, Reference] = OrderedDict()  # by the uid of what is below

    async def of(self, pod: Json, namespace: str) -> Reference | None:
        """None for a pod that nothing controls."""
        metadata = pod.get("metadata") or {}
        direct = _controller(metadata)
        if direct is None or direct.kind not in GROUPS:
            return direct
        if direct.uid in self._above:
            return self._above[direct.uid]
        path = f"/{GROUPS[direct.kind]}/namespaces/{namespace}/{direct.kind.lower()}s/{direct.name}"
        try:
            found = await self._api.get(path)
        except ApiError:
            return _guessed(direct, metadata)
        above = _controller(found.get("metadata") or {}) or direct
        self._above[direct.uid] = above
        while len(self._above) > REMEMBERED:
            self._above.popitem(last=False)
        return above


def _guessed(direct: Reference, metadata: Json) -> Reference:
    """A Deployment names its ReplicaSets by itself and a hash, which is a label of the pod."""
    hashed = (metadata.get("labels") or {}).get("pod-template-hash")
    if direct.kind == "ReplicaSet" and hashed and direct.name.endswith(f"-{hashed}"):
        return Reference("apps/v1", "Deployment", direct.name.removesuffix(f"-{hashed}"), "")
    return direct
