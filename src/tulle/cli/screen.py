"""A terminal's whole screen, redrawn from lines of text, and the keys that are pressed on it."""

import contextlib
import curses
import locale
from collections.abc import Iterator
from typing import Any

TITLE_LINES = 3
ESCAPE_MILLISECONDS = 25  # after which a lone Esc is no beginning of another key
KEYS: dict[int | str, str] = {
    curses.KEY_LEFT: "left",
    curses.KEY_RIGHT: "right",
    curses.KEY_UP: "up",
    curses.KEY_DOWN: "down",
    curses.KEY_PPAGE: "page up",
    curses.KEY_NPAGE: "page down",
    curses.KEY_BACKSPACE: "backspace",
    "\x7f": "backspace",
    "\b": "backspace",
    curses.KEY_ENTER: "enter",
    "\n": "enter",
    "\r": "enter",
    "\x1b": "escape",
}


class Screen:
    def __init__(self, window: Any) -> None:
        self._window = window

    def pressed(self) -> Iterator[str]:
        """What was pressed since the last time; text as itself, other keys by name."""
        while True:
            try:
                key = self._window.get_wch()
            except curses.error:  # nothing more
                return
            if key in KEYS:
                yield KEYS[key]
            elif isinstance(key, str) and key.isprintable():
                yield key

    @property
    def table_size(self) -> tuple[int, int]:
        """Columns and lines below the title. The last column stays free: to write there scrolls."""
        height, width = self._window.getmaxyx()
        return max(1, width - 1), max(1, height - TITLE_LINES)

    def draw(self, title: list[str], table: list[str]) -> None:
        height, width = self._window.getmaxyx()
        self._window.erase()
        for number, line in enumerate([*title, *table][:height]):
            style = curses.A_BOLD if number == TITLE_LINES else curses.A_NORMAL
            with contextlib.suppress(curses.error):
                self._window.addnstr(number, 0, line, max(0, width - 1), style)
        self._window.refresh()


@contextlib.contextmanager
def opened() -> Iterator[Screen]:
    """The terminal is given back as it was, whatever happens."""
    locale.setlocale(locale.LC_ALL, "")
    curses.set_escdelay(ESCAPE_MILLISECONDS)
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
