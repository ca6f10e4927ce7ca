"""The part of kubectl's JSONPath that picks values out of one object. Pure.

`{.a.b}`, `{.a['b.c']}`, `{.a[0]}`, `{.a[*].b}`, `{"text\\n"}`, and text between braces. What is not
there is nothing; several values stand apart by a space; filters and ranges are not known.
"""

import json
import re
from collections.abc import Callable
from typing import Any

PART = re.compile(
    r"\.?(?P<key>[\w-]+)"
    r"|\.?\[(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\")\]"
    r"|\[(?P<index>-?\d+|\*)\]"
)
PIECE = re.compile(r"\{(?P<inside>(?:\"(?:\\.|[^\"\\])*\"|'[^']*'|[^{}\"'])*)\}|(?P<text>[^{}]+)")

Steps = list[str | int | None]  # None stands for every item


class BadPath(Exception):
    """A template that cannot be read; the message is for the user."""


def template(text: str) -> Callable[[Any], str]:
    """What shows an object by the template."""
    pieces: list[str | Steps] = []
    at = 0
    while at < len(text):
        found = PIECE.match(text, at)
        if found is None:
            raise BadPath(f"{text[at:]!r} is no JSONPath: braces do not match")
        inside = found["inside"]
        pieces.append(found["text"] if inside is None else _expression(inside.strip()))
        at = found.end()
    if not pieces:
        raise BadPath("an empty JSONPath shows nothing; give one such as {.source.ip}")
    return lambda item: "".join(
        piece if isinstance(piece, str) else " ".join(map(_shown, _values(item, piece)))
        for piece in pieces
    )


def _expression(text: str) -> str | Steps:
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError as error:
            raise BadPath(f"{text} is no text: {error}") from error
    rest = text.removeprefix("$").removeprefix("@")
    if rest == ".":
        return []
    steps: Steps = []
    at = 0
    while at < len(rest):
        found = PART.match(rest, at)
        if found is None or (at == 0 and rest[0] not in ".["):
            raise BadPath(f"{{{text}}} is no JSONPath that is known here, such as {{.source.ip}}")
        if (index := found["index"]) is not None:
            steps.append(None if index == "*" else int(index))
        else:
            steps.append(found["key"] or found["single"] or found["double"] or "")
        at = found.end()
    return steps


def _values(item: Any, steps: Steps) -> list[Any]:
    found = [item]
    for step in steps:
        found = [value for each in found for value in _stepped(each, step)]
    return found


def _stepped(item: Any, step: str | int | None) -> list[Any]:
    if step is None:
        return list(item.values()) if isinstance(item, dict) else item if _is_list(item) else []
    if isinstance(step, str):
        return [item[step]] if isinstance(item, dict) and step in item else []
    is_there = _is_list(item) and -len(item) <= step < len(item)
    return [item[step]] if is_there else []


def _is_list(item: Any) -> bool:
    return isinstance(item, list)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
