"""`--watch`: a command that prints a table prints it again and again, in place on a terminal."""

import contextlib
import io
import shutil
import sys
import time
from typing import Any

import click

from tulle import durations
from tulle.cli.target import Command, Failure

EVERY = "2s"
UP, WIPE, NO_WRAP, WRAP = "\x1b[{}F", "\x1b[J", "\x1b[?7l", "\x1b[?7h"


class Duration(click.ParamType[float]):
    """A duration above nothing, as seconds."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        try:
            seconds = value if isinstance(value, float) else durations.seconds(value)
        except ValueError as error:
            self.fail(f"{value}: {error}", param, ctx)
        if seconds <= 0:
            self.fail(f"{value}: give more than nothing, such as {EVERY}", param, ctx)
        return float(seconds)


def watch_options() -> list[click.Option]:
    return [
        click.Option(["--watch"], is_flag=True, help="Print again and again, until interrupted."),
        click.Option(
            ["--interval"],
            type=Duration(),
            default=EVERY,
            show_default=True,
            help="How often --watch asks.",
        ),
    ]


class TableCommand(Command):
    """A command that writes a table to standard output and notes to standard error."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        position = sum(not _is_global(parameter) for parameter in self.params)
        self.params[position:position] = watch_options()

    def invoke(self, ctx: click.Context) -> Any:
        is_watching, interval = ctx.params.pop("watch"), ctx.params.pop("interval")
        if not is_watching:
            return super().invoke(ctx)
        shown = _InPlace() if sys.stdout.isatty() else _OneByOne()
        try:
            while True:
                shown.show(*self._captured(ctx, is_first=shown.is_first))
                time.sleep(interval)
        except KeyboardInterrupt:
            return 0

    def _captured(self, ctx: click.Context, *, is_first: bool) -> tuple[str | None, str]:
        """Standard output and error of one run; no output where a later run failed."""
        out, err = _Captured(sys.stdout.isatty()), _Captured(sys.stderr.isatty())
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                super().invoke(ctx)
        except Failure as failure:
            if is_first:
                raise
            return None, f"{failure.format_message()}\n"
        return out.getvalue(), err.getvalue()


def _is_global(parameter: click.Parameter) -> bool:
    return not parameter.expose_value


class _Captured(io.StringIO):
    """Stands in for a stream, and is a terminal where that is one."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


class _OneByOne:
    """For a pipe: tables with an empty line between; a note only when it is a new one."""

    def __init__(self) -> None:
        self.is_first, self._note = True, ""

    def show(self, table: str | None, note: str) -> None:
        if note and note != self._note:
            sys.stderr.write(note)
            sys.stderr.flush()
        self._note = note
        if table:
            sys.stdout.write(table if self.is_first else f"\n{table}")
            sys.stdout.flush()
        self.is_first = False


class _InPlace:
    """For a terminal: over what was drawn last, and never more than its screen holds."""

    def __init__(self) -> None:
        self.is_first, self._drawn, self._table = True, 0, ""

    def show(self, table: str | None, note: str) -> None:
        self._table = self._table if table is None else table
        lines = self._table.splitlines() + note.splitlines()
        height = max(2, shutil.get_terminal_size().lines - 1)
        if len(lines) > height:
            lines = [*lines[: height - 1], f"... {len(lines) - height + 1} more lines"]
        up = UP.format(self._drawn) if self._drawn else ""
        drawn = "".join(f"{line}\n" for line in lines)
        sys.stdout.write(f"{up}{WIPE}{NO_WRAP}{drawn}{WRAP}")
        sys.stdout.flush()
        self._drawn, self.is_first = len(lines), False
