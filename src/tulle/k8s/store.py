"""The current state of every watched kind, as small frozen objects, and who hears of changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Key = tuple[str, str]  # namespace ("" for what has none) and name


@dataclass(frozen=True, slots=True)
class Change:
    """One object that came (`old` is None), went (`new` is None) or became another."""

    kind: str
    key: Key
    old: Any
    new: Any


Listener = Callable[[Change], None]
_NOTHING: Mapping[Key, Any] = {}


class Store:
    """Kind -> key -> object. Listeners are called at once, in the order they joined."""

    def __init__(self) -> None:
        self._objects: dict[str, dict[Key, Any]] = {}
        self._listeners: dict[str, list[Listener]] = {}

    def listen(self, kind: str, listener: Listener) -> None:
        self._listeners.setdefault(kind, []).append(listener)

    def get(self, kind: str, namespace: str, name: str) -> Any:
        return self._objects.get(kind, _NOTHING).get((namespace, name))

    def all(self, kind: str) -> Mapping[Key, Any]:
        return self._objects.get(kind, _NOTHING)

    def put(self, kind: str, key: Key, new: Any) -> None:
        """`new` None removes. An object equal to the one before wakes nobody."""
        objects = self._objects.setdefault(kind, {})
        old = objects.get(key)
        if old == new:
            return
        if new is None:
            del objects[key]
        else:
            objects[key] = new
        for listener in self._listeners.get(kind, ()):
            listener(Change(kind, key, old, new))

    def keep_only(self, kind: str, keys: set[Key]) -> None:
        """After a complete list: what it did not name is gone."""
        for key in [key for key in self._objects.get(kind, _NOTHING) if key not in keys]:
            self.put(kind, key, None)
