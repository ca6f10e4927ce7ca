"""`tulle viz authz`: the authorizations of workloads, with what each let in or kept out."""

import json
from typing import Any

import click

from tulle.cli import colour
from tulle.cli.authz import known_authorizations
from tulle.cli.completing import WORKLOADS, ObjectWord
from tulle.cli.resources import Resource, resources
from tulle.cli.table import table
from tulle.cli.target import Failure, Target, run, target
from tulle.cli.viz_api import MetricsApi, with_metrics_api
from tulle.cli.watching import TableCommand
from tulle.install.authorizations import Row
from tulle.viz.kinds import SENDERS

Json = dict[str, Any]

HEADER = (
    "ROUTE", "SERVER", "AUTHORIZATION", "UNAUTHORIZED", "SUCCESS", "RPS", "LATENCY_P50",
    "LATENCY_P95", "LATENCY_P99",
)  # fmt: skip
NAMES = ("route", "server", "authorization")
NUMBERS = ("unauthorized", "success", "rps", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99")


@click.command("authz", cls=TableCommand)
@click.argument("words", nargs=-1, required=True, metavar="TYPE[/NAME]", type=ObjectWord(WORKLOADS))
@click.option("-n", "--namespace", help="Namespace of the workloads.")
@click.option("-t", "--time-window", default="1m", help="How far back (1m).")
@click.option("-l", "--selector", default="", help="Only pods with these labels.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="Form of the output (table).",
)
@click.option("--viz-namespace", help="Namespace of viz, where no label tells it.")
def command(
    words: tuple[str, ...],
    namespace: str | None,
    time_window: str,
    selector: str,
    output: str,
    viz_namespace: str | None,
) -> None:
    """Print the authorizations of workloads and the requests that each let in."""
    found = resources(words)
    if len(found) != 1 or found[0].kind not in SENDERS:
        raise Failure("name one workload or one kind of them, such as deployment/web")
    place = target()
    within = namespace or place.default_namespace()
    params = {
        "kind": found[0].kind,
        "name": found[0].name,
        "namespace": within,
        "window": time_window,
    }

    async def ask(api: MetricsApi) -> list[Json]:
        counted: list[Json] = (await api.get("/api/authz", params))["rows"]
        return counted

    counted = run(with_metrics_api(place, viz_namespace, ask))
    rows = joined(run(_written(place, found[0], within, selector)), counted)
    if output == "json":
        click.echo(json.dumps([_json(row) for row in rows]), nl=False)
    elif rows:
        cells = [_cells(row) for row in rows]
        click.echo(table(HEADER, cells, right=set(range(3, len(HEADER))), gutter=2), nl=False)
    else:
        click.echo(
            f"no authorization names a port of {found[0]} in {within}, and no request came there "
            f"in the last {time_window}",
            err=True,
        )


async def _written(place: Target, resource: Resource, namespace: str, selector: str) -> list[Row]:
    if place.api_addr:  # there is no Kubernetes to ask
        return []
    return await known_authorizations(place, resource, namespace, selector)


def joined(written: list[Row], counted: list[Json]) -> list[Json]:
    """What is written without traffic is there too, without numbers."""
    rows = {tuple(row[name] for name in NAMES): row for row in counted}
    for row in written:
        kind, name = (
            ("authorizationpolicy", row.policy)
            if row.policy
            else ("serverauthorization", row.server_authorization)
        )
        authorization = f"{kind}/{name}"
        if row.route == "*":
            if not any(key[1:] == (row.server, authorization) for key in rows):
                key = ("*", row.server, authorization)
                rows[key] = dict(zip(NAMES, key, strict=True))
        else:
            key = (row.route, row.server, authorization)
            rows.setdefault(key, dict(zip(NAMES, key, strict=True)))
    return sorted(rows.values(), key=lambda r: (r["server"], r["route"], r["authorization"]))


def _cells(row: Json) -> list[str]:
    success = row.get("success")
    return [
        *(row[name] for name in NAMES),
        _unauthorized(row.get("unauthorized")),
        "-" if success is None else colour.success(success, f"{success * 100:.2f}%"),
        "-" if row.get("rps") is None else f"{row['rps']:.1f}rps",
        *("-" if row.get(name) is None else f"{row[name]:.0f}ms" for name in NUMBERS[3:]),
    ]


def _unauthorized(rps: float | None) -> str:
    if rps is None:
        return "-"
    text = f"{rps:.1f}rps"
    return colour.marked(text, "red") if rps else text


def _json(row: Json) -> Json:
    return {key: row[key] for key in (*NAMES, *NUMBERS) if row.get(key) is not None}
