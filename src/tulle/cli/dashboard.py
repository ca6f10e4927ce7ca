"""`tulle viz dashboard`: the dashboard on a port of this machine, until it is interrupted."""

import asyncio
import webbrowser

import click

from tulle import names
from tulle.cli.target import Command, Target, failing, run, target
from tulle.cli.viz_api import running_pod, viz_namespace
from tulle.k8s.portforward import forwarded

PORT = 50750


@click.command("dashboard", cls=Command)
@click.option("--address", default="localhost", show_default=True, help="Where to listen.")
@click.option("-p", "--port", default=PORT, show_default=True, help="0 takes any free one.")
@click.option(
    "--show",
    type=click.Choice(["browser", "url"]),
    default="browser",
    help="Open a browser, or print the address only.",
)
@click.option("--viz-namespace", "given", help="Its namespace, if it is not found by its label.")
@failing(OSError)
def command(address: str, port: int, show: str, given: str | None) -> None:
    """Open the dashboard."""
    try:
        run(_serve(target(), address, port, show == "browser", given))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None


async def _serve(
    place: Target, address: str, port: int, opens_browser: bool, given: str | None
) -> None:
    async with await place.client() as client:
        namespace = await viz_namespace(client, given)
        pod = await running_pod(client, namespace, names.WEB)
        ports = forwarded(client, namespace, pod, names.WEB_PORT, address=address, local=port)
        async with ports as forward:
            url = f"http://{address}:{forward.port}"
            click.echo(f"the dashboard is at {url}")
            click.echo("press Ctrl-C to end", err=True)
            if opens_browser and not await asyncio.to_thread(webbrowser.open, url):
                click.echo(f"no browser was found; open {url} in one", err=True)
            await asyncio.Event().wait()
