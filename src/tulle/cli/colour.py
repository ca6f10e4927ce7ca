"""Whether a terminal wants colour, and text that carries one until it is laid out."""

import os
import sys
from typing import IO, Any

import click

# Below these shares of success a workload hurts, or is about to.
WELL, POOR = 0.99, 0.95


class Marked(str):
    """Text of which a table knows the colour; anything else sees only the text."""

    __slots__ = ("colour",)
    colour: str


def marked(text: str, colour: str) -> Marked:
    found = Marked(text)
    found.colour = colour
    return found


def is_wanted(stream: IO[Any] | None = None) -> bool:
    """Not where the output is kept or read by a program, nor where the user said no."""
    to = stream or sys.stdout
    return to.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(text: str) -> str:
    return click.style(text, fg=text.colour) if isinstance(text, Marked) else text


def success(share: float, text: str) -> str:
    """A success rate, marked only where it is not what one hopes for."""
    if share >= WELL:
        return text
    return marked(text, "yellow" if share >= POOR else "red")
