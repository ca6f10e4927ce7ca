"""`tulle viz check`: is the extension there, does it run, and does it know the proxies?"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tulle import names
from tulle.cli.check import wait_seconds
from tulle.cli.check_output import Spinner, Table, as_json, has_colour
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.cli.viz_api import MetricsApi, viz_namespace, with_metrics_api
from tulle.install.checks.facts import Facts, gather
from tulle.install.checks.runner import judged
from tulle.install.checks.viz import VIZ, VIZ_DATA_PLANE, data_plane_questions, viz_questions
from tulle.k8s.client import Client

if TYPE_CHECKING:
    from tulle.install.checks.model import Section

Json = dict[str, Any]


@click.command("check", cls=Command)
@click.option("--proxy", is_flag=True, help="Does Prometheus reach every proxy, too?")
@click.option("--wait", default="5m0s", help="How long to wait for what is still starting.")
@click.option("-n", "--namespace", help="Namespace whose proxies --proxy checks (all).")
@click.option("--viz-namespace", "given", help="Namespace of viz.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "short"]), default="table", help="Form."
)
def command(proxy: bool, wait: str, namespace: str | None, given: str | None, output: str) -> None:
    """Check that viz is well."""
    if not run(_check(target(), proxy, wait_seconds(wait), namespace, given, output)):
        sys.exit(1)


async def _check(
    place: Target,
    proxy: bool,
    seconds: float,
    namespace: str | None,
    given: str | None,
    output: str,
) -> bool:
    table = Table(sys.stdout, short=output == "short", colour=has_colour())
    sections: list[Section] = []
    async with await place.client() as client:
        space = await _namespace(client, given)

        async def self_check(_: Client) -> Json:
            return await _metrics_api(place, space, "/api/selfcheck", {})

        async def scrapes(_: Client) -> Json:
            params = {"namespace": namespace}
            return await _metrics_api(place, space, "/api/check", params) if proxy else {}

        asked = viz_questions(space, place.tulle_namespace, self_check, scrapes)
        asked |= data_plane_questions() if proxy else {}

        async def ask() -> Facts:
            return await gather(client, space, asked, namespace)

        categories = (VIZ, VIZ_DATA_PLANE) if proxy else (VIZ,)
        pending = Spinner(sys.stderr)
        async for section in judged(categories, ask, wait_seconds=seconds, pending=pending):
            sections.append(section)
            if output != "json":
                table.section(section)
    success = all(section.is_success for section in sections)
    if output == "json":
        click.echo(as_json(sections))
    else:
        table.end(success=success)
    return success


async def _namespace(client: Client, given: str | None) -> str:
    """The default where there is none: that it does not exist is then a finding."""
    try:
        return await viz_namespace(client, given)
    except Failure:
        return names.VIZ_NAMESPACE


async def _metrics_api(
    place: Target, namespace: str, path: str, params: Mapping[str, str | None]
) -> Json:
    async def ask(api: MetricsApi) -> Json:
        return await api.get(path, params)

    try:
        return await with_metrics_api(place, namespace, ask)
    except Failure as error:
        return {"error": error.message}
