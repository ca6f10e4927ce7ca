"""`tulle viz top`: the busiest paths, live on the whole screen, or once as a table."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import click

from tulle.cli.completing import ObjectWord
from tulle.cli.table import table
from tulle.cli.tap import events, filter_options, filters, tap_target
from tulle.cli.target import Command, Failure, run, target
from tulle.viz.tap.tally import Row, Tally, duration_text
from tulle.viz.tap.target import PLURALS

REDRAW_SECONDS = 0.1
HELP = [
    "(press q to quit)",
    "(press a/LeftArrowKey to scroll left, d/RightArrowKey to scroll right)",
]


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
        click.echo(text(rows, tally), nl=False)
    else:
        click.echo("no requests were seen", err=True)


async def _live(stream: AsyncGenerator[Any, None], tally: Tally) -> None:
    from tulle.cli.screen import opened

    failure: Failure | None = None
    async with asyncio.TaskGroup() as tasks:
        collecting = tasks.create_task(_collect(stream, tally))
        with opened() as screen:
            while screen.handle_keys() and not collecting.done():
                screen.draw(HELP, text(tally.rows(), tally).splitlines())
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


def text(rows: list[Row], tally: Tally) -> str:
    header = [] if tally.hide_sources else ["Source"]
    header += ["Destination", *(["Route"] if tally.by_route else ["Method", "Path"])]
    names = len(header)
    header += ["Count", "Best", "Worst", "Last", "Success Rate"]
    cells = [_cells(row, tally) for row in rows]
    return table(header, cells, right=set(range(names, len(header))))


def _cells(row: Row, tally: Tally) -> list[str]:
    key = row.key
    found = [] if tally.hide_sources else [key.source]
    found += [key.destination, *([key.route] if tally.by_route else [key.method, key.path])]
    times = [duration_text(value) for value in (row.best, row.worst, row.last)]
    return [*found, str(row.count), *times, f"{row.success_rate:.2%}"]
