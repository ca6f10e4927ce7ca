"""The columns of `tulle viz stat`, and the same as JSON. Pure."""

from collections.abc import Iterable
from typing import Any

from tulle.cli import colour
from tulle.cli.table import table

Json = dict[str, Any]

NUMBERS = ("SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN")
BYTES = ("READ_BYTES/SEC", "WRITE_BYTES/SEC")


def stat_table(
    kind: str, rows: list[Json], *, wide: bool, with_namespace: bool, prefix: str
) -> str:
    is_split = kind == "trafficsplit"
    header = [*(["NAMESPACE"] if with_namespace else []), "NAME"]
    names = len(header)
    header += ["STATUS"] if kind == "pod" else []
    header += ["APEX", "LEAF", "WEIGHT"] if is_split else ["MESHED"]
    numbers = [*NUMBERS[: -1 if is_split else None], *(BYTES if wide and not is_split else ())]
    cells = []
    for row in rows:
        line = [row["namespace"]] if with_namespace else []
        line.append(prefix + row["name"])
        line += [row["status"]] if kind == "pod" else []
        line += [row["apex"], row["leaf"], row["weight"]] if is_split else [_meshed(row)]
        cells.append([*line, *_cells(row["numbers"], len(numbers))])
    left = set(range(names)) | ({names, names + 1} if is_split else set())
    columns = [*header, *numbers]
    return table(columns, cells, right=set(range(len(columns))) - left)


def _meshed(row: Json) -> str:
    if "meshed_pods" not in row:
        return "-"
    return f"{row['meshed_pods']}/{row['running_pods']}"


def _cells(numbers: Json | None, count: int) -> list[str]:
    """Dashes where nothing was counted."""
    if numbers is None:
        return ["-"] * count
    return [
        colour.success(numbers["success"], f"{numbers['success'] * 100:.2f}%"),
        f"{numbers['rps']:.1f}rps",
        *(_milliseconds(numbers[f"latency_ms_{name}"]) for name in ("p50", "p95", "p99")),
        str(numbers["tcp_open_connections"]),
        f"{numbers['tcp_read_bytes_rate']:.1f}B/s",
        f"{numbers['tcp_write_bytes_rate']:.1f}B/s",
    ][:count]


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}ms"


def json_rows(kind: str, rows: Iterable[Json]) -> list[Json]:
    found = []
    for row in rows:
        entry: Json = {"namespace": row["namespace"], "kind": kind, "name": row["name"]}
        if "meshed_pods" in row:
            entry["meshed"] = _meshed(row)
        numbers = row["numbers"] or {}
        for key in ("success", "rps"):
            entry[key] = numbers.get(key)
        for name in ("p50", "p95", "p99"):
            value = numbers.get(f"latency_ms_{name}")
            entry[f"latency_ms_{name}"] = None if value is None else round(value)
        entry |= {key: value for key, value in numbers.items() if key.startswith("tcp_")}
        entry |= {key: row[key] for key in ("apex", "leaf", "weight") if key in row}
        found.append(entry)
    return found
