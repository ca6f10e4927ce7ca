"""List and watch one kind for ever: resume by resourceVersion, relist on 410, back off, and notice
a watch that went silent. What arrives is pruned at the door and handed to the store."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, Protocol

from tulle.k8s.client import ApiError, Gone, Json, NotFound, Unreachable
from tulle.k8s.store import Key, Store

PAGE_SIZE = 100  # what one page of pods may hold in memory before it is pruned


@dataclass(frozen=True, slots=True)
class Kind:
    """What to watch. `paths` are tried in order: the first that the server has is used."""

    name: str
    paths: tuple[str, ...]
    prune: Callable[[Json], Any]  # None: not worth keeping
    required: bool = False  # part of every cluster
    label_selector: str | None = None
    field_selector: str | None = None


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds."""

    silence: float = 120.0  # the server sends a bookmark about every minute
    lifetime: float = 600.0  # the server ends a watch after this, shortened by up to half
    missing: float = 4.0  # before the next look for a kind that the server does not have…
    longest_missing: float = 30.0  # …doubling up to this: looking costs both sides
    longest_backoff: float = 10.0


class Events(Protocol):
    """Hears what an operator may need to know of one watch."""

    def warn(self, text: str, **fields: object) -> None: ...
    def info(self, text: str, **fields: object) -> None: ...


class Reader(Protocol):
    """The part of the client that a watch needs."""

    async def get(self, path: str, **params: Any) -> Json: ...
    def stream(self, path: str, **params: Any) -> Any: ...


State = Literal["starting", "synced", "missing", "broken"]


def retry_delay(attempt: int, longest: float, rng: Random) -> float:
    """Seconds to wait: doubling from 0.1, shortened by up to half."""
    longest = min(longest, 0.1 * float(2 ** min(attempt, 10)))
    return longest * rng.uniform(0.5, 1.0)


class Silent(Exception):
    """Not even a bookmark came for too long."""


class Watch:
    """One kind's state in the store, kept current by `follow`."""

    def __init__(
        self,
        kind: Kind,
        client: Reader,
        store: Store,
        events: Events,
        *,
        timing: Timing | None = None,
        rng: Random | None = None,
    ) -> None:
        self.kind = kind
        self.state: State = "starting"
        self.heard_at: float | None = None  # by the event loop's clock
        self.settled = asyncio.Event()  # listed once, or known to be missing
        self._client, self._store, self._events = client, store, events
        self._timing, self._rng = timing or Timing(), rng or Random()
        self._attempt = 0
        self._looks = 0  # in vain, for a missing kind
        self._resource_version: str | None = None
        self._path = kind.paths[0]

    def path_of(self, namespace: str, name: str) -> str:
        """One namespaced object's, in the version that is watched."""
        root, _, plural = self._path.rpartition("/")
        return f"{root}/namespaces/{namespace}/{plural}/{name}"

    @property
    def selectors(self) -> dict[str, str | None]:
        return {
            "labelSelector": self.kind.label_selector,
            "fieldSelector": self.kind.field_selector,
        }

    async def follow(self) -> None:
        """Never returns; whatever goes wrong is waited out."""
        while True:
            try:
                await self._once()
                self._attempt = 0
            except Gone:
                self._resource_version = None
            except NotFound:
                self._became_missing()
                await asyncio.sleep(self._missing_delay())
            except (ApiError, Unreachable, Silent, json.JSONDecodeError) as error:
                await self._after_failure(error)

    async def _once(self) -> None:
        if self._resource_version is None:
            await self._list()
        await self._watch()

    def _became_missing(self) -> None:
        if self.state == "synced":
            self._events.info("the API server no longer has this kind", kind=self.kind.name)
        self.state, self._resource_version = "missing", None
        self._store.keep_only(self.kind.name, set())
        self.settled.set()

    def _missing_delay(self) -> float:
        timing = self._timing
        delay = min(timing.longest_missing, timing.missing * float(2 ** min(self._looks, 8)))
        self._looks += 1
        return delay * self._rng.uniform(0.5, 1.0)

    async def _after_failure(self, error: Exception) -> None:
        """One warning per trouble, not one per attempt."""
        if self._attempt in (1, 6):
            self._events.warn("cannot watch; trying on", kind=self.kind.name, error=str(error))
        if isinstance(error, ApiError):
            self._resource_version = None
            self.state = "broken"
        delay = retry_delay(self._attempt, self._timing.longest_backoff, self._rng)
        self._attempt += 1
        await asyncio.sleep(delay)

    async def _list(self) -> None:
        """Page by page, so that a page is pruned before the next arrives."""
        for position, path in enumerate(self.kind.paths):
            try:
                page = await self._client.get(path, limit=PAGE_SIZE, **self.selectors)
            except NotFound:
                if position + 1 == len(self.kind.paths):
                    raise
            else:
                self._path = path
                break
        keys: set[Key] = set()
        while True:
            keys.update(self._put(item) for item in page.get("items") or ())
            metadata = page["metadata"]
            token = metadata.get("continue")
            if not token:
                break
            page = await self._client.get(
                self._path, limit=PAGE_SIZE, **{"continue": token}, **self.selectors
            )
        self._store.keep_only(self.kind.name, keys)
        self._resource_version = metadata["resourceVersion"]
        if self.state == "missing":
            self._events.info("the API server has this kind now", kind=self.kind.name)
        self._heard()
        self.settled.set()

    async def _watch(self) -> None:
        """One watch, until the server ends it as asked."""
        lifetime = self._timing.lifetime * self._rng.uniform(0.5, 1.0)
        stream = self._client.stream(
            self._path,
            watch=True,
            allowWatchBookmarks=True,
            resourceVersion=self._resource_version,
            timeoutSeconds=max(1, int(lifetime)),
            **self.selectors,
        )
        try:
            while True:
                try:
                    async with asyncio.timeout(self._timing.silence):
                        event = await anext(stream)
                except TimeoutError:
                    seconds = self._timing.silence
                    raise Silent(f"the watch was silent for {seconds:.0f} seconds") from None
                except StopAsyncIteration:
                    return
                self._apply(event)
        finally:
            await stream.aclose()

    def _apply(self, event: Json) -> None:
        item = event["object"]
        if event["type"] == "ERROR":
            status = int(item.get("code") or 500)
            error = Gone if status == 410 else ApiError
            raise error(status, item.get("reason", ""), item.get("message", ""), self._path)
        self._resource_version = item["metadata"]["resourceVersion"]
        self._heard()
        if event["type"] == "DELETED":
            self._store.put(self.kind.name, _key(item), None)
        elif event["type"] != "BOOKMARK":
            self._put(item)

    def _put(self, item: Json) -> Key:
        key = _key(item)
        try:
            pruned = self.kind.prune(item)
        except (KeyError, TypeError, ValueError) as error:
            # One object that no schema stopped must not stop the watch of all the others.
            name = "/".join(key)
            self._events.warn("cannot read", kind=self.kind.name, name=name, error=repr(error))
            pruned = None
        self._store.put(self.kind.name, key, pruned)
        return key

    def _heard(self) -> None:
        self.state = "synced"
        self._attempt = self._looks = 0
        self.heard_at = asyncio.get_running_loop().time()


def _key(item: Json) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
