"""What `tulle viz top` shows: which rows in which order, and what a key changes of it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tulle.cli.table import GUTTER, table
from tulle.viz.tap.tally import Row, duration_text

SCROLL_COLUMNS = 5
HELP = (
    "(press q to quit)",
    "(press a/LeftArrowKey to scroll left, d/RightArrowKey to scroll right)",
    "(press s to sort by the next column, r to turn the order, / to filter)",
)
NARROWEST = 10  # a name is not shortened below this
FALLING, RISING = "▼", "▲"


@dataclass(frozen=True, slots=True)
class Column:
    """Names stand left and are sorted rising; numbers stand right and are sorted falling."""

    title: str
    text: Callable[[Row], str]
    value: Callable[[Row], str | float]
    is_name: bool = False


def _name(title: str, text: Callable[[Row], str]) -> Column:
    return Column(title, text, text, is_name=True)


def _time(title: str, value: Callable[[Row], int]) -> Column:
    return Column(title, lambda row: duration_text(value(row)), value)


NUMBERS = (
    Column("Count", lambda row: str(row.count), lambda row: row.count),
    _time("Best", lambda row: row.best),
    _time("Worst", lambda row: row.worst),
    _time("Last", lambda row: row.last),
    Column("Success Rate", lambda row: f"{row.success_rate:.2%}", lambda row: row.success_rate),
)


def columns(*, by_route: bool, hide_sources: bool) -> tuple[Column, ...]:
    source = () if hide_sources else (_name("Source", lambda row: row.key.source),)
    what = (
        (_name("Route", lambda row: row.key.route),)
        if by_route
        else (
            _name("Method", lambda row: row.key.method),
            _name("Path", lambda row: row.key.path),
        )
    )
    return (*source, _name("Destination", lambda row: row.key.destination), *what, *NUMBERS)


def text(rows: list[Row], shown: Sequence[Column]) -> str:
    """All of it, for a pipe."""
    cells = [[column.text(row) for column in shown] for row in rows]
    right = {number for number, column in enumerate(shown) if not column.is_name}
    return table([column.title for column in shown], cells, right=right)


class View:
    """What one user made of the screen so far."""

    def __init__(self, shown: Sequence[Column]) -> None:
        self._columns = shown
        self._sorted_by = next(at for at, column in enumerate(shown) if column.title == "Count")
        self._is_turned = self._is_typing = False
        self._filter = ""
        self._left = self._top = 0

    def press(self, key: str) -> bool:
        """False once the user wants to leave. Keys that are no text have names, such as `left`."""
        if self._is_typing:
            self._type(key)
            return True
        match key:
            case "q":
                return False
            case "a" | "left":
                self._left = max(0, self._left - SCROLL_COLUMNS)
            case "d" | "right":
                self._left += SCROLL_COLUMNS
            case "up" | "down" | "page up" | "page down":
                step = {"up": -1, "down": 1, "page up": -10, "page down": 10}[key]
                self._top = max(0, self._top + step)
            case "s":
                self._sorted_by, self._is_turned = (self._sorted_by + 1) % len(self._columns), False
            case "r":
                self._is_turned = not self._is_turned
            case "/":
                self._is_typing = True
            case "escape":
                self._filter = ""
        return True

    def _type(self, key: str) -> None:
        match key:
            case "enter" | "escape":
                self._is_typing = False
                self._filter = "" if key == "escape" else self._filter
            case "backspace":
                self._filter = self._filter[:-1]
            case _ if len(key) == 1:
                self._filter += key

    def title(self) -> list[str]:
        if self._is_typing:
            return [*HELP[:2], f"filter: {self._filter}_"]
        if self._filter:
            return [*HELP[:2], f"filter: {self._filter} (press / to add to it, Esc to clear it)"]
        return list(HELP)

    def table(self, rows: list[Row], width: int, height: int) -> list[str]:
        """Lines that fit. Long names are shortened, until one scrolls to see the whole."""
        chosen = self._ordered([row for row in rows if self._is_meant(row)])
        self._top = min(self._top, max(0, len(chosen) - height + 1))
        seen = chosen[self._top :][: max(0, height - 1)]
        titles = [self._marked(at, column.title) for at, column in enumerate(self._columns)]
        cells = [[column.text(row) for column in self._columns] for row in seen]
        gutter = GUTTER
        if self._left == 0:
            names = [at for at, column in enumerate(self._columns) if column.is_name]
            cells, gutter = fitted(titles, cells, names, width)
        right = {at for at, column in enumerate(self._columns) if not column.is_name}
        lines = table(titles, cells, right=right, gutter=gutter, is_coloured=False).splitlines()
        widest = max(map(len, lines))
        self._left = min(self._left, max(0, widest - width))
        return [line[self._left :][:width] for line in lines]

    def _is_meant(self, row: Row) -> bool:
        wanted = self._filter.lower()
        return any(wanted in column.text(row).lower() for column in self._columns if column.is_name)

    def _ordered(self, rows: list[Row]) -> list[Row]:
        column = self._columns[self._sorted_by]
        return sorted(rows, key=column.value, reverse=column.is_name is self._is_turned)

    def _marked(self, at: int, title: str) -> str:
        if at != self._sorted_by:
            return title
        return title + (FALLING if self._columns[at].is_name is self._is_turned else RISING)


def fitted(
    titles: Sequence[str], cells: list[list[str]], names: list[int], width: int
) -> tuple[list[list[str]], int]:
    """Cells and gutter of a table no wider than it may be, if that can be.

    The gutter shrinks where even the shortest names would not fit; then the longest names do.
    """
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    least = list(widths)
    for at in names:
        least[at] = min(widths[at], max(NARROWEST, len(titles[at])))
    gaps = len(widths) - 1
    gutter = GUTTER
    while gutter > 1 and sum(least) + gutter * gaps > width:
        gutter -= 1
    while sum(widths) + gutter * gaps > width and widths != least:
        longest = max(names, key=lambda at: widths[at] - least[at])
        widths[longest] -= 1
    short = [[_shortened(cell, widths[at]) for at, cell in enumerate(line)] for line in cells]
    return short, gutter


def _shortened(text: str, width: int) -> str:
    """Both ends of a name tell it from others: its workload, and its pod."""
    if len(text) <= width:
        return text
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"
