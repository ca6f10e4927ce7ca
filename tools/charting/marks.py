"""Values that can be told apart in what is rendered from them.

Each value of a chart becomes a mark: a text or a number that stands nowhere else. Where the mark
stands in the rendered objects, the template says the value.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

VALUES = "$values"
FIRST_NUMBER = 710_000_000
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Off:
    """A change of the marked values that may leave something out of what is rendered."""

    condition: str  # true while what the marked values render is to stand
    values: Json  # by path
    mark: Any = None  # of the value that is empty then, if it is one
    empty: Any = ""


@dataclass(slots=True)
class Marks:
    """The marked values, what each mark means in a template, and what may be left out."""

    values: Json
    meanings: dict[str, str] = field(default_factory=dict)  # mark as a text -> expression
    wholes: dict[str, str] = field(default_factory=dict)  # lists and maps: mark -> expression
    offs: list[Off] = field(default_factory=list)

    def mean(self, mark: str, expression: str) -> None:
        self.meanings[mark] = expression


def reference(path: str) -> str:
    """A value in a template, whatever characters its key has."""
    found = VALUES
    for part in path.split("."):
        is_plain = IDENTIFIER.fullmatch(part)
        found = f"{found}.{part}" if is_plain else f'(index {found} "{part}")'
    return found


def leaves(tree: Json, free: frozenset[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its path. `free` are the paths of maps whose keys are the user's own."""
    for key, value in tree.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and path not in free and value:
            yield from leaves(value, free, f"{path}.")
        else:
            yield path, value


def at(tree: Json, path: str) -> Any:
    for part in path.split("."):
        tree = tree[part]
    return tree


def put(tree: Json, path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


def marked(
    defaults: Json,
    free: frozenset[str],
    *,
    fixed: Json,
    expressions: dict[str, str],
) -> Marks:
    """Marks for every value but those of `fixed` (path: value), which only `offs` may vary.

    `fixed` also says the value of a switch, and stands as a mark where a text must be a legal one.
    """
    found = Marks({})
    for number, (path, default) in enumerate(leaves(defaults, free)):
        value = fixed.get(path, _mark(number, default))
        put(found.values, path, value)
        expression = expressions.get(path, reference(path))
        if isinstance(value, bool):
            condition = reference(path) if value else f"not {reference(path)}"
            found.offs.append(Off(condition, {path: not value}))
        elif isinstance(value, dict | list):
            _mean_whole(found, path, value, expression)
        elif value not in ("", None):
            _mean_scalar(found, path, value, default, expression)
    return found


def _mark(number: int, default: Any) -> Any:
    text = f"zq{number:03}zq"
    marks: dict[type, Callable[[], Any]] = {
        bool: lambda: True,
        int: lambda: FIRST_NUMBER + number,
        type(None): lambda: FIRST_NUMBER + number,
        list: lambda: [text],
        dict: lambda: {text: text},
    }
    return marks.get(type(default), lambda: text)()


def _mean_whole(found: Marks, path: str, value: Any, expression: str) -> None:
    if not value:
        return
    (mark,) = value
    mark = mark["name"] if isinstance(mark, dict) else mark
    found.wholes[mark] = expression
    if isinstance(value, list):
        found.mean(mark, f'(join "," {expression})')
    found.offs.append(Off(reference(path), {path: type(value)()}, mark, type(value)()))


def _mean_scalar(found: Marks, path: str, value: Any, default: Any, expression: str) -> None:
    if isinstance(value, str):
        found.mean(value, expression)
        empty: Any = ""
    else:
        found.mean(str(value), f"(toJson {expression})")
        empty = 0
    if default is None:
        condition = f'not (kindIs "invalid" {reference(path)})'
        found.offs.append(Off(condition, {path: None}, value, None))
    else:
        found.offs.append(Off(reference(path), {path: empty}, value, empty))
