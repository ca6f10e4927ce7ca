"""All watches of the index together: when they are ready, and how old what they hold is."""

import asyncio
from random import Random

from tulle.index.kinds import ALL
from tulle.k8s.store import Store
from tulle.k8s.watch import Reader, Timing, Watch
from tulle.serve.logs import Log

log = Log("index")

# A watch hears at least a bookmark a minute; this leaves room for two that were lost.
STALE_SECONDS = 300.0


class Follower:
    """Keeps a store current with one API server."""

    def __init__(self, client: Reader, store: Store, timing: Timing | None = None) -> None:
        rng = Random()
        self.watches = [Watch(kind, client, store, log, timing=timing, rng=rng) for kind in ALL]

    async def follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for watch in self.watches:
                tasks.create_task(watch.follow())

    async def settled(self) -> None:
        """Returns once each kind was listed or is known to be missing."""
        for watch in self.watches:
            await watch.settled.wait()

    def path_of(self, kind: str, namespace: str, name: str) -> str:
        watch = next(watch for watch in self.watches if watch.kind.name == kind)
        return watch.path_of(namespace, name)

    @property
    def is_settled(self) -> bool:
        return all(watch.settled.is_set() for watch in self.watches)

    def not_ready(self) -> str | None:
        """Why answers could be wrong: the first required kind that is unknown or out of date."""
        now = asyncio.get_running_loop().time()
        for watch in self.watches:
            if not watch.settled.is_set():
                return f"{watch.kind.name} objects were not listed yet"
            if not watch.kind.required or watch.heard_at is None:
                continue
            age = now - watch.heard_at
            if age > STALE_SECONDS:
                return f"nothing was heard of {watch.kind.name} objects for {age:.0f} seconds"
        return None
