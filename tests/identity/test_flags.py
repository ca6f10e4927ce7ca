"""Every flag is told."""

from pathlib import Path

from tulle.identity.__main__ import parser

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "identity.md"


def test_every_flag_stands_in_the_reference() -> None:
    told = DOCUMENT.read_text()
    options = parser()._option_string_actions
    flags = [flag for flag in options if flag.startswith("--") and flag != "--help"]
    assert len(flags) > 5
    assert [flag for flag in flags if f"`{flag}`" not in told] == []
