"""What the cluster has of a kind, and how many of its pods are meshed."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tulle.k8s.client import Client, NotFound
from tulle.k8s.store import Store
from tulle.viz.kinds import KINDS, Kind, Resource
from tulle.viz.pods import WATCHED, Pod

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of an answer. `pods` is None where pods say nothing: Services and splits."""

    namespace: str
    name: str
    pods: int | None = None  # that have not ended
    meshed_pods: int = 0
    failed_pods: int = 0
    status: str = ""  # of a pod
    apex: str = ""  # of a split, as leaf and weight
    leaf: str = ""
    weight: str = ""
    server: str = ""  # that an HTTPRoute is attached to

    @property
    def key(self) -> tuple[str, str]:
        """By which its numbers are found: the namespace, and the name, at a Server if any."""
        return self.namespace, "@".join(filter(None, (self.name, self.server)))


class Inventory:
    """Pods are watched; the objects that own them are listed when somebody asks."""

    def __init__(self, client: Client, store: Store, control_namespace: str) -> None:
        self._client, self._store = client, store
        self._control_namespace = control_namespace

    def pods(self, namespace: str = "") -> list[Pod]:
        return [
            pod
            for (place, _), pod in self._store.all(WATCHED.name).items()
            if not namespace or place == namespace
        ]

    def is_meshed(self, pod: Pod) -> bool:
        return pod.control_namespace == self._control_namespace

    async def entries(self, resource: Resource, selector: str) -> list[Entry]:
        kind = resource.kind
        if kind.name == "pod":
            return self._pods(resource, await self._names(resource, selector) if selector else None)
        items = await self._items(resource, selector)
        if kind.name == "trafficsplit":
            return [entry for item in items for entry in _leaves(item)]
        if kind.is_policy:
            return [entry for item in items for entry in _of_policy(kind, item)]
        return [self._entry(kind, item) for item in items]

    async def listed(self, path: str) -> list[Json]:
        """A collection; empty where the cluster has no such kind."""
        try:
            return await self._client.list(path)
        except NotFound:
            return []

    async def services_of(self, resource: Resource) -> list[str]:
        """Names of the Services that select a pod of the workload."""
        owned = [
            pod
            for pod in self.pods(resource.namespace)
            if (resource.kind.name, resource.name) in {*pod.owners, ("pod", pod.name)}
        ]
        items = await self.listed(KINDS["service"].path(resource.namespace))
        return sorted(
            item["metadata"]["name"]
            for item in items
            if any(pod.is_selected(item["spec"].get("selector") or {}) for pod in owned)
        )

    async def exists(self, namespace: str) -> bool:
        try:
            await self._client.get(f"/api/v1/namespaces/{namespace}")
        except NotFound:
            return False
        return True

    async def _items(self, resource: Resource, selector: str) -> list[Json]:
        where = f"metadata.name={resource.name}" if resource.name else None
        found = []
        for path in resource.kind.paths(resource.namespace):
            with contextlib.suppress(NotFound):  # the cluster has no such kind
                found += await self._client.list(
                    path, labelSelector=selector or None, fieldSelector=where
                )
        return found

    async def _names(self, resource: Resource, selector: str) -> set[tuple[str, str]]:
        items = await self._items(resource, selector)
        return {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in items}

    def _pods(self, resource: Resource, chosen: set[tuple[str, str]] | None) -> list[Entry]:
        return [
            self._counted(pod.namespace, pod.name, [pod], status=pod.status)
            for pod in self.pods(resource.namespace)
            if resource.name in ("", pod.name)
            and (chosen is None or (pod.namespace, pod.name) in chosen)
            and pod.phase != "Succeeded"
        ]

    def _entry(self, kind: Kind, item: Json) -> Entry:
        metadata = item["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if kind.name == "service":
            return Entry(namespace, name)
        found = [pod for pod in self.pods(namespace or name) if _owns(kind, name)(pod)]
        return self._counted(namespace, name, found)

    def _counted(self, namespace: str, name: str, pods: Iterable[Pod], status: str = "") -> Entry:
        listed = list(pods)
        running = [pod for pod in listed if not pod.has_ended]
        return Entry(
            namespace,
            name,
            len(running),
            sum(self.is_meshed(pod) for pod in running),
            sum(pod.phase == "Failed" for pod in listed),
            status,
        )


def _owns(kind: Kind, name: str) -> Callable[[Pod], bool]:
    if kind == KINDS["namespace"]:
        return lambda _: True
    return lambda pod: (kind.name, name) in pod.owners


def _of_policy(kind: Kind, item: Json) -> list[Entry]:
    """An HTTPRoute has a line for each Server; those of Services are for stat-outbound."""
    metadata = item["metadata"]
    place, name = metadata["namespace"], metadata["name"]
    if kind.name != "httproute":
        return [Entry(place, name)]
    parents = (item.get("spec") or {}).get("parentRefs") or ()
    servers = [parent["name"] for parent in parents if parent.get("kind") == "Server"]
    return [Entry(place, name, server=server) for server in servers]


def _leaves(item: Json) -> list[Entry]:
    metadata, spec = item["metadata"], item["spec"]
    return [
        Entry(
            metadata["namespace"],
            metadata["name"],
            apex=spec["service"],
            leaf=backend["service"],
            weight=str(backend.get("weight", "")),
        )
        for backend in spec.get("backends") or ()
    ]
