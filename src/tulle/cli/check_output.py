"""How `tulle check` shows its findings: a table with marks, short, or JSON."""

import json
import os
import sys
from collections.abc import Iterable
from typing import IO

import click

from tulle.install.checks.model import Line, Result, Section

MARKS = {Result.SUCCESS: "√", Result.WARNING: "‼", Result.ERROR: "×"}
COLOURS = {Result.SUCCESS: "green", Result.WARNING: "yellow", Result.ERROR: "red"}
SPINNER = "-\\|/"


class Table:
    """Writes each section as soon as it is known; `short` leaves out what is well."""

    def __init__(self, stream: IO[str], *, short: bool, colour: bool) -> None:
        self._stream, self._short, self._colour = stream, short, colour

    def section(self, section: Section) -> None:
        lines = [line for line in section.lines if self._is_shown(line)]
        if not lines:
            return
        self._write(f"{section.name}\n{'-' * len(section.name)}\n")
        for line in lines:
            self._write(self._line(line))
        self._write("\n")

    def end(self, *, success: bool) -> None:
        result = Result.SUCCESS if success else Result.ERROR
        self._write(f"Status check results are {self._mark(result)}\n")

    def _is_shown(self, line: Line) -> bool:
        return not self._short or line.result is not Result.SUCCESS

    def _line(self, line: Line) -> str:
        text = f"{self._mark(line.result)} {line.text}\n"
        if line.error:
            text += f"    {line.error}\n    see {line.hint} for hints\n"
        return text

    def _mark(self, result: Result) -> str:
        mark = MARKS[result]
        return click.style(mark, fg=COLOURS[result], bold=True) if self._colour else mark

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class Spinner:
    """Shows on a terminal what is waited for; says nothing elsewhere."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._turn, self._is_shown = stream, 0, False

    def __call__(self, waiting_for: str | None) -> None:
        if not self._stream.isatty():
            return
        if waiting_for is None:
            if self._is_shown:
                self._stream.write("\r\x1b[K")
            self._is_shown = False
        else:
            self._turn += 1
            self._stream.write(f"\r\x1b[K{SPINNER[self._turn % 4]} {waiting_for[:100]}")
            self._is_shown = True
        self._stream.flush()


def as_json(sections: Iterable[Section]) -> str:
    listed = list(sections)
    content = {
        "success": all(section.is_success for section in listed),
        "categories": [
            {
                "categoryName": section.name,
                "checks": [_json_line(line) for line in section.lines],
            }
            for section in listed
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _json_line(line: Line) -> dict[str, str]:
    found = {"description": line.text, "result": line.result.value}
    if line.error:
        found["error"] = line.error
    if line.hint:
        found["hint"] = line.hint
    return found


def has_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
