"""Answers that follow the index: computed once for all who ask the same, and again when what they
rest on changes. Each subscriber holds the latest value only, so a slow one never grows a queue."""

import asyncio
import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from tulle.index.index import Index, Reader, Topic

Value = TypeVar("Value")
Compute = Callable[[Reader], Value]


class View(Generic[Value]):
    """One shared answer. `version` grows with each new value."""

    __slots__ = ("_changed", "compute", "key", "subscribers", "topics", "value", "version")

    def __init__(self, key: Hashable, compute: Compute[Value], value: Value) -> None:
        self.key, self.compute, self.value = key, compute, value
        self.version = 1
        self.topics: frozenset[Topic] = frozenset()
        self.subscribers = 0
        self._changed = asyncio.Event()

    async def after(self, version: int) -> int:
        """Wait until the value is newer than `version`; updates meanwhile are merged into one."""
        while self.version <= version:
            await self._changed.wait()
        return self.version

    def replace(self, value: Value) -> None:
        if value == self.value:
            return
        self.value = value
        self.version += 1
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class Views:
    """All live views, found by key and by the topics they rest on."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._views: dict[Hashable, View[object]] = {}
        self._by_topic: dict[Topic, set[View[object]]] = {}
        self._stale: set[View[object]] = set()
        self._scheduled = False
        index.listen(self._touched)

    def __len__(self) -> int:
        return len(self._views)

    @property
    def subscribers(self) -> int:
        return sum(view.subscribers for view in self._views.values())

    def look(self, compute: Compute[Value]) -> Value:
        """A value now, without following it."""
        return compute(Reader(self.index))

    @contextlib.contextmanager
    def follow(self, key: Hashable, compute: Compute[Value]) -> Iterator[View[Value]]:
        """The shared view of this key, for as long as the caller needs it."""
        view: View[Value] = self._views.get(key) or self._made(key, compute)  # type: ignore[assignment]
        view.subscribers += 1
        try:
            yield view
        finally:
            view.subscribers -= 1
            if view.subscribers == 0:
                self._drop(view)  # type: ignore[arg-type]

    def _made(self, key: Hashable, compute: Compute[Value]) -> View[object]:
        reader = Reader(self.index)
        view: View[object] = View(key, compute, compute(reader))
        self._views[key] = view
        self._rest_on(view, reader)
        return view

    def _rest_on(self, view: View[object], reader: Reader) -> None:
        for topic in view.topics - reader.topics:
            self._leave(view, topic)
        for topic in reader.topics - view.topics:
            self._by_topic.setdefault(topic, set()).add(view)
        view.topics = frozenset(reader.topics)

    def _leave(self, view: View[object], topic: Topic) -> None:
        members = self._by_topic[topic]
        members.discard(view)
        if not members:
            del self._by_topic[topic]

    def _drop(self, view: View[object]) -> None:
        for topic in view.topics:
            self._leave(view, topic)
        self._stale.discard(view)
        del self._views[view.key]

    def _touched(self, topic: Topic) -> None:
        if views := self._by_topic.get(topic):
            self._stale.update(views)
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._refresh)

    def _refresh(self) -> None:
        """All changes that came in one turn of the event loop are answered together. Each view is
        a call of its own: one that fails leaves the others alone, and I/O goes on in between."""
        self._scheduled = False
        stale, self._stale = self._stale, set()
        loop = asyncio.get_running_loop()
        for view in stale:
            loop.call_soon(self._recompute, view)

    def _recompute(self, view: View[object]) -> None:
        if view.subscribers:
            reader = Reader(self.index)
            value = view.compute(reader)
            self._rest_on(view, reader)
            view.replace(value)
