"""What each page shows, from the answers of metrics-api. Pure."""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tulle import names
from tulle.viz.tap.target import PLURALS
from tulle.viz.web import html
from tulle.viz.web.html import Cell, Table, text

Json = dict[str, Any]

# The path of a kind, as the kind is asked for and as it is headed.
KINDS = {
    "deployments": ("deployment", "Deployments"),
    "statefulsets": ("statefulset", "StatefulSets"),
    "daemonsets": ("daemonset", "DaemonSets"),
    "jobs": ("job", "Jobs"),
    "cronjobs": ("cronjob", "CronJobs"),
    "replicasets": ("replicaset", "ReplicaSets"),
    "replicationcontrollers": ("replicationcontroller", "ReplicationControllers"),
    "services": ("service", "Services"),
    "pods": ("pod", "Pods"),
    "trafficsplits": ("trafficsplit", "TrafficSplits"),
}
# What the page of one namespace shows; kinds that it has none of are left out.
OVERVIEW = ("deployments", "statefulsets", "daemonsets", "jobs", "services", "pods")
NUMBERS = ("Success", "RPS", "P50", "P95", "P99", "TCP")
NOTHING = "-"
GOOD_SUCCESS = 0.99
REASONS = {
    "disabled": "Disabled",
    "loopback": "Loopback",
    "not_provided_by_remote": "Not Provided By Remote",
    "no_tls_from_remote": "Not Provided By Remote",
    "not_provided_by_service_discovery": "Not Provided By Service Discovery",
}


TAP_HEADER = ("Event",)
TOP_HEADER = (
    "Source",
    "Destination",
    "Method",
    "Path",
    "Count",
    "Best",
    "Worst",
    "Last",
    "Success Rate",
)
LIVE = {"tap": TAP_HEADER, "top": TOP_HEADER}


def live_sections(name: str, query: Mapping[str, str]) -> list[str]:
    """The form of tap or top, and the table once the form is filled in."""
    namespace, kind = query.get("namespace", ""), query.get("kind", "deployment")
    found = [
        html.form(
            [
                html.field("namespace", "Namespace", namespace or "default", required=True),
                html.choice("kind", "Kind", PLURALS, kind),
                html.field("name", "Name (empty: all)", query.get("name", "")),
                html.field("method", "Method", query.get("method", "")),
                html.field("authority", "Authority", query.get("authority", "")),
                html.field("path", "Path begins", query.get("path", "")),
            ],
            "Start",
        )
    ]
    if namespace:
        found.append(html.live(f"/api/{name}", command(name, query), LIVE[name]))
    return found


def command(name: str, query: Mapping[str, str]) -> str:
    """What shows the same in a terminal."""
    kind, target = query.get("kind", ""), query.get("name", "")
    words = [names.PROGRAM, "viz", name, f"{kind}/{target}" if target else kind]
    words += ["-n", query.get("namespace", "")]
    for key in ("method", "authority", "path"):
        words += [f"--{key}", query[key]] if query.get(key) else []
    return shlex.join(words)


def navigation(namespace: str = "") -> list[tuple[str, str]]:
    base = f"/namespaces/{quote(namespace)}" if namespace else ""
    overview = [("Overview", base)] if namespace else []
    kinds = [(title, f"{base}/{plural}") for plural, (_, title) in KINDS.items()]
    routes = [("Routes", f"{base}/routes")] if namespace else []
    return [*overview, *kinds, *routes, ("Edges", f"{base}/edges")]


def stat_table(title: str, plural: str, answer: Json, *, with_namespace: bool = False) -> Table:
    """One row per object, with the golden metrics of the last minute."""
    is_pods, is_split = plural == "pods", plural == "trafficsplits"
    header: list[str] = ["Namespace"] if with_namespace else []
    header += ["Name", *(["Status"] if is_pods else [])]
    header += ["Apex", "Leaf", "Weight"] if is_split else ["Meshed"]
    rows = []
    for row in answer["rows"]:
        cells = [text(row["namespace"])] if with_namespace else []
        cells.append(Cell(row["name"], _path(plural, row)))
        if is_pods:
            cells.append(text(row.get("status", NOTHING)))
        if is_split:
            cells += [text(str(row.get(key, NOTHING))) for key in ("apex", "leaf", "weight")]
        else:
            cells.append(text(_meshed(row)))
        rows.append((*cells, *_numbers(row["numbers"])))
    return Table(title, (*header, *NUMBERS), rows, f"There are no {title.lower()} here.")


def _path(plural: str, row: Json) -> str:
    if plural == "namespaces":
        return f"/namespaces/{quote(row['name'])}"
    return f"/namespaces/{quote(row['namespace'])}/{plural}/{quote(row['name'])}"


def _meshed(row: Json) -> str:
    if "running_pods" not in row:
        return NOTHING
    return f"{row['meshed_pods']}/{row['running_pods']}"


def _number(value: float | None, form: str) -> Cell:
    return Cell(NOTHING if value is None else form.format(value), is_number=True)


def _success(rate: float | None) -> Cell:
    state = "" if rate is None else "good" if rate >= GOOD_SUCCESS else "bad"
    shown = NOTHING if rate is None else f"{rate:.2%}"
    return Cell(shown, is_number=True, state=state)


def _numbers(numbers: Json | None) -> tuple[Cell, ...]:
    found = numbers or {}
    return (
        _success(found.get("success")),
        _number(found.get("rps"), "{:.1f}rps"),
        *(_number(found.get(f"latency_ms_{name}"), "{:.0f}ms") for name in ("p50", "p95", "p99")),
        _number(found.get("tcp_open_connections"), "{:.0f}"),
    )


def edge_table(answer: Json, plural: str, only: tuple[str, str] | None = None) -> Table:
    """`only` is a namespace and a name that one of the ends must have."""
    rows = []
    for edge in answer["edges"]:
        ends = [(edge[f"{side}_namespace"], edge[side]) for side in ("src", "dst")]
        if only is not None and only not in ends:
            continue
        cells = []
        for namespace, name in ends:
            row = {"namespace": namespace, "name": name}
            cells += [Cell(name, _path(plural, row)), text(namespace)]
        rows.append((*cells, _secured(edge)))
    header = ("From", "Namespace", "To", "Namespace", "Secured")
    return Table("Edges", header, rows, "No connections were seen between meshed pods.")


def route_table(answer: Json) -> Table:
    """The routes of one object that has a ServiceProfile."""
    header = ("Route", "Service", "Success", "RPS", "P50", "P95", "P99")
    rows = []
    for row in answer["rows"]:
        success = row["effective_success"]
        numbers = [
            _number(row.get(f"latency_ms_{name}"), "{:.0f}ms") for name in ("p50", "p95", "p99")
        ]
        rate = _number(row["effective_rps"], "{:.1f}rps")
        cells = (text(row["route"]), text(row["authority"]), _success(success), rate, *numbers)
        rows.append(cells)
    return Table(f"Routes of {answer['resource']}", header, rows, "It has no routes.")


def no_routes(reason: str) -> Table:
    return Table("Routes", (), [], reason)


def peers(answer: Json, near: tuple[str, str]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """A title, the word by which metrics-api is asked, and the peers of an object that way."""
    into, out = set(), set()
    for edge in answer["edges"]:
        source = edge["src_namespace"], edge["src"]
        destination = edge["dst_namespace"], edge["dst"]
        if destination == near:
            into.add(source)
        if source == near:
            out.add(destination)
    return [("Inbound from", "from", sorted(into)), ("Outbound to", "to", sorted(out))]


def _secured(edge: Json) -> Cell:
    reason = edge["no_tls_reason"]
    if edge["server_id"] and not reason:
        return Cell("√ mutual TLS", state="good")
    return Cell(REASONS.get(reason, reason or "not secured"), state="bad")
