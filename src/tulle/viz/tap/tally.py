"""Counts tapped requests by who asked whom for what. Events in, rows out. Pure."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from tulle.viz.tap.addresses import text_of
from tulle.viz.tap.lines import method_text, microseconds, socket_text

MAX_OPEN = 10_000  # requests whose end has not come; the oldest are given up
MAX_ROWS = 5_000  # those that were quiet for longest are forgotten
FAILED_GRPC = frozenset({2, 4, 13, 14, 15})  # Unknown, DeadlineExceeded, Internal, …
DEFAULT_ROUTE = "[DEFAULT]"
RequestKey = tuple[int, str, str, int, int]


@dataclass(frozen=True, slots=True)
class RowKey:
    source: str  # "" where sources are put together
    destination: str
    method: str = ""
    path: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """Durations are in microseconds, from a request's beginning to its response's end."""

    key: RowKey
    count: int
    best: int
    worst: int
    last: int
    successes: int

    @property
    def success_rate(self) -> float:
        return self.successes / self.count


@dataclass(slots=True)
class _Count:
    count: int = 0
    best: int = 0
    worst: int = 0
    last: int = 0
    successes: int = 0

    def add(self, duration: int, is_success: bool) -> None:
        self.best = min(self.best, duration) if self.count else duration
        self.worst = max(self.worst, duration)
        self.last = duration
        self.count += 1
        self.successes += is_success


@dataclass(slots=True)
class _Open:
    key: RowKey
    status: int = 0


@dataclass(slots=True)
class Tally:
    """A request between two tapped pods is seen at both ends, and counted once."""

    by_route: bool = False
    hide_sources: bool = False
    _open: OrderedDict[RequestKey, _Open] = field(default_factory=OrderedDict)
    _counts: OrderedDict[RowKey, dict[int, _Count]] = field(default_factory=OrderedDict)

    def add(self, event: Any) -> None:
        http = event.http
        kind = http.WhichOneof("event")
        if kind is None:
            return
        part = getattr(http, kind)
        ends = socket_text(event.source), socket_text(event.destination)
        known = (event.proxy_direction, *ends, part.id.base, part.id.stream)
        if kind == "request_init":
            self._begin(known, _Open(self._key(event, part)))
        elif kind == "response_init":
            if found := self._open.get(known):
                found.status = part.http_status
        elif found := self._open.pop(known, None):
            is_success = _is_success(found.status, part.eos)
            side = self._side(found.key, event.proxy_direction)
            side.add(microseconds(part.since_request_init), is_success)

    def _begin(self, known: RequestKey, request: _Open) -> None:
        self._open[known] = request
        if len(self._open) > MAX_OPEN:
            self._open.popitem(last=False)

    def _side(self, key: RowKey, direction: int) -> _Count:
        sides = self._counts.setdefault(key, {})
        self._counts.move_to_end(key)
        if len(self._counts) > MAX_ROWS:
            self._counts.popitem(last=False)
        return sides.setdefault(direction, _Count())

    def _key(self, event: Any, part: Any) -> RowKey:
        source = "" if self.hide_sources else _end(event.source, event.source_meta)
        destination = _end(event.destination, event.destination_meta)
        if self.by_route:
            labels = event.route_meta.labels
            return RowKey(source, destination, route=labels.get("route", DEFAULT_ROUTE))
        return RowKey(source, destination, method_text(part.method), part.path)

    def rows(self) -> list[Row]:
        """The most frequent first. Of the two ends of a pair, the one that saw more."""
        found = []
        for key, sides in self._counts.items():
            seen = max(sides.items(), key=lambda side: (side[1].count, side[0]))[1]
            found.append(Row(key, seen.count, seen.best, seen.worst, seen.last, seen.successes))
        return sorted(found, key=lambda row: (-row.count, row.key.source, row.key.destination))


def _end(address: Any, meta: Any) -> str:
    pod: str = meta.labels.get("pod", "")
    return pod or text_of(address.ip)


def _is_success(status: int, eos: Any) -> bool:
    match eos.WhichOneof("end"):
        case "reset_error_code":
            return False
        case "grpc_status_code":
            return status < 500 and eos.grpc_status_code not in FAILED_GRPC
        case _:
            return 0 < status < 500


def duration_text(microseconds: int) -> str:
    if microseconds < 1000:
        return f"{microseconds}µs"
    if microseconds < 1_000_000:
        return f"{microseconds // 1000}ms"
    return f"{microseconds // 1_000_000}s"
