"""`tulle viz routes`: success, rate and latency of each route."""

import json
from typing import Any

import click

from tulle.cli import colour
from tulle.cli.completing import ObjectWord
from tulle.cli.resources import Resource, resources
from tulle.cli.table import table
from tulle.cli.target import Failure, run, target
from tulle.cli.viz_api import MetricsApi, with_metrics_api
from tulle.cli.watching import TableCommand

Json = dict[str, Any]

LATENCIES = ("p50", "p95", "p99")
EFFECTIVE = ("EFFECTIVE_SUCCESS", "EFFECTIVE_RPS", "ACTUAL_SUCCESS", "ACTUAL_RPS")


@click.command("routes", cls=TableCommand)
@click.argument("word", metavar="TYPE[/NAME]", type=ObjectWord())
@click.option("-n", "--namespace", help="Namespace of the resource.")
@click.option("-t", "--time-window", default="1m", help="How far back (1m).")
@click.option("--to", help="Only requests to this Service, as counted by the client.")
@click.option("--to-namespace", help="Namespace of --to.")
@click.option("-l", "--selector", default="", help="Only objects with these labels.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json"]),
    default="table",
    help="Form of the output.",
)
@click.option("--viz-namespace", help="Namespace of viz, where it is not found by its label.")
def command(
    word: str,
    namespace: str | None,
    time_window: str,
    to: str | None,
    to_namespace: str | None,
    selector: str,
    output: str,
    viz_namespace: str | None,
) -> None:
    """Print the metrics of each route of ServiceProfiles, HTTPRoutes and GRPCRoutes."""
    if output == "wide" and not to:
        raise Failure("-o wide tells attempts from answers, which only a client knows; give --to")
    within = namespace or target().default_namespace()
    params: dict[str, str | None] = {"window": time_window, "selector": selector}
    params |= _params("", _one(word), within)
    if to:
        params |= _params("to_", _one(to), to_namespace or within)

    async def ask(api: MetricsApi) -> list[Json]:
        found: list[Json] = (await api.get("/api/routes", params))["tables"]
        return found

    tables = run(with_metrics_api(target(), viz_namespace, ask))
    if output == "json":
        shown = {item["resource"]: [_json(row, to) for row in item["rows"]] for item in tables}
        click.echo(json.dumps(shown, indent=2))
    else:
        _print(tables, wide=output == "wide")
    if all(row["effective_rps"] is None for item in tables for row in item["rows"]):
        click.echo(
            f"no requests by route were counted in the last {time_window}; the proxies of clients "
            "count them: ask for a Service, or for a workload with --to",
            err=True,
        )


def _print(tables: list[Json], *, wide: bool) -> None:
    texts = [
        (f"==> {item['resource']} <==\n" if len(tables) > 1 else "")
        + _table(item["rows"], wide=wide)
        for item in tables
    ]
    click.echo("\n".join(texts), nl=False)


def _one(word: str) -> Resource:
    found = resources(tuple(word.split()))
    if len(found) != 1 or found[0].kind == "all":
        raise Failure(f"{word}: name one resource, such as service/web")
    return found[0]


def _params(prefix: str, resource: Resource, namespace: str) -> dict[str, str | None]:
    return {
        f"{prefix}kind": resource.kind,
        f"{prefix}name": resource.name,
        f"{prefix}namespace": namespace,
    }


def _table(rows: list[Json], *, wide: bool) -> str:
    header = ["ROUTE", "SERVICE", *(EFFECTIVE if wide else ("SUCCESS", "RPS"))]
    header += [f"LATENCY_{name.upper()}" for name in LATENCIES]
    cells = []
    for row in rows:
        counted = ["effective", *(["actual"] if wide else [])]
        line = [row["route"], row["authority"].split(".")[0]]
        for name in counted:
            line += [_percent(row[f"{name}_success"]), _rate(row[f"{name}_rps"])]
        line += [_milliseconds(row[f"latency_ms_{name}"]) for name in LATENCIES]
        cells.append(line)
    return table(header, cells, right=set(range(2, len(header))))


def _percent(share: float | None) -> str:
    return "-" if share is None else colour.success(share, f"{share * 100:.2f}%")


def _rate(rps: float | None) -> str:
    return "-" if rps is None else f"{rps:.1f}rps"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}ms"


def _json(row: Json, to: str | None) -> Json:
    found: Json = {"route": row["route"], "authority": row["authority"]}
    if to:
        keys = ("effective_success", "effective_rps", "actual_success", "actual_rps")
        found |= {key: row[key] for key in keys}
    else:
        found |= {"success": row["effective_success"], "rps": row["effective_rps"]}
    for name in LATENCIES:
        value = row[f"latency_ms_{name}"]
        found[f"latency_ms_{name}"] = None if value is None else round(value)
    return found
