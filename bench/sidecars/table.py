"""The table of a run: one row per metric, one column per subject, then Tulle against each peer."""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

Round = dict[str, Any]
Read = Callable[[Round], float | None]
ROLES = ("client", "server")


@dataclass(frozen=True)
class Row:
    name: str
    read: Read
    decimals: int = 2


def dig(value: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(value, dict) or value.get(key) is None:
            return None
        value = value[key]
    return value


def workload(name: str, *keys: str, divided_by: float = 1) -> Read:
    def read(of: Round) -> float | None:
        found = dig(of, "workloads", name, *keys)
        return None if found is None else found / divided_by

    return read


def pair(name: str, what: str, per: str, scale: float, roles: Iterable[str] = ROLES) -> Read:
    """Both proxies' sum of `what`, for each `scale` of what was done."""

    def read(of: Round) -> float | None:
        done = dig(of, "workloads", name, per)
        spent = [dig(of, "workloads", name, what, role) for role in roles]
        return None if done is None or None in spent else sum(spent) * scale / done

    return read


def cpu(name: str, *roles: str) -> Read:
    return pair(name, "cpu_seconds", "requests", 1e5, roles or ROLES)


def growth(role: str) -> Read:
    def read(of: Round) -> float | None:
        before = dig(of, "workloads", "idle", "before_kib", role, "rss")
        peak = dig(of, "workloads", "idle", "peak_kib", role, "rss")
        count = dig(of, "workloads", "idle", "connections")
        return None if None in (before, peak, count) else (peak - before) / count

    return read


def mebibytes(*keys: str, scale: float = 1024) -> Read:
    def read(of: Round) -> float | None:
        found = dig(of, *keys)
        return None if found is None else found / scale

    return read


def errors(of: Round) -> float | None:
    found = [w["errors"] for w in of["workloads"].values() if "errors" in w]
    return sum(found) if found else None


PEAK = ("workloads", "h1", "peak_kib", "client", "rss")
ROWS = (
    Row("h1: requests/s", workload("h1", "rps"), 0),
    Row("h1: CPU-s per 100k requests, pair", cpu("h1")),
    Row("h1: CPU-s per 100k, client side", cpu("h1", "client")),
    Row("h1: CPU-s per 100k, server side", cpu("h1", "server")),
    Row("h1: context switches per request, pair", pair("h1", "context_switches", "requests", 1)),
    Row("h1big: requests/s", workload("h1big", "rps"), 0),
    Row("h1big: CPU-s per 100k requests, pair", cpu("h1big")),
    Row("h1close: requests/s", workload("h1close", "rps"), 0),
    Row("h1close: CPU-s per 100k requests, pair", cpu("h1close")),
    Row("h1close: CPU-s per 100k, client side", cpu("h1close", "client")),
    Row("h1close: CPU-s per 100k, server side", cpu("h1close", "server")),
    Row("h2: requests/s", workload("h2", "rps"), 0),
    Row("h2: CPU-s per 100k requests, pair", cpu("h2")),
    Row("h2: CPU-s per 100k, client side", cpu("h2", "client")),
    Row("h2: CPU-s per 100k, server side", cpu("h2", "server")),
    *(
        Row(f"{name}: {share}, ms", workload(name, "latency_ms", share), 3)
        for name in ("h1rate", "h2rate")
        for share in ("p50", "p90", "p99", "p999")
    ),
    Row("h1rate: CPU-s per 100k requests, pair", cpu("h1rate")),
    Row("h2rate: CPU-s per 100k requests, pair", cpu("h2rate")),
    Row("tcp: Gbit/s", workload("tcp", "gbps")),
    Row("tcp: CPU-s per GB, pair", pair("tcp", "cpu_seconds", "gigabytes", 1)),
    *(
        Row(f"idle: {kind.upper() if kind != 'anonymous' else kind} MiB, {role} side",
            mebibytes("idle_kib", role, kind), 1)
        for role in ROLES
        for kind in ("rss", "pss", "anonymous")
    ),
    Row("RSS KiB per idle connection, client side", growth("client"), 1),
    Row("RSS KiB per idle connection, server side", growth("server"), 1),
    Row("peak RSS MiB under h1, client side", mebibytes(*PEAK), 1),
    Row("start to ready, client side, ms", lambda of: dig(of, "ready_ms", "client"), 1),
    Row("binary MiB", mebibytes("binary_bytes", scale=2**20), 1),
    Row("failed requests, all workloads", errors, 0),
)  # fmt: skip


def cell(values: list[float], decimals: int) -> str:
    middle, low, high = (
        f"{value:.{decimals}f}" for value in (statistics.median(values), min(values), max(values))
    )
    return middle if low == high else f"{middle} [{low}..{high}]"


def ratio(ours: list[float], theirs: list[float]) -> str:
    if not ours or not theirs or statistics.median(theirs) == 0:
        return "-"
    return f"{statistics.median(ours) / statistics.median(theirs):.2f}"


def lines(rounds: list[Round], ours: str) -> list[str]:
    """Markdown. A subject that could not do a workload has a dash."""
    labels = list(dict.fromkeys(r["label"] for r in rounds))
    peers = [label for label in labels if label not in (ours, "none")]
    counts = {label: sum(r["label"] == label for r in rounds) for label in labels}
    head = [f"{label} (n={counts[label]})" for label in labels]
    head += [f"{ours} / {peer}" for peer in peers]
    table = [f"| metric | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for row in ROWS:
        values = {
            label: [v for r in rounds if r["label"] == label if (v := row.read(r)) is not None]
            for label in labels
        }
        if not any(values.values()):
            continue
        cells = [cell(values[label], row.decimals) if values[label] else "-" for label in labels]
        cells += [ratio(values.get(ours, []), values[peer]) for peer in peers]
        table.append(f"| {row.name} | {' | '.join(cells)} |")
    return table
