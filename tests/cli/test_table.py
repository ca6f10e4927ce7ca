"""Columns line up, and lines have no trailing blanks."""

import io
import re

from tulle.cli.colour import is_wanted, marked, success
from tulle.cli.table import table


def test_columns():
    found = table(("NAME", "RPS"), [("web", "0.5rps"), ("backend", "12.0rps")], right={1})
    assert found == "NAME          RPS\nweb        0.5rps\nbackend   12.0rps\n"


def test_no_rows():
    assert table(("A", "B"), []) == "A   B\n"


def test_colour_changes_no_width():
    rows = [(marked("10%", "red"), "a"), ("100%", "b")]
    plain = table(("SUCCESS", "NAME"), rows, right={0}, is_coloured=False)
    assert plain == "SUCCESS   NAME\n    10%   a\n   100%   b\n"
    coloured = table(("SUCCESS", "NAME"), rows, right={0}, is_coloured=True)
    assert "\x1b[31m10%\x1b[0m   a" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert is_wanted(Screen())
    assert not is_wanted(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_wanted(Screen())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_wanted(Screen())


def test_only_what_hurts_is_marked():
    assert type(success(1.0, "100.00%")) is str
    assert success(0.97, "97.00%").colour == "yellow"
    assert success(0.5, "50.00%").colour == "red"
