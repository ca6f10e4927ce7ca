"""A terminal's whole screen, redrawn from lines of text, and the keys that are pressed on it."""

import contextlib
import curses
import locale
from collections.abc import Iterator
from typing import Any

SCROLL_COLUMNS = 5
TOP = 3  # the table's first line
QUIT = "q"
LEFT, RIGHT = "left", "right"
KEYS = {
    ord("q"): QUIT,
    ord("a"): LEFT,
    ord("d"): RIGHT,
    curses.KEY_LEFT: LEFT,
    curses.KEY_RIGHT: RIGHT,
}


class Screen:
    """Draws a title, and below it the part of a table that fits."""

    def __init__(self, window: Any) -> None:
        self._window = window
        self._column = 0

    def handle_keys(self) -> bool:
        """False once the user wants to leave."""
        while (code := self._window.getch()) != -1:
            match KEYS.get(code):
                case "q":
                    return False
                case "left":
                    self._column = max(0, self._column - SCROLL_COLUMNS)
                case "right":
                    self._column += SCROLL_COLUMNS
        return True

    def draw(self, title: list[str], table: list[str]) -> None:
        height, width = self._window.getmaxyx()
        widest = max((len(line) for line in table), default=0)
        self._column = min(self._column, max(0, widest - width + 1))
        self._window.erase()
        for number, line in enumerate(title[: min(TOP, height)]):
            self._write(number, line, width, curses.A_NORMAL)
        for number, line in enumerate(table[: max(0, height - TOP)]):
            style = curses.A_BOLD if number == 0 else curses.A_NORMAL
            self._write(TOP + number, line[self._column :], width, style)
        self._window.refresh()

    def _write(self, row: int, text: str, width: int, style: int) -> None:
        # Writing the last cell of the last line would scroll, which curses calls an error.
        with contextlib.suppress(curses.error):
            self._window.addnstr(row, 0, text, max(0, width - 1), style)


@contextlib.contextmanager
def opened() -> Iterator[Screen]:
    """The terminal is given back as it was, whatever happens."""
    locale.setlocale(locale.LC_ALL, "")
    window = curses.initscr()
    try:
        curses.noecho()
        curses.cbreak()
        window.keypad(True)
        window.nodelay(True)
        with contextlib.suppress(curses.error):
            curses.curs_set(0)
        yield Screen(window)
    finally:
        window.keypad(False)
        curses.nocbreak()
        curses.echo()
        curses.endwin()
