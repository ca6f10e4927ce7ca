"""`tulle viz profile`: a ServiceProfile from the requests that a tap sees."""

import asyncio
from contextlib import aclosing
from typing import Any

import click

from tulle.cli.completing import ObjectName, ObjectWord
from tulle.cli.manifest import output_option, write
from tulle.cli.profile import cluster_domain
from tulle.cli.tap import events, tap_target
from tulle.cli.target import Command, Failure, failing, run, target
from tulle.cli.watching import Duration
from tulle.install.profile import BadDescription, seen_route, seen_routes, service_profile
from tulle.install.stored_values import NoInstall
from tulle.proto import tap_pb2
from tulle.viz.tap.filters import Filters
from tulle.viz.tap.lines import method_text
from tulle.viz.tap.target import PLURALS

DEFAULT_SECONDS = "5s"
DEFAULT_ROUTES = 20


@click.command("profile", cls=Command)
@click.argument("service", type=ObjectName("service"))
@click.option(
    "--tap",
    "tapped",
    required=True,
    metavar="TYPE/NAME",
    type=ObjectWord(PLURALS),
    help="Whose requests are watched: the workload behind the service.",
)
@click.option(
    "--tap-duration",
    type=Duration(),
    default=DEFAULT_SECONDS,
    show_default=True,
    help="How long they are watched.",
)
@click.option(
    "--tap-route-limit",
    type=click.IntRange(min=1),
    default=DEFAULT_ROUTES,
    show_default=True,
    help="The most routes; the first that are seen.",
)
@click.option("-n", "--namespace", help="Namespace of the service.")
@output_option
@failing(BadDescription, NoInstall)
def command(
    service: str,
    tapped: str,
    tap_duration: float,
    tap_route_limit: int,
    namespace: str | None,
    output: str,
) -> None:
    """Print a ServiceProfile of the requests that come to a workload now."""
    place = target()
    within = namespace or place.default_namespace()
    domain = run(cluster_domain(place))
    found: dict[tuple[str, str], None] = {}
    stream = events(place, tap_target((tapped,), within), Filters())

    async def watch() -> None:
        try:
            async with asyncio.timeout(tap_duration), aclosing(stream) as seen:
                async for event in seen:
                    if (route := route_of(event)) and len(found) < tap_route_limit:
                        found[route] = None
        except TimeoutError:
            return

    run(watch())
    if not found:
        raise Failure(
            f"no request came to {tapped} within {tap_duration:g} s, so there is no route to "
            "name; watch for longer with --tap-duration"
        )
    write([service_profile(service, within, domain, seen_routes(found))], output)


def route_of(event: Any) -> tuple[str, str] | None:
    """Of a request that arrives; the bare root says nothing of a service."""
    http = event.http
    if (
        event.proxy_direction != tap_pb2.TapEvent.INBOUND
        or http.WhichOneof("event") != "request_init"
        or http.request_init.path == "/"
    ):
        return None
    return seen_route(method_text(http.request_init.method), http.request_init.path)
