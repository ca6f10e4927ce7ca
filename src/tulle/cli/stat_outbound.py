"""`tulle viz stat-outbound`: what workloads sent, by Service, route and backend."""

import json
from collections.abc import Iterator
from typing import Any

import click

from tulle.cli.stat_inbound import ask, explain, numbers, percent, stat_options
from tulle.cli.table import table
from tulle.cli.target import failing
from tulle.cli.watching import TableCommand
from tulle.viz import outbound
from tulle.viz.prometheus import PrometheusError

Json = dict[str, Any]

HEADER = (
    "NAME", "SERVICE", "ROUTE", "TYPE", "BACKEND", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95",
    "LATENCY_P99", "TIMEOUTS", "RETRIES",
)  # fmt: skip
LINE, BRANCH, LAST, ARROW = "─", "├", "└", "►"


@click.command("stat-outbound", cls=TableCommand)
@stat_options
@failing(PrometheusError)
def command(words: tuple[str, ...], **options: Any) -> None:
    """Print what workloads sent, by Service, route and backend; with time-outs and retries."""
    rows = ask("/api/outbound", outbound.outbound, words, options)
    if options["output"] == "json":
        click.echo(json.dumps(rows))
    elif rows:
        right = set(range(5, len(HEADER)))
        click.echo(table(HEADER, list(_lines(rows)), right=right, gutter=2), nl=False)
    if not rows:
        explain("sent by", words, options["time_window"])


def _lines(rows: list[Json]) -> Iterator[list[str]]:
    """A route's backends hang from it as the branches of a tree."""
    width = max((len(row["routeType"]) for row in rows), default=0)
    for row, following in zip(rows, [*rows[1:], {}], strict=True):
        counted = [*numbers(row, "successRate"), percent(row["timeoutRate"])]
        if "backend" not in row:
            service = f"{row['service']}:{row['port']}"
            names = [row["name"], service, row["route"], row["routeType"], ""]
            yield [*names, *counted, percent(row["retryRate"])]
            continue
        mark = BRANCH if "backend" in following else LAST
        route = mark + LINE * (len(row["route"]) - 1)
        backend = f"{row['backend']}:{row['backendPort']}"
        yield ["", "", route, LINE * max(3, width - 1) + ARROW, backend, *counted, ""]
