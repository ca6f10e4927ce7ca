"""CPU time, context switches and memory of a process and its children, from /proc."""

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
MEMORY = {"rss": "Rss", "pss": "Pss", "anonymous": "Anonymous"}


def tree(pid: int) -> Iterator[int]:
    """The process and all that it started; nginx works in a child."""
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from tree(int(child))


def cpu_seconds(pid: int) -> float:
    ticks = 0
    for process in tree(pid):
        with suppress(OSError):
            after_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            ticks += int(after_name[11]) + int(after_name[12])
    return ticks / TICKS


def context_switches(pid: int) -> int:
    total = 0
    for process in tree(pid):
        with suppress(OSError):
            for task in Path(f"/proc/{process}/task").iterdir():
                status = (task / "status").read_text()
                counts = re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status)
                total += sum(map(int, counts))
    return total


def memory_kib(pid: int) -> dict[str, int]:
    totals = dict.fromkeys(MEMORY, 0)
    for process in tree(pid):
        with suppress(OSError):
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
            for name, field_name in MEMORY.items():
                found = re.search(rf"^{field_name}:\s+(\d+) kB", text, re.MULTILINE)
                totals[name] += int(found[1]) if found else 0
    return totals


@dataclass
class Account:
    """What several processes took while the block ran; memory is the peak, seen twice a second."""

    pids: Mapping[str, int]
    cpu: dict[str, float] = field(default_factory=dict)
    switches: dict[str, int] = field(default_factory=dict)
    before_kib: dict[str, dict[str, int]] = field(default_factory=dict)
    peak_kib: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: float = 0.0

    def __enter__(self) -> Self:
        self.before_kib = {name: memory_kib(pid) for name, pid in self.pids.items()}
        self.peak_kib = {name: dict(seen) for name, seen in self.before_kib.items()}
        self._ended = threading.Event()
        self._sampling = threading.Thread(target=self._sample)
        self._sampling.start()
        self._begun = time.monotonic()
        self._cpu = {name: cpu_seconds(pid) for name, pid in self.pids.items()}
        self._switches = {name: context_switches(pid) for name, pid in self.pids.items()}
        return self

    def _sample(self) -> None:
        while not self._ended.wait(0.5):
            for name, pid in self.pids.items():
                peak = self.peak_kib[name]
                for kind, value in memory_kib(pid).items():
                    peak[kind] = max(peak[kind], value)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.monotonic() - self._begun
        for name, pid in self.pids.items():
            self.cpu[name] = cpu_seconds(pid) - self._cpu[name]
            self.switches[name] = context_switches(pid) - self._switches[name]
        self._ended.set()
        self._sampling.join()
