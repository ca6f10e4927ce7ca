"""`tulle viz top`: the busiest paths, live on the whole screen, or once as a table."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import click

from tulle.cli.completing import ObjectWord
from tulle.cli.tap import events, filter_options, filters, tap_target
from tulle.cli.target import Command, Failure, run, target
from tulle.cli.top_view import Column, View, columns, text
from tulle.viz.tap.tally import Tally
from tulle.viz.tap.target import PLURALS

REDRAW_SECONDS = 0.1


@click.command("top", cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="TYPE[/NAME]", type=ObjectWord(PLURALS))
@filter_options
@click.option("--hide-sources", is_flag=True, help="Put all sources together.")
@click.option("--routes", is_flag=True, help="Count by route, not by method and path.")
@click.option("--once", is_flag=True, help="Print one table and end; so it is without a terminal.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="How long --once watches.",
)
def command(
    words: tuple[str, ...],
    hide_sources: bool,
    routes: bool,
    once: bool,
    seconds: float,
    **options: Any,
) -> None:
    """Show the busiest paths of an object's pods, live."""
    place = target()
    namespace = options["namespace"] or place.default_namespace()
    asked = tap_target(words, namespace)
    tally = Tally(routes, hide_sources)
    stream = events(place, asked, filters(options, namespace))
    try:
        if once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            run(_watch(stream, tally, seconds))
            _print(tally)
        else:
            run(_live(stream, tally))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(0) from None


async def _watch(stream: AsyncGenerator[Any, None], tally: Tally, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds), aclosing(stream) as found:
            async for event in found:
                tally.add(event)
    except TimeoutError:
        return


def _print(tally: Tally) -> None:
    if rows := tally.rows():
        click.echo(text(rows, _columns(tally)), nl=False)
    else:
        click.echo("no requests were seen", err=True)


async def _live(stream: AsyncGenerator[Any, None], tally: Tally) -> None:
    from tulle.cli.screen import opened

    failure: Failure | None = None
    view = View(_columns(tally))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with asyncio.TaskGroup() as tasks:
        collecting = tasks.create_task(_collect(stream, tally))
        with opened() as screen:
            while not (stop.is_set() or collecting.done()):
                if not all(view.press(key) for key in screen.pressed()):
                    break
                screen.draw(view.title(), view.table(tally.rows(), *screen.table_size))
                await asyncio.sleep(REDRAW_SECONDS)
        if collecting.done():
            failure = collecting.result()
        collecting.cancel()
    if failure is not None:
        raise failure


async def _collect(stream: AsyncGenerator[Any, None], tally: Tally) -> Failure | None:
    """A failure is handed back, to be told once the screen is the user's own again."""
    try:
        async with aclosing(stream) as found:
            async for event in found:
                tally.add(event)
    except Failure as failure:
        return failure
    return None


def _columns(tally: Tally) -> tuple[Column, ...]:
    return columns(by_route=tally.by_route, hide_sources=tally.hide_sources)
