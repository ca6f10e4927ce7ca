"""Rows, edges and routes in the words of the dashboard, from those of metrics-api. Pure."""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

from tulle.viz.queries import QUANTILES
from tulle.viz.web.collector import key
from tulle.viz.web.store import FIELDS, STEP_SECONDS, Store

Json = dict[str, Any]

SPARK_STEPS = 2  # samples that one point of a sparkline is the mean of
SPARK_POINTS = 30
SPARK_NAMES = ("rps", "success", "p99")
NUMBERS = {
    "success": "success",
    "rps": "rps",
    "p50": "latency_ms_p50",
    "p95": "latency_ms_p95",
    "p99": "latency_ms_p99",
    "tcp": "tcp_open_connections",
    "readBytes": "tcp_read_bytes_rate",
    "writeBytes": "tcp_write_bytes_rate",
}
Ref = tuple[str, str, str]
Columns = dict[str, list[float | None]]


def row(ref: Ref, numbers: Mapping[str, Any] | None, **more: Any) -> Json:
    kind, namespace, name = ref
    found: Json = {
        "kind": kind,
        "namespace": namespace,
        "name": name,
        "meshed": None,
        "pods": None,
        "failedPods": None,
        "status": None,
        **{shown: (numbers or {}).get(known) for shown, known in NUMBERS.items()},
        "spark": None,
    }
    return {**found, **more}


def stat_row(kind: str, item: Json, *, is_past: bool) -> Json:
    """A row of /api/stat. How many pods there were in the past is not known."""
    more: Json = {}
    if "running_pods" in item and not is_past:
        more = {
            "meshed": item["meshed_pods"],
            "pods": item["running_pods"],
            "failedPods": item["failed_pods"],
        }
    if item.get("status") and not is_past:
        more["status"] = item["status"]
    more |= {name: item[name] for name in ("apex", "leaf", "weight") if name in item}
    return row((kind, item["namespace"], item["name"]), item["numbers"], **more)


def node_row(node: Json, *, is_past: bool = False) -> Json:
    """A node of /api/graph."""
    more = {} if is_past else {"meshed": node["meshed_pods"], "pods": node["pods"]}
    return row(tuple(node["ref"]), node["numbers"], **more)


def kept_row(ref: Ref, values: Mapping[str, float]) -> Json:
    """What our own memory knows of a moment."""
    return row(ref, None, **{name: values.get(name) for name in FIELDS if name != "secured"})


def peer_row(edge: Json, side: str) -> Json:
    return row(tuple(edge[side]), edge["numbers"])


def ref_json(ref: list[str]) -> Json:
    return dict(zip(("kind", "namespace", "name"), ref, strict=True))


def edge_json(edge: Json) -> Json:
    numbers = edge["numbers"]
    return {
        "src": ref_json(edge["src"]),
        "dst": ref_json(edge["dst"]),
        **link(numbers, edge["no_tls_reason"]),
        "clientId": edge["client_id"],
        "serverId": edge["server_id"],
    }


def link(numbers: Json, reason: str) -> Json:
    return {
        "rps": numbers["rps"],
        "success": numbers["success"],
        "p99": numbers["latency_ms_p99"],
        "tcp": numbers["tcp_open_connections"],
        "secured": None if numbers["secured"] is None else numbers["secured"] >= 1,
        "reason": reason,
    }


def route_rows(table: Json) -> list[Json]:
    found = []
    for item in table["rows"]:
        service, _, rest = item["authority"].partition(".")
        found.append(
            {
                "resource": table["resource"],
                "route": item["route"],
                "routeKind": item["kind"],
                "service": service,
                "namespace": rest.partition(".")[0],
                "success": item["effective_success"],
                "rps": item["effective_rps"],
                **{name: item[f"latency_ms_{name}"] for name in ("p50", "p95", "p99")},
                "actualSuccess": item["actual_success"],
                "actualRps": item["actual_rps"],
            }
        )
    return found


def spark(store: Store, ref: Ref, end: float) -> Json:
    """The last minutes before `end`, a point for each two samples."""
    steps = SPARK_POINTS * SPARK_STEPS
    begin = end - end % STEP_SECONDS - (steps - 1) * STEP_SECONDS
    columns = store.span(key(ref), begin, end, SPARK_NAMES)
    return {
        "stepSeconds": SPARK_STEPS * STEP_SECONDS,
        **thinned({name: column[-steps:] for name, column in columns.items()}, SPARK_STEPS),
    }


def thinned(columns: Columns, every: int) -> Columns:
    """One value for each `every` steps; None only where none of them is known.

    A share of success counts by its requests, so that a quiet minute does not hide a busy one that
    failed. Of quantiles the highest stands, which that of all the requests is never above: a spike
    stays to be seen however long the range. All else is the mean.
    """
    return {
        name: [
            _one_of(name, values[start : start + every], columns.get("rps", ())[start:])
            for start in range(0, len(values), every)
        ]
        for name, values in columns.items()
    }


def _one_of(
    name: str, values: Sequence[float | None], requests: Sequence[float | None]
) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    if name in QUANTILES:
        return shortened(max(known))
    if name == "success":
        counted = [
            (value, rate)
            for value, rate in zip(values, requests, strict=False)
            if value is not None and rate
        ]
        if total := sum(rate for _, rate in counted):
            return shortened(sum(value * rate for value, rate in counted) / total)
    return shortened(sum(known) / len(known))


def shortened(value: float) -> float:
    """To five digits, which is more than a chart shows, and less than half of the bytes."""
    return float(f"{value:.5g}") if value == value else nan
