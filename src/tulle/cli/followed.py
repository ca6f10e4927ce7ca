"""A component's ready pod, followed for as long as its Service lives: pods come and go."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tulle import names
from tulle.k8s.client import Client
from tulle.k8s.store import Change, Store
from tulle.k8s.watch import Kind, Watch

WAIT_SECONDS = 20.0  # of a connection, for a pod that is ready
PODS, SERVICES = "pods", "services"


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    is_ready: bool


def is_ready(pod: dict[str, Any]) -> bool:
    """Whether it can be asked, and is not about to end."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)
    return ready and not pod["metadata"].get("deletionTimestamp")


def _pod(item: dict[str, Any]) -> Pod:
    return Pod(item["metadata"]["name"], is_ready(item))


class _Quiet:
    """A watch in trouble tries on; what the user sees of it is the connection that fails."""

    def warn(self, text: str, **fields: object) -> None: ...
    def info(self, text: str, **fields: object) -> None: ...


class Followed:
    """`pod` is the one in use. It is kept while it is ready; another takes its place after that.

    `say` hears half a sentence each time that the use begins anew, `left` the name of a pod that
    is gone.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        component: str,
        pod: str,
        *,
        say: Callable[[str], None],
        left: Callable[[str], None] = lambda pod: None,
    ) -> None:
        self._pod, self._is_interrupted = pod, False
        self._say, self.left = say, left
        self._store, self._changed = Store(), asyncio.Event()
        root = f"/api/v1/namespaces/{namespace}"
        selector = f"{names.VIZ_COMPONENT_LABEL}={component}"
        name = f"metadata.name={component}"
        pods = Kind(PODS, (f"{root}/pods",), _pod, label_selector=selector)
        services = Kind(
            SERVICES,
            (f"{root}/services",),
            lambda item: item["metadata"]["name"],
            field_selector=name,
        )
        self._pods = Watch(pods, client, self._store, _Quiet())
        self._services = Watch(services, client, self._store, _Quiet())
        for kind in (PODS, SERVICES):
            self._store.listen(kind, self._on_change)

    async def follow(self) -> None:
        """Ends when the Service is gone. Who may not watch is served as well as can be."""
        async with asyncio.TaskGroup() as tasks:
            work = (self._pods.follow(), self._services.follow(), self._first())
            running = [tasks.create_task(each) for each in work]
            await self._services.settled.wait()
            while self._store.all(SERVICES):
                self._changed.clear()
                await self._changed.wait()
            for task in running:
                task.cancel()

    async def _first(self) -> None:
        """A list that is half read would name another pod in vain."""
        await self._pods.settled.wait()
        self._choose()

    async def ready(self) -> str:
        """The pod for a new connection; TimeoutError if none is ready for long."""
        async with asyncio.timeout(WAIT_SECONDS):
            while self._is_interrupted:
                self._changed.clear()
                await self._changed.wait()
        return self._pod

    def _on_change(self, change: Change) -> None:
        if change.kind == PODS and self._pods.settled.is_set():
            self._choose()
            if change.new is None:
                self.left(change.key[1])
        self._changed.set()

    def _choose(self) -> None:
        ready = {pod.name for pod in self._store.all(PODS).values() if pod.is_ready}
        if self._pod in ready and not self._is_interrupted:
            return
        self._is_interrupted = not ready
        if not ready:
            return
        before, self._pod = self._pod, self._pod if self._pod in ready else min(ready)
        what = "is ready again" if self._pod == before else f"takes the place of {before}"
        self._say(f"the pod {self._pod} {what}")
