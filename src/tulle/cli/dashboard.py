"""`tulle viz dashboard`: the dashboard on a port of this machine, until it is interrupted."""

import asyncio
import contextlib
import errno
import webbrowser
from collections.abc import Awaitable, Callable

import click

from tulle import names
from tulle.cli.followed import Followed
from tulle.cli.target import Command, Failure, Target, failing, run, target
from tulle.cli.viz_api import INSTALL, running_pod, viz_namespace
from tulle.k8s.portforward import Forward, forwarded

PORT = 50750


@click.command("dashboard", cls=Command)
@click.option("--address", default="localhost", show_default=True, help="Where to listen.")
@click.option(
    "-p",
    "--port",
    type=click.IntRange(0, 65535),
    help=f"Where to listen: {PORT}, or any free one where that is taken; 0 is any free one.",
)
@click.option(
    "--show",
    type=click.Choice(["browser", "url"]),
    default="browser",
    help="Open a browser, or print the address only.",
)
@click.option("--viz-namespace", "given", help="Its namespace, if it is not found by its label.")
@failing(OSError)
def command(address: str, port: int | None, show: str, given: str | None) -> None:
    """Open the dashboard; the address stays while its pods come and go."""
    try:
        run(_serve(target(), address, port, show == "browser", given))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None


async def _serve(
    place: Target, address: str, port: int | None, opens_browser: bool, given: str | None
) -> None:
    async with await place.client() as client, contextlib.AsyncExitStack() as stack:
        namespace = await viz_namespace(client, given)
        pod = await running_pod(client, namespace, names.WEB)
        followed = Followed(client, namespace, names.WEB, pod, say=_say)

        async def forwarding(local: int) -> Forward:
            ports = forwarded(
                client, namespace, followed.ready, names.WEB_PORT, address=address, local=local
            )
            return await stack.enter_async_context(ports)

        forward = await _on_port(forwarding, port)
        followed.left = forward.leave
        url = f"http://{address}:{forward.port}"
        click.echo(f"the dashboard is at {url}")
        click.echo("press Ctrl-C to end", err=True)
        if opens_browser and not await asyncio.to_thread(webbrowser.open, url):
            click.echo(f"no browser was found; open {url} in one", err=True)
        await followed.follow()
    raise Failure(
        f"the Service {names.WEB} in the namespace {namespace} is gone, and the dashboard with it; "
        f"install it anew: {INSTALL}"
    )


def _say(sentence: str) -> None:
    click.echo(f"{sentence}; the dashboard goes on at the same address", err=True)


async def _on_port(forwarding: Callable[[int], Awaitable[Forward]], port: int | None) -> Forward:
    """A port that was asked for is taken or refused; the usual one gives way."""
    try:
        return await forwarding(PORT if port is None else port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
    if port is not None:
        raise Failure(
            f"the port {port} of this machine is taken; give another by -p, or -p 0 for any"
        )
    click.echo(f"the port {PORT} is taken, so another is used", err=True)
    return await forwarding(0)
