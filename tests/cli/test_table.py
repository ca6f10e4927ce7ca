"""Columns line up, and lines have no trailing blanks."""

from tulle.cli.table import table


def test_columns():
    found = table(("NAME", "RPS"), [("web", "0.5rps"), ("backend", "12.0rps")], right={1})
    assert found == "NAME          RPS\nweb        0.5rps\nbackend   12.0rps\n"


def test_no_rows():
    assert table(("A", "B"), []) == "A   B\n"
