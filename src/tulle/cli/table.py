"""Columns of text, each as wide as its widest cell."""

from collections.abc import Iterable, Sequence

GUTTER = 3


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: frozenset[int] | set[int] = frozenset(),
    gutter: int = GUTTER,
) -> str:
    """`right` holds the positions of the columns that are aligned to the right."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = ""
    for line in lines:
        cells = [
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(line)
        ]
        text += (" " * gutter).join(cells).rstrip() + "\n"
    return text
