"""`tulle viz edges`: who talks to whom, and whether each connection is secured."""

import json
from typing import Any

import click

from tulle.cli import colour
from tulle.cli.completing import WORKLOADS, KindName
from tulle.cli.resources import kind_of
from tulle.cli.table import table
from tulle.cli.target import Failure, run, target
from tulle.cli.viz_api import MetricsApi, with_metrics_api
from tulle.cli.watching import TableCommand

Json = dict[str, Any]

WITHOUT_EDGES = ("all", "service")


@click.command("edges", cls=TableCommand)
@click.argument("kind", metavar="TYPE", type=KindName(WORKLOADS))
@click.option("-n", "--namespace", help="Either end is in this namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json"]),
    default="table",
    help="Form of the output.",
)
@click.option("--viz-namespace", help="Namespace of viz, where it is not found by its label.")
def command(
    kind: str, namespace: str | None, all_namespaces: bool, output: str, viz_namespace: str | None
) -> None:
    """Print the open connections between meshed workloads; √ is mutual TLS."""
    if "/" in kind:
        raise Failure(f"{kind}: edges are of a kind, such as deployments; leave out the name")
    found = kind_of(kind)
    if found in WITHOUT_EDGES:
        raise Failure(f"{found} has no edges of its own; ask for deployments or pods")
    place = target()
    within = None if all_namespaces else namespace or place.default_namespace()

    async def ask(api: MetricsApi) -> list[Json]:
        answer = await api.get("/api/edges", {"kind": found, "namespace": within})
        edges: list[Json] = answer["edges"]
        return edges

    rows = run(with_metrics_api(place, viz_namespace, ask))
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif rows:
        click.echo(_table(rows, wide=output == "wide"), nl=False)
    if not rows:
        where = f"with an end in the namespace {within}" if within else "in any namespace"
        click.echo(
            f"no open connection between meshed {kind} {where} is known; a proxy tells of it "
            "within seconds, once one workload talks to another",
            err=True,
        )


def _table(rows: list[Json], *, wide: bool) -> str:
    header = ["SRC", "DST", "SRC_NS", "DST_NS", "SECURED"]
    keys = ["src", "dst", "src_namespace", "dst_namespace"]
    if wide:
        header[4:4] = ["CLIENT_ID", "SERVER_ID"]
        keys += ["client_id", "server_id"]
    cells = [[*(row[key] for key in keys), _secured(row["no_tls_reason"])] for row in rows]
    return table(header, cells)


def _secured(reason: str) -> str:
    return colour.marked(reason, "yellow") if reason else colour.marked("√", "green")
