"""HTML out of cells and text, which is escaped in this one place. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

STYLE_PATH, SCRIPT_PATH = "/static/style.css", "/static/refresh.js"
LIVE_SCRIPT_PATH = "/static/live.js"


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    href: str = ""
    is_number: bool = False
    state: str = ""  # good, bad or nothing: its colour


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    header: tuple[str, ...]
    rows: list[tuple[Cell, ...]]
    empty: str  # what is said where there are no rows


def text(value: str) -> Cell:
    return Cell(value)


def _cell(cell: Cell) -> str:
    classes = " ".join(name for name in ("number" if cell.is_number else "", cell.state) if name)
    attribute = f' class="{classes}"' if classes else ""
    shown = escape(cell.text)
    if cell.href:
        shown = f'<a href="{escape(cell.href)}">{shown}</a>'
    return f"<td{attribute}>{shown}</td>"


def table(found: Table) -> str:
    if not found.rows:
        return (
            f'<section data-state="empty"><h2>{escape(found.title)}</h2>'
            f"<p>{escape(found.empty)}</p></section>"
        )
    header = "".join(f'<th scope="col">{escape(name)}</th>' for name in found.header)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in found.rows)
    return (
        f'<section data-state="ready"><h2>{escape(found.title)}</h2><table>'
        f"<thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></section>"
    )


def failure(message: str) -> str:
    return f'<section data-state="failed"><p role="alert">{escape(message)}</p></section>'


def links(items: Iterable[tuple[str, str]], current: str) -> str:
    found = []
    for name, path in items:
        mark = ' aria-current="page"' if path == current else ""
        found.append(f'<a href="{escape(path)}"{mark}>{escape(name)}</a>')
    return " ".join(found)


def field(name: str, label: str, value: str, *, required: bool = False) -> str:
    mark = " required" if required else ""
    return (
        f'<label>{escape(label)} <input name="{escape(name)}" value="{escape(value)}"{mark}>'
        "</label>"
    )


def choice(name: str, label: str, values: Iterable[str], current: str) -> str:
    options = "".join(
        f"<option{' selected' if value == current else ''}>{escape(value)}</option>"
        for value in values
    )
    return f'<label>{escape(label)} <select name="{escape(name)}">{options}</select></label>'


def form(parts: Iterable[str], button: str) -> str:
    return f'<form method="get">{"".join(parts)}<button>{escape(button)}</button></form>'


def live(stream: str, command: str, header: Sequence[str]) -> str:
    """What `live.js` fills; `command` shows the same in a terminal."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
    return (
        f"<p>In a terminal: <code>{escape(command)}</code></p>"
        f'<section id="live" data-stream="{escape(stream)}" data-state="waiting">'
        '<p id="state" role="status">Waiting for requests.</p>'
        f"<table><thead><tr>{columns}</tr></thead><tbody></tbody></table></section>"
    )


def page(
    title: str,
    navigation: Sequence[str],
    sections: Iterable[str],
    script: str = SCRIPT_PATH,
) -> str:
    """`refresh.js` replaces `main` by that of a newer copy of the same page."""
    bars = "".join(f"<nav>{bar}</nav>" for bar in navigation)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} - Tulle</title>"
        f'<link rel="stylesheet" href="{STYLE_PATH}">'
        f'<script src="{script}" defer></script></head><body>'
        f"<header><strong>Tulle</strong>{bars}</header>"
        f"<main><h1>{escape(title)}</h1>{''.join(sections)}</main>"
        '<p id="age" role="status" hidden>The numbers are no longer live: the dashboard does not '
        "answer.</p></body></html>"
    )
