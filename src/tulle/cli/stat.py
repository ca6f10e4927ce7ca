"""`tulle viz stat`: success, rate and latency of workloads, as their proxies counted them."""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click

from tulle import durations
from tulle.cli.resources import KINDS, Resource, resources
from tulle.cli.stat_table import json_rows, stat_table
from tulle.cli.target import Failure, run, target
from tulle.cli.viz_api import MetricsApi, with_metrics_api
from tulle.cli.watching import TableCommand
from tulle.viz.kinds import POLICY, SENDERS

Json = dict[str, Any]

SHORTEST_SECONDS = 15.0
MEASURED = frozenset(
    {
        "cronjob", "daemonset", "deployment", "job", "namespace", "pod", "replicaset",
        "replicationcontroller", "service", "statefulset", "trafficsplit", *POLICY,
    }
)  # fmt: skip
# What `all` stands for, in the order of the tables.
ALL = sorted(MEASURED - {"namespace", "trafficsplit", *POLICY})


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and with whom the traffic is to be."""

    namespace: str | None  # None: all of them
    to: Resource | None
    to_namespace: str | None
    source: Resource | None
    from_namespace: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """The answer for one kind. `hidden` counts rows that are not meshed and so not shown."""

    kind: str
    rows: list[Json]
    hidden: int
    answer: Json


@click.command("stat", cls=TableCommand)
@click.argument("words", nargs=-1, required=True, metavar="TYPE[/NAME]")
@click.option("-n", "--namespace", help="Namespace of the resource.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces.")
@click.option("-t", "--time-window", default="1m", help="How far back; at least 15s (1m).")
@click.option("--to", help="Only requests to this resource, as counted by the clients.")
@click.option("--to-namespace", help="Namespace of --to.")
@click.option("--from", "source", help="Only requests from this resource, as counted by it.")
@click.option("--from-namespace", help="Namespace of --from.")
@click.option("-l", "--selector", default="", help="Only objects with these labels.")
@click.option("--unmeshed", is_flag=True, help="Show what is not meshed too.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "wide", "json"]),
    default="table",
    help="Form of the output.",
)
@click.option("--viz-namespace", help="Namespace of viz, where it is not found by its label.")
def command(
    words: tuple[str, ...],
    namespace: str | None,
    all_namespaces: bool,
    time_window: str,
    to: str | None,
    to_namespace: str | None,
    source: str | None,
    from_namespace: str | None,
    selector: str,
    unmeshed: bool,
    output: str,
    viz_namespace: str | None,
) -> None:
    """Print success rate, requests per second and latencies, over the last minute."""
    found = [_measured(item) for item in resources(words)]
    _judge_window(time_window)
    where = Place(
        None if all_namespaces else namespace or target().default_namespace(),
        _other("--to", to),
        to_namespace,
        _other("--from", source),
        from_namespace,
    )
    _judge(found, where, namespace, all_namespaces)
    shared: dict[str, str | None] = {"window": time_window, "selector": selector}

    async def ask(api: MetricsApi) -> list[Table]:
        asked = [_params(item, where) | shared for item in _each_kind(found)]
        answers = await asyncio.gather(*(api.get("/api/stat", params) for params in asked))
        return _tables(answers, show_all=unmeshed or where.source is not None)

    tables = run(with_metrics_api(target(), viz_namespace, ask))
    _write(tables, output, all_namespaces)
    _explain(tables, found, where, time_window)


def _measured(resource: Resource) -> Resource:
    if resource.kind not in MEASURED | {"all"}:
        raise Failure(f"{resource.kind} has no metrics; known are {', '.join(sorted(MEASURED))}")
    return resource


def _other(flag: str, word: str | None) -> Resource | None:
    if word is None:
        return None
    found = resources(tuple(word.split()))
    if len(found) != 1 or found[0].kind == "all":
        raise Failure(f"{flag} takes one resource, such as deployment/web")
    return _measured(found[0])


def _judge_window(text: str) -> None:
    try:
        seconds = durations.seconds(text)
    except ValueError as error:
        raise Failure(f"--time-window {text}: {error}") from error
    if seconds < SHORTEST_SECONDS:
        raise Failure(f"--time-window {text}: the shortest is {SHORTEST_SECONDS:.0f}s")


def _judge(
    found: list[Resource], where: Place, namespace: str | None, all_namespaces: bool
) -> None:
    """What contradicts itself is said before anybody is asked."""
    if where.to and where.source:
        raise Failure("--to and --from exclude one another")
    if where.to_namespace and where.from_namespace:
        raise Failure("--to-namespace and --from-namespace exclude one another")
    if all_namespaces and namespace:
        raise Failure("-A asks in all namespaces, so -n cannot be given too")
    if all_namespaces and any(item.name for item in found):
        raise Failure("-A asks for all of a kind, so no name can be given")
    if where.source and where.source.kind not in SENDERS:
        raise Failure(f"a {where.source.kind} sends nothing; give --from a workload")
    if any(item.kind == "namespace" for item in found):
        given = {
            "-n": namespace,
            "--to-namespace": where.to_namespace,
            "--from-namespace": where.from_namespace,
        }
        for flag, value in given.items():
            if value:
                raise Failure(f"{flag} says nothing of a namespace; leave it out")
    for item in found:
        if where.to and item.kind not in SENDERS | {"all"}:
            raise Failure(f"a {item.kind} sends nothing, so it has no traffic --to")
        if where.source and item.kind in POLICY:
            raise Failure(f"{item.kind} takes no --from: who asks is not told apart there")


def _each_kind(found: list[Resource]) -> Iterable[Resource]:
    for item in found:
        if item.kind == "all":
            yield from (Resource(kind) for kind in ALL)
        else:
            yield item


def _params(item: Resource, where: Place) -> dict[str, str | None]:
    params: dict[str, str | None] = {
        "kind": item.kind,
        "name": item.name,
        "namespace": where.namespace,
    }
    others = {"to": (where.to, where.to_namespace), "from": (where.source, where.from_namespace)}
    for word, (other, namespace) in others.items():
        if other:
            params[f"{word}_kind"], params[f"{word}_name"] = other.kind, other.name
            params[f"{word}_namespace"] = namespace or where.namespace
    return params


def _tables(answers: Iterable[Json], *, show_all: bool) -> list[Table]:
    by_kind: dict[str, list[Json]] = {}
    for answer in answers:
        by_kind.setdefault(answer["kind"], []).append(answer)
    found = []
    for kind, parts in sorted(by_kind.items()):
        rows = [row for part in parts for row in part["rows"]]
        rows.sort(key=lambda row: (row["namespace"], row["name"], row.get("leaf", "")))
        shown = [row for row in rows if show_all or row.get("meshed_pods", 1) > 0]
        found.append(Table(kind, shown, len(rows) - len(shown), parts[0]))
    return found


def _write(tables: list[Table], output: str, all_namespaces: bool) -> None:
    shown = [table for table in tables if table.rows]
    if output == "json":
        rows = [row for table in shown for row in json_rows(table.kind, table.rows)]
        for row in rows:
            row["failure_classification"] = tables[0].answer["classification"]
        click.echo(json.dumps(rows, indent=2))
        return
    texts = [
        stat_table(
            table.kind,
            table.rows,
            wide=output == "wide",
            with_namespace=all_namespaces and table.kind != "namespace",
            prefix=_short(table.kind) if len(shown) > 1 else "",
        )
        for table in shown
    ]
    click.echo("\n".join(texts), nl=False)


def _short(kind: str) -> str:
    return (KINDS[kind][1] or (kind,))[0] + "/"


def _explain(tables: list[Table], found: list[Resource], where: Place, window: str) -> None:
    """On standard error: how failures are told, and why nothing, or nothing but dashes, stands."""
    sys.stdout.flush()
    asked = ", ".join(str(item) for item in found)
    place = f"the namespace {where.namespace}" if where.namespace else "any namespace"
    if any(item.kind == "namespace" for item in found):
        place = "the cluster"
    if not any(table.rows for table in tables):
        hidden = sum(table.hidden for table in tables)
        if hidden:
            text = (
                f"{asked} in {place}: {hidden} found, none of them meshed; annotate the namespace "
                "with linkerd.io/inject=enabled and restart them, or show them with --unmeshed"
            )
        elif any(table.answer["scraped_proxies"] is not None for table in tables):
            text = _no_traffic(tables, where, window)
        else:
            text = f"{asked}: nothing was found in {place}"
            if any(item.kind == "httproute" for item in found):
                text += "; HTTPRoutes of Services, not of Servers, are told by viz stat-outbound"
        click.echo(text, err=True)
    elif all(
        row["numbers"] is None and not row.get("unauthorized")
        for table in tables
        for row in table.rows
    ):
        click.echo(_no_traffic(tables, where, window), err=True)
    else:
        click.echo(f"note: {tables[0].answer['classification']}", err=True)


def _no_traffic(tables: list[Table], where: Place, window: str) -> str:
    if not any(table.answer["scraped_proxies"] for table in tables):
        return (
            "no requests are known, for Prometheus has not reached any proxy there yet; "
            "it does so within seconds of a pod's start: tulle viz check --proxy"
        )
    between = " between the two" if where.to or where.source else ""
    return f"no requests{between} were counted in the last {window}"
