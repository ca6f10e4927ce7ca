"""Writes the Grafana dashboards of charts/tulle-viz/dashboards from one description of each.

    python tools/grafana.py

Grafana's own form repeats itself; here each panel is a title, a unit and its queries.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).resolve().parent.parent / "charts" / "tulle-viz" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
RATE = "[$__rate_interval]"
ADMIN = 'target_port!="4191"'
PROXIES = 'job="linkerd-proxy"'
PARTS = 'job="linkerd-controller"'
WIDTH, HEIGHT, COLUMNS = 8, 7, 24


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]  # PromQL and legend
    kind: str = "timeseries"
    most: float | None = None


@dataclass(frozen=True)
class Board:
    name: str
    title: str
    panels: tuple[Panel, ...]
    variables: tuple[tuple[str, str], ...] = ()  # name and the PromQL of its values


def traffic(labels: str, by: str, legend: str, direction: str = "inbound") -> tuple[Panel, ...]:
    """Success, rate and latency of what the labels choose."""
    series = f'{PROXIES},direction="{direction}",{labels}'.rstrip(",")
    series += f",{ADMIN}" if direction == "inbound" else ""
    total = f"sum(rate(response_total{{{series}}}{RATE})) by ({by})"
    good = f'sum(rate(response_total{{{series},classification="success"}}{RATE})) by ({by})'
    buckets = f"sum(rate(response_latency_ms_bucket{{{series}}}{RATE})) by (le, {by})"
    quantiles = tuple(
        (f"histogram_quantile({value}, {buckets})", f"p{value * 100:.0f} {legend}")
        for value in (0.5, 0.95, 0.99)
    )
    return (
        Panel("Success rate", "percentunit", ((f"{good} / {total}", legend),), most=1),
        Panel("Requests per second", "reqps", ((total, legend),)),
        Panel("Latency", "ms", quantiles),
    )


def transport(labels: str, by: str, legend: str) -> tuple[Panel, ...]:
    series = f'{PROXIES},direction="inbound",peer="src",{labels}'.rstrip(",")
    return (
        Panel(
            "Open connections",
            "short",
            ((f"sum(tcp_open_connections{{{series}}}) by ({by})", legend),),
        ),
        *(
            Panel(
                title,
                "Bps",
                ((f"sum(rate(tcp_{way}_bytes_total{{{series}}}{RATE})) by ({by})", legend),),
            )
            for way, title in (("read", "Bytes read"), ("write", "Bytes written"))
        ),
    )


def secured(labels: str) -> Panel:
    series = f'{PROXIES},direction="inbound",{ADMIN},{labels}'.rstrip(",")
    total = f"sum(rate(response_total{{{series}}}{RATE}))"
    mutual = f'sum(rate(response_total{{{series},tls="true"}}{RATE}))'
    return Panel(
        "Share by mutual TLS", "percentunit", ((f"{mutual} / {total}", "mutual TLS"),), most=1
    )


def peers(label: str) -> tuple[Panel, ...]:
    """What a workload of the kind sends, by whom it goes to."""
    series = (
        f'{PROXIES},direction="outbound",namespace="$namespace",{label}="$name",dst_namespace!=""'
    )
    by = "by (dst_namespace, dst_service)"
    total = f"sum(rate(response_total{{{series}}}{RATE})) {by}"
    good = f'sum(rate(response_total{{{series},classification="success"}}{RATE})) {by}'
    legend = "{{dst_service}}.{{dst_namespace}}"
    return (
        Panel("Outbound success rate", "percentunit", ((f"{good} / {total}", legend),), most=1),
        Panel("Outbound requests per second", "reqps", ((total, legend),)),
    )


def values(label: str, where: str = "") -> str:
    return f"label_values(process_start_time_seconds{{{PROXIES}{where}}}, {label})"


NAMESPACE = ("namespace", values("namespace"))


def workload(kind: str, label: str) -> Board:
    chosen = f'namespace="$namespace",{label}="$name"'
    return Board(
        kind,
        f"Tulle / {kind}",
        (
            *traffic(chosen, label, f"{{{{{label}}}}}"),
            *transport(chosen, label, f"{{{{{label}}}}}"),
            secured(chosen),
            *peers(label),
        ),
        (NAMESPACE, ("name", values(label, ',namespace="$namespace"'))),
    )


def pod() -> Board:
    chosen = 'namespace="$namespace",pod="$name"'
    series = f"{PROXIES},{chosen}"
    proxy = (
        Panel(
            "Proxy's memory", "bytes", ((f"process_resident_memory_bytes{{{series}}}", "{{pod}}"),)
        ),
        Panel(
            "Proxy's CPU",
            "short",
            ((f"rate(process_cpu_seconds_total{{{series}}}{RATE})", "{{pod}}"),),
        ),
        Panel(
            "Certificate ends in",
            "s",
            ((f"identity_cert_expiration_timestamp_seconds{{{series}}} - time()", "{{pod}}"),),
        ),
    )
    panels = (*traffic(chosen, "pod", "{{pod}}"), *transport(chosen, "pod", "{{pod}}"), *proxy)
    known = values("pod", ',namespace="$namespace"')
    return Board("pod", "Tulle / pod", panels, (NAMESPACE, ("name", known)))


def service() -> Board:
    chosen = 'dst_namespace="$namespace",dst_service="$name"'
    by = "deployment"
    panels = traffic(chosen, by, "from {{deployment}}", "outbound")
    known = f'label_values(response_total{{{PROXIES},dst_namespace="$namespace"}}, dst_service)'
    spaces = f"label_values(response_total{{{PROXIES}}}, dst_namespace)"
    variables = (("namespace", spaces), ("name", known))
    return Board("service", "Tulle / service", panels, variables)


def route() -> Board:
    series = f'{PROXIES},direction="outbound",dst=~"$service(:[0-9]+)?"'
    total = f"sum(rate(route_response_total{{{series}}}{RATE})) by (rt_route)"
    good = (
        f'sum(rate(route_response_total{{{series},classification="success"}}{RATE})) by (rt_route)'
    )
    buckets = f"sum(rate(route_response_latency_ms_bucket{{{series}}}{RATE})) by (le, rt_route)"
    attempts = f"sum(rate(route_actual_response_total{{{series}}}{RATE})) by (rt_route)"
    legend = "{{rt_route}}"
    panels = (
        Panel("Success rate", "percentunit", ((f"{good} / {total}", legend),), most=1),
        Panel("Requests per second", "reqps", ((total, legend),)),
        Panel("Attempts per second", "reqps", ((attempts, legend),)),
        Panel("Latency p99", "ms", ((f"histogram_quantile(0.99, {buckets})", legend),)),
    )
    known = f"label_values(route_response_total{{{PROXIES}}}, dst)"
    return Board("route", "Tulle / route", panels, (("service", known),))


def top_line() -> Board:
    by = "namespace"
    panels = (
        *(
            Panel(panel.title, panel.unit, panel.queries, "stat", panel.most)
            for panel in traffic("", "control_plane_ns", "the mesh")[:2]
        ),
        Panel("Proxies", "short", ((f"sum(up{{{PROXIES}}})", "scraped"),), "stat"),
        *traffic("", by, "{{namespace}}"),
        *transport("", by, "{{namespace}}"),
        secured(""),
    )
    return Board("top-line", "Tulle / top line", panels)


def namespace() -> Board:
    chosen = 'namespace="$namespace"'
    series = f"inbound_http_authz_deny_total{{{PROXIES},{chosen}}}"
    denied = f"sum(rate({series}{RATE})) by (srv_name)"
    panels = (
        *traffic(chosen, "deployment", "{{deployment}}"),
        *transport(chosen, "pod", "{{pod}}"),
        secured(chosen),
        Panel("Denied requests", "reqps", ((denied, "{{srv_name}}"),)),
    )
    return Board("namespace", "Tulle / namespace", panels, (NAMESPACE,))


def health() -> Board:
    """Of our own control plane."""
    called = "sum(rate(grpc_server_handled_total{" + PARTS
    panels = (
        Panel("Components up", "short", ((f"sum(up{{{PARTS}}}) by (component)", "{{component}}"),)),
        Panel("Proxies scraped", "short", ((f"sum(up{{{PROXIES}}})", "scraped"),)),
        Panel("Proxies not scraped", "short", ((f"count(up{{{PROXIES}}} == 0)", "missing"),)),
        Panel(
            "Memory",
            "bytes",
            ((f"process_resident_memory_bytes{{{PARTS}}}", "{{component}} {{pod}}"),),
        ),
        Panel(
            "CPU",
            "short",
            ((f"rate(process_cpu_seconds_total{{{PARTS}}}{RATE})", "{{component}} {{pod}}"),),
        ),
        Panel("Issuer ends in", "s", (("min(issuer_cert_ttl_seconds)", "issuer"),)),
        Panel(
            "First proxy's certificate ends in",
            "s",
            ((f"min(identity_cert_expiration_timestamp_seconds{{{PROXIES}}}) - time()", "leaf"),),
        ),
        Panel(
            "gRPC answers",
            "reqps",
            ((f"{called}}}{RATE})) by (grpc_method, grpc_code)", "{{grpc_method}} {{grpc_code}}"),),
        ),
        Panel("Streams of discovery", "short", (("sum(discovery_subscribers)", "subscribers"),)),
        Panel(
            "Injector's answers",
            "reqps",
            (
                (
                    f"sum(rate(proxy_inject_admission_responses_total{RATE})) by (skip)",
                    "skip={{skip}}",
                ),
            ),
        ),
    )
    return Board("health", "Tulle / health of the control plane", panels)


KINDS = {
    "deployment": "deployment",
    "statefulset": "statefulset",
    "daemonset": "daemonset",
    "job": "k8s_job",
    "cronjob": "cronjob",
    "replicaset": "replicaset",
    "replicationcontroller": "replicationcontroller",
}


def boards() -> list[Board]:
    kinds = [workload(kind, label) for kind, label in KINDS.items()]
    return [top_line(), namespace(), *kinds, pod(), service(), route(), health()]


def _panel(number: int, panel: Panel) -> Json:
    defaults: Json = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    per_row = COLUMNS // WIDTH
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "gridPos": {
            "x": number % per_row * WIDTH,
            "y": number // per_row * HEIGHT,
            "w": WIDTH,
            "h": HEIGHT,
        },
        "targets": [
            {"refId": chr(ord("A") + place), "expr": text, "legendFormat": legend}
            for place, (text, legend) in enumerate(panel.queries)
        ],
    }


def _variables(board: Board) -> list[Json]:
    source = {"name": "datasource", "type": "datasource", "query": "prometheus"}
    return [
        source,
        *(
            {
                "name": name,
                "type": "query",
                "datasource": SOURCE,
                "query": {"query": text, "refId": name},
                "refresh": 2,
                "sort": 1,
            }
            for name, text in board.variables
        ),
    ]


def as_json(board: Board) -> Json:
    return {
        "uid": f"tulle-{board.name}",
        "title": board.title,
        "tags": ["tulle"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-30m", "to": "now"},
        "links": [
            {
                "type": "dashboards",
                "tags": ["tulle"],
                "title": "Tulle",
                "asDropdown": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": _variables(board)},
        "panels": [_panel(number, panel) for number, panel in enumerate(board.panels)],
    }


def text_of(board: Board) -> str:
    return json.dumps(as_json(board), indent=1) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for board in boards():
        (FOLDER / f"{board.name}.json").write_text(text_of(board))


if __name__ == "__main__":
    main()
