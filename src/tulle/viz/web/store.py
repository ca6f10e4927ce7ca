"""The dashboard's own memory: what every workload and edge did in the last day, one sample each ten
seconds. Five minutes are held open in memory; what is older lies compressed in one SQLite file.

It is bounded in series, in bytes and in age. What does not fit is left out and counted; when the
file is full, the oldest goes first.
"""

import sqlite3
import zlib
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan

FIELDS = ("rps", "success", "p50", "p95", "p99", "tcp", "secured")
Values = Mapping[str, float | None]

STEP_SECONDS = 10
CHUNK_STEPS = 30
CHUNK_SECONDS = STEP_SECONDS * CHUNK_STEPS
KEPT_SECONDS = 24 * 3600
MAX_SERIES = 2000
MAX_BYTES = 192 * 1024 * 1024
PAGE_BYTES = 4096
CACHE_KIB = 1024  # of SQLite's own
# A float's last 11 of 24 binary digits are noise here, and noise does not compress.
_CHUNK_BYTES = len(FIELDS) * CHUNK_STEPS * 4
_KEPT_DIGITS = int.from_bytes(b"\x00\xf8\xff\xff" * (len(FIELDS) * CHUNK_STEPS), "little")

SCHEMA = """
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, key TEXT UNIQUE);
CREATE TABLE IF NOT EXISTS chunk (
    start INTEGER, series INTEGER, data BLOB, PRIMARY KEY (start, series)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Limits:
    series: int = MAX_SERIES
    bytes: int = MAX_BYTES
    seconds: int = KEPT_SECONDS


class Store:
    """`path` None keeps everything in memory, for as long as the process lives."""

    def __init__(self, path: str | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.refused = 0  # series that the last sample had no room for
        self._base = _opened(path, self.limits.bytes)
        self._start = 0  # of the open chunk
        self._open: dict[str, array[float]] = {}

    def close(self) -> None:
        self._flush()
        self._base.close()

    @property
    def series(self) -> int:
        return len(self._open)

    def first(self) -> int | None:
        """The earliest moment that anything is known of."""
        found = self._base.execute("SELECT min(start) FROM chunk").fetchone()[0]
        if found is None:
            return self._start if self._open else None
        return int(found)

    def add(self, moment: float, entries: Mapping[str, Values]) -> None:
        """A sample of all that is known at a moment; the order is that of importance."""
        step = int(moment // STEP_SECONDS) * STEP_SECONDS
        start = step - step % CHUNK_SECONDS
        if start != self._start:
            self._flush()
            self._start, self._open = start, dict(self._stored(start))
            self._forget(start)
        position = (step - start) // STEP_SECONDS
        self.refused = 0
        for key, values in entries.items():
            chunk = self._open.get(key)
            if chunk is None:
                if len(self._open) >= self.limits.series:
                    self.refused += 1
                    continue
                chunk = self._open[key] = array("f", [nan]) * (len(FIELDS) * CHUNK_STEPS)
            for number, name in enumerate(FIELDS):
                value = values.get(name)
                if value is not None:
                    chunk[number * CHUNK_STEPS + position] = value

    def span(
        self, key: str, begin: float, end: float, names: Iterable[str] = FIELDS
    ) -> dict[str, list[float | None]]:
        """Every step from `begin` to `end`, both in it; `None` where nothing is known."""
        first = int(begin // STEP_SECONDS)
        count = max(0, int(end // STEP_SECONDS) - first + 1)
        wanted = {name: FIELDS.index(name) for name in names}
        found: dict[str, list[float | None]] = {name: [None] * count for name in wanted}
        for start, chunk in self._chunks(key, first * STEP_SECONDS, end):
            offset = start // STEP_SECONDS - first
            for name, number in wanted.items():
                column = chunk[number * CHUNK_STEPS : (number + 1) * CHUNK_STEPS]
                into = found[name]
                for position, value in enumerate(column, offset):
                    if 0 <= position < count and not isnan(value):
                        into[position] = value
        return found

    def at(self, moment: float) -> dict[str, dict[str, float]]:
        """What is known of the step that holds the moment, of every series."""
        step = int(moment // STEP_SECONDS) * STEP_SECONDS
        start = step - step % CHUNK_SECONDS
        position = (step - start) // STEP_SECONDS
        found: dict[str, dict[str, float]] = {}
        for key, chunk in self._all(start):
            values = {
                name: chunk[number * CHUNK_STEPS + position] for number, name in enumerate(FIELDS)
            }
            if known := {name: value for name, value in values.items() if not isnan(value)}:
                found[key] = known
        return found

    def _all(self, start: int) -> Iterable[tuple[str, "array[float]"]]:
        return list(self._open.items()) if start == self._start else self._stored(start)

    def _stored(self, start: int) -> Iterable[tuple[str, "array[float]"]]:
        rows = self._base.execute(
            "SELECT key, data FROM chunk JOIN series ON series.id = chunk.series WHERE start = ?",
            (start,),
        )
        return ((key, _unpacked(data)) for key, data in rows)

    def _chunks(self, key: str, begin: float, end: float) -> Iterable[tuple[int, "array[float]"]]:
        row = self._base.execute("SELECT id FROM series WHERE key = ?", (key,)).fetchone()
        earliest = self.first()
        if row is not None and earliest is not None:
            start = max(earliest, int(begin) - int(begin) % CHUNK_SECONDS)
            for moment in range(
                start, min(int(end) + 1, self._start or int(end) + 1), CHUNK_SECONDS
            ):
                where = (moment, row[0])
                found = self._base.execute(
                    "SELECT data FROM chunk WHERE start = ? AND series = ?", where
                ).fetchone()
                if found is not None:
                    yield moment, _unpacked(found[0])
        if key in self._open:
            yield self._start, self._open[key]

    def _flush(self) -> None:
        if not self._open:
            return
        try:
            self._write()
        except sqlite3.OperationalError:  # it is full: make room, and try once more
            self._base.rollback()
            self._drop_oldest()
            try:
                self._write()
            except sqlite3.OperationalError:
                self._base.rollback()

    def _write(self) -> None:
        base = self._base
        base.executemany(
            "INSERT OR IGNORE INTO series (key) VALUES (?)", [(k,) for k in self._open]
        )
        numbers = dict(base.execute("SELECT key, id FROM series"))
        rows = sorted((numbers[key], chunk) for key, chunk in self._open.items())
        base.executemany(
            "INSERT OR REPLACE INTO chunk VALUES (?, ?, ?)",
            ((self._start, number, _packed(chunk)) for number, chunk in rows),
        )
        base.commit()

    def _drop_oldest(self) -> None:
        """An eighth of what there is."""
        starts = [row[0] for row in self._base.execute("SELECT DISTINCT start FROM chunk")]
        starts.sort()
        self._forget_before(starts[len(starts) // 8] + 1 if starts else 0)

    def _forget(self, now: int) -> None:
        self._forget_before(now - self.limits.seconds)

    def _forget_before(self, start: int) -> None:
        self._base.execute("DELETE FROM chunk WHERE start < ?", (start,))
        if start % 3600 < CHUNK_SECONDS:  # once an hour: it reads the whole index
            self._base.execute("DELETE FROM series WHERE id NOT IN (SELECT series FROM chunk)")
        self._base.commit()


def _opened(path: str | None, most_bytes: int) -> sqlite3.Connection:
    """A file that a killed process left half written is no memory: it starts anew."""
    base = sqlite3.connect(path or ":memory:")
    try:
        if base.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("damaged")
    except sqlite3.DatabaseError:
        base.close()
        with open(path or "", "wb"):  # noqa: PTH123
            pass
        base = sqlite3.connect(path or ":memory:")
    base.execute("PRAGMA synchronous = OFF")  # a power cut ends the pod, and its folder, too
    base.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    base.execute(f"PRAGMA max_page_count = {max(16, most_bytes // PAGE_BYTES)}")
    base.executescript(SCHEMA)
    return base


def _packed(chunk: "array[float]") -> bytes:
    kept = int.from_bytes(chunk.tobytes(), "little") & _KEPT_DIGITS
    return zlib.compress(kept.to_bytes(_CHUNK_BYTES, "little"), 1)


def _unpacked(data: bytes) -> "array[float]":
    found = array("f")
    found.frombytes(zlib.decompress(data))
    return found
