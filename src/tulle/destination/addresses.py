"""The endpoints of one view at one moment, and the steps from one moment to the next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tulle.destination import translate
from tulle.destination.endpoints import Address, Endpoint


@dataclass(slots=True, eq=False)
class AddressSet:
    """What one view of a Service port holds. Encodings are made once, when first asked for."""

    exists: bool
    is_local: bool = False  # each node has a view of its own
    labels: tuple[tuple[str, str], ...] = ()
    endpoints: Mapping[Address, Endpoint] = field(default_factory=dict)
    _full: list[bytes] | None = None
    _steps: list[tuple["AddressSet", list[bytes]]] = field(default_factory=list)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AddressSet):
            return NotImplemented
        return (self.exists, self.is_local, self.labels, self.endpoints) == (
            other.exists,
            other.is_local,
            other.labels,
            other.endpoints,
        )

    __hash__ = object.__hash__

    def full(self) -> list[bytes]:
        """The messages for a client that knows nothing yet."""
        if self._full is None:
            self._full = [
                translate.added(self.endpoints.values(), self.labels)
                if self.endpoints
                else translate.no_endpoints(self.exists)
            ]
        return self._full

    def since(self, last: "AddressSet") -> list[bytes]:
        """The messages for a client that was told `last`: usually all were told the same."""
        for known, messages in self._steps:
            if known is last:
                return messages
        messages = self._step(last)
        last.forget_steps()
        self._steps.append((last, messages))
        return messages

    def forget_steps(self) -> None:
        """What led here is of no use any more, and would keep all earlier sets alive."""
        self._steps = []

    def _step(self, last: "AddressSet") -> list[bytes]:
        if not self.endpoints:
            same = not last.endpoints and last.exists == self.exists
            return [] if same else [translate.no_endpoints(self.exists)]
        gone = [address for address in last.endpoints if address not in self.endpoints]
        # An endpoint whose description changed is added again, which replaces it.
        fresh = [e for a, e in self.endpoints.items() if last.endpoints.get(a) != e]
        messages = []
        if fresh:
            messages.append(translate.added(fresh, self.labels))
        if gone:
            messages.append(translate.removed(gone))
        return messages
