"""`tulle viz stat-inbound`: what workloads received, by Server and route."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import click
import httpx

from tulle import durations
from tulle.cli import colour
from tulle.cli.completing import WORKLOADS, ObjectWord
from tulle.cli.resources import Resource, resources
from tulle.cli.table import table
from tulle.cli.target import Failure, failing, run, target
from tulle.cli.viz_api import MetricsApi, with_metrics_api
from tulle.cli.watching import TableCommand
from tulle.viz import inbound
from tulle.viz.kinds import KINDS, SENDERS
from tulle.viz.kinds import Resource as Measured
from tulle.viz.prometheus import Prometheus, PrometheusError

Json = dict[str, Any]
Ask = Callable[[Measured, str, Prometheus], Awaitable[list[Json]]]

HEADER = (
    "NAME", "SERVER", "ROUTE", "TYPE", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95",
    "LATENCY_P99",
)  # fmt: skip


def stat_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What stat-inbound and stat-outbound share."""
    options = [
        click.argument("words", nargs=-1, required=True, metavar="TYPE[/NAME]",
                       type=ObjectWord(WORKLOADS)),
        click.option("-n", "--namespace", help="Namespace of the workloads."),
        click.option("-t", "--time-window", default="1m", help="How far back (1m)."),
        click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table",
                     help="Form of the output (table)."),
        click.option("--prometheusURL", "prometheus_url", metavar="URL",
                     help="Ask this Prometheus, not the one of viz."),
        click.option("--viz-namespace", help="Namespace of viz, where no label tells it."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def ask(path: str, directly: Ask, words: tuple[str, ...], options: dict[str, Any]) -> list[Json]:
    """The rows, by metrics-api, or straight from a Prometheus that the user names."""
    asked, window = _one(words), str(options["time_window"])
    within = options["namespace"] or target().default_namespace()
    try:
        durations.seconds(window)
    except ValueError as error:
        raise Failure(f"--time-window {window}: {error}") from error
    if options["prometheus_url"]:
        return run(_directly(directly, asked, within, window, options["prometheus_url"]))
    params = {"kind": asked.kind, "name": asked.name, "namespace": within, "window": window}

    async def rows(api: MetricsApi) -> list[Json]:
        found: list[Json] = (await api.get(path, params))["rows"]
        return found

    return run(with_metrics_api(target(), options["viz_namespace"], rows))


async def _directly(
    ask_prometheus: Ask, asked: Resource, within: str, window: str, url: str
) -> list[Json]:
    namespace = "" if asked.kind == "namespace" else within
    measured = Measured(KINDS[asked.kind], namespace, asked.name)
    async with httpx.AsyncClient() as http:
        return await ask_prometheus(measured, window, Prometheus(http, url))


def _one(words: tuple[str, ...]) -> Resource:
    found = resources(words)
    if len(found) != 1:
        raise Failure("name one workload or one kind, such as deployment/web or deployments")
    if found[0].kind not in SENDERS:
        known = ", ".join(sorted(SENDERS))
        raise Failure(f"{found[0].kind} has no proxy of its own; what has is {known}")
    return found[0]


@click.command("stat-inbound", cls=TableCommand)
@stat_options
@failing(PrometheusError)
def command(words: tuple[str, ...], **options: Any) -> None:
    """Print what workloads received, by Server and route."""
    rows = ask("/api/inbound", inbound.inbound, words, options)
    if options["output"] == "json":
        click.echo(json.dumps(rows))
    elif rows:
        cells = [_cells(row) for row in rows]
        click.echo(table(HEADER, cells, right=set(range(4, len(HEADER))), gutter=2), nl=False)
    if not rows:
        explain("received by", words, options["time_window"])


def explain(what: str, words: tuple[str, ...], window: str) -> None:
    click.echo(
        f"no request {what} {' '.join(words)} was counted in the last {window}; Prometheus asks "
        "meshed pods within seconds of their start: tulle viz check --proxy",
        err=True,
    )


def _cells(row: Json) -> list[str]:
    names = [row["name"], f"{row['server']}:{row['port']}", row["route"], row["routeType"]]
    return [*names, *numbers(row, "successesRate")]


def numbers(row: Json, success: str) -> list[str]:
    latencies = [row[f"latencyMs{name}"] for name in ("P50", "P95", "P99")]
    return [
        percent(row[success], is_success=True),
        f"{row['rps']:.2f}",
        *("-" if value is None else f"{value:.0f}ms" for value in latencies),
    ]


def percent(share: float, *, is_success: bool = False) -> str:
    text = f"{share * 100:.2f}%"
    return colour.success(share, text) if is_success else text
