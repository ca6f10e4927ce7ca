"""The columns of `tulle viz stat`, and the same as JSON. Pure."""

from collections.abc import Iterable
from typing import Any

from tulle.cli import colour
from tulle.cli.table import table

Json = dict[str, Any]

NUMBERS = ("SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN")
# What stands between the name and the numbers.
FACTS = {
    "authorizationpolicy": (),
    "httproute": ("SERVER", "UNAUTHORIZED"),
    "pod": ("STATUS", "MESHED"),
    "server": ("UNAUTHORIZED",),
    "serverauthorization": (),
    "trafficsplit": ("APEX", "LEAF", "WEIGHT"),
}
LEFT = frozenset({"NAMESPACE", "NAME", "APEX", "LEAF"})
WITHOUT_CONNECTIONS = frozenset(
    {"authorizationpolicy", "httproute", "serverauthorization", "trafficsplit"}
)
BYTES = ("READ_BYTES/SEC", "WRITE_BYTES/SEC")


def stat_table(
    kind: str, rows: list[Json], *, wide: bool, with_namespace: bool, prefix: str
) -> str:
    facts = FACTS.get(kind, ("MESHED",))
    has_connections = kind not in WITHOUT_CONNECTIONS
    numbers = [*NUMBERS[: None if has_connections else -1]]
    numbers += BYTES if wide and has_connections else ()
    columns = [*(["NAMESPACE"] if with_namespace else []), "NAME", *facts, *numbers]
    cells = []
    for row in rows:
        line = [row["namespace"]] if with_namespace else []
        line += [prefix + row["name"], *(_fact(row, name) for name in facts)]
        cells.append([*line, *_cells(row["numbers"], len(numbers))])
    right = {place for place, name in enumerate(columns) if name not in LEFT}
    return table(columns, cells, right=right)


def _fact(row: Json, name: str) -> str:
    if name == "MESHED":
        return _meshed(row)
    if name == "UNAUTHORIZED":
        return _unauthorized(row.get("unauthorized"))
    return str(row.get(name.lower()) or "-")


def _unauthorized(rps: float | None) -> str:
    if rps is None:
        return "-"
    text = f"{rps:.1f}rps"
    return colour.marked(text, "red") if rps else text


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
        entry |= {
            key: row[key]
            for key in ("apex", "leaf", "weight", "server", "unauthorized")
            if key in row
        }
        found.append(entry)
    return found
