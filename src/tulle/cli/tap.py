"""`tulle viz tap`: requests as they happen, one line for each beginning, response and end."""

import asyncio
import datetime
import json
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import click
from click.shell_completion import CompletionItem

from tulle.cli import colour
from tulle.cli.completing import ObjectWord
from tulle.cli.jsonpath import BadPath, template
from tulle.cli.resources import resources
from tulle.cli.target import Command, Failure, Target, run, target
from tulle.k8s.client import ApiError, Forbidden, NotFound
from tulle.viz.tap import client as tap_client
from tulle.viz.tap.filters import Filters, request
from tulle.viz.tap.har import Archive
from tulle.viz.tap.lines import as_json, line
from tulle.viz.tap.target import PLURALS
from tulle.viz.tap.target import Target as TapTarget
from tulle.viz.tap.wire import BadFrame

JSONPATH = "jsonpath="
TO_KINDS = (*PLURALS, "service")


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What tap and top filter by."""
    options = [
        click.option("-n", "--namespace", help="Namespace of the object."),
        click.option("--to", metavar="TYPE[/NAME]", help="Only requests to these."),
        click.option("--to-namespace", help="Namespace of --to; by itself, all that is in it."),
        click.option(
            "--max-rps",
            type=click.FloatRange(min=0, min_open=True),
            default=100.0,
            show_default=True,
            help="The most requests per second.",
        ),
        click.option("--scheme", default="", help="Only requests of this scheme."),
        click.option("--method", default="", help="Only requests of this method."),
        click.option("--authority", default="", help="Only requests to exactly this authority."),
        click.option("--path", default="", help="Only paths that begin so."),
        click.option("-l", "--selector", default="", help="Only pods with these labels."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def tap_target(words: tuple[str, ...], namespace: str) -> TapTarget:
    found = resources(words)
    if len(found) != 1:
        raise Failure("name one object or one kind, such as deployment/web or deployments")
    kind, name = found[0].kind, found[0].name
    if kind not in PLURALS:
        raise Failure(f"{kind} cannot be tapped; what can is {', '.join(PLURALS)}")
    if kind == "namespace":
        return TapTarget(name or namespace, kind, name or namespace)
    return TapTarget(namespace, kind, name)


def filters(options: dict[str, Any], namespace: str) -> Filters:
    to = None
    if options["to"]:
        found = resources((options["to"],))[0]
        if found.kind not in TO_KINDS:
            raise Failure(f"--to {options['to']}: must be one of {', '.join(TO_KINDS)}")
        to = (found.kind, found.name)
    where = options["to_namespace"] or (namespace if to and to[0] != "namespace" else "")
    return Filters(
        to,
        where,
        options["scheme"],
        options["method"],
        options["authority"],
        options["path"],
        options["selector"],
        options["max_rps"],
    )


async def events(
    place: Target, asked: TapTarget, wanted: Filters, *, extract_headers: bool = False
) -> AsyncGenerator[Any, None]:
    """Events, or a Failure that says why there are none."""
    message = request(asked, wanted, extract_headers=extract_headers)
    async with await place.client() as client:
        try:
            async with aclosing(tap_client.events(client, asked.path, message)) as found:
                async for event in found:
                    yield event
        except Forbidden as error:
            raise Failure(
                f"not allowed to tap {asked}: {error.message}; who may grant it binds you to the "
                "ClusterRole of viz whose name ends in -tap-admin, or to a narrower one"
            ) from error
        except NotFound as error:
            raise Failure(_not_found(error, asked)) from error
        except ApiError as error:
            raise Failure(f"tap failed: {error.message or error.reason}") from error
        except BadFrame as error:
            raise Failure(f"tap failed: {error}") from error


def _not_found(error: NotFound, asked: TapTarget) -> str:
    if str(asked) in error.message:
        return error.message
    return (
        "the cluster has no tap API; install it with: tulle viz install | kubectl apply -f - "
        f"({error.message})"
    )


class Form(click.ParamType[str]):
    """A word, or a JSONPath behind its own."""

    name = "form"
    words = ("wide", "json", "har")

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.words)}|jsonpath=...]"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if value in self.words:
            return str(value)
        if not value.startswith(JSONPATH):
            self.fail(
                f"{value!r} is not one of {', '.join(self.words)} and {JSONPATH}…", param, ctx
            )
        try:
            template(value.removeprefix(JSONPATH))
        except BadPath as error:
            self.fail(str(error), param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(word) for word in self.words if word.startswith(incomplete)]


@click.command("tap", cls=Command)
@click.argument("words", nargs=-1, required=True, metavar="TYPE[/NAME]", type=ObjectWord(PLURALS))
@filter_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    help="End after so long; without, when interrupted.",
)
@click.option(
    "-o",
    "--output",
    type=Form(),
    help="wide adds labels; json is one object per line, with headers; jsonpath={.a.b} picks from "
    "that; har is an HTTP Archive.",
)
def command(
    words: tuple[str, ...], output: str | None, seconds: float | None, **options: Any
) -> None:
    """Watch the requests of an object's pods as they happen."""
    place = target()
    namespace = options["namespace"] or place.default_namespace()
    asked = tap_target(words, namespace)
    wanted = filters(options, namespace)
    archive = Archive()
    with_headers = output not in (None, "wide")
    stream = events(place, asked, wanted, extract_headers=with_headers)
    following = _follow(stream, seconds, _writer(output, archive))
    with suppress(KeyboardInterrupt):
        # An archive is written in the end, however that comes.
        run(_until_terminated(following) if output == "har" else following)
    if output == "har":
        _write(archive)


def _writer(output: str | None, archive: Archive) -> Callable[[Any], None]:
    """What is done with each event."""
    if output == "json":
        return lambda event: click.echo(
            json.dumps(as_json(event), ensure_ascii=False, separators=(",", ":"))
        )
    if output and output.startswith(JSONPATH):
        shown = template(output.removeprefix(JSONPATH))
        return lambda event: click.echo(shown(as_json(event)))
    if output == "har":
        return lambda event: archive.add(event, datetime.datetime.now(datetime.UTC))
    is_coloured = colour.is_wanted()
    return lambda event: click.echo(_painted(event, is_coloured, wide=output == "wide"))


def _painted(event: Any, is_coloured: bool, *, wide: bool) -> str:
    """Red is what failed: an answer of 5xx, or a stream that was broken off."""
    text, http = line(event, wide=wide), event.http
    failed = (
        http.response_init.http_status >= 500
        or http.response_end.eos.WhichOneof("end") == "reset_error_code"
    )
    return click.style(text, fg="red") if is_coloured and failed else text


async def _follow(
    stream: AsyncGenerator[Any, None], seconds: float | None, show: Callable[[Any], None]
) -> None:
    try:
        async with asyncio.timeout(seconds), aclosing(stream) as found:
            async for event in found:
                show(event)
    except TimeoutError:
        return


async def _until_terminated(following: Coroutine[Any, Any, None]) -> None:
    """An exception out of a signal could come amid the event loop's own work, and be lost."""
    task = asyncio.ensure_future(following)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _write(archive: Archive) -> None:
    click.echo(json.dumps(archive.document(), ensure_ascii=False, indent=2))
    click.echo(f"{len(archive.entries)} requests", err=True, nl=False)
    left = f"; {archive.unfinished} that had not ended are left out" if archive.unfinished else ""
    click.echo(left, err=True)
