"""Columns of text, each as wide as its widest cell."""

from collections.abc import Iterable, Sequence

import click

from tulle.cli import colour

GUTTER = 3


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: frozenset[int] | set[int] = frozenset(),
    gutter: int = GUTTER,
    is_coloured: bool | None = None,
) -> str:
    """`right` holds the positions of the columns that are aligned to the right.

    Colour is what the standard output wants, unless it is said.
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    with_colour = colour.is_wanted() if is_coloured is None else is_coloured
    text = ""
    for number, line in enumerate(lines):
        cells = []
        for column, cell in enumerate(line):
            space = " " * (widths[column] - len(cell))
            shown = colour.painted(cell) if with_colour else cell
            cells.append(space + shown if column in right else shown + space)
        joined = (" " * gutter).join(cells).rstrip()
        text += (click.style(joined, bold=True) if with_colour and number == 0 else joined) + "\n"
    return text
