"""Objects of which parts stand under conditions, found by leaving out one thing at a time. Pure."""

import difflib
import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

Conditions = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    value: Any


@dataclass(frozen=True, slots=True)
class Choice:
    condition: str
    yes: "Node"
    no: "Node"


@dataclass(frozen=True, slots=True)
class Entry:
    """Of a map or a list (then without a key); it stands where all conditions hold."""

    conditions: Conditions
    key: Any
    node: "Node"


@dataclass(frozen=True, slots=True)
class Map:
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class List:
    entries: tuple[Entry, ...]


Node = Leaf | Choice | Map | List


@dataclass(frozen=True, slots=True)
class Without:
    """What is rendered after one change; `mark` is of the value that is empty then."""

    condition: str
    tree: Any
    mark: Any = None
    empty: Any = ""

    def below(self, tree: Any) -> "Without":
        return Without(self.condition, tree, self.mark, self.empty)

    def agrees(self, full: Any, tree: Any) -> bool:
        """Whether the empty value is all that tells the two apart."""
        if isinstance(full, dict) and isinstance(tree, dict):
            keys = [key for key in full if not self.is_marked(key)]
            return len(keys) == len(tree) and all(
                key in tree and self.agrees(full[key], tree[key]) for key in keys
            )
        if isinstance(full, list) and isinstance(tree, list):
            items = [item for item in full if not self.is_marked(item)]
            return len(items) == len(tree) and all(map(self.agrees, items, tree))
        if type(full) is type(tree) and full == tree:
            return True
        if isinstance(self.mark, int):
            number = full == self.mark and tree == self.empty
            text = isinstance(full, str) and full.replace(str(self.mark), str(self.empty)) == tree
            return number or text
        is_text = isinstance(full, str) and isinstance(self.mark, str)
        return is_text and full.replace(self.mark, self.empty or "") == tree

    def is_marked(self, item: Any) -> bool:
        """Whether it is a list or a map within another that is empty then."""
        name = item.get("name") if isinstance(item, dict) else item
        return isinstance(self.empty, list | dict) and name == self.mark


class Entangled(Exception):
    """Two changes meet in one place, and what holds if both are made is not known."""


def negated(condition: str) -> str:
    return condition.removeprefix("not ") if condition.startswith("not ") else f"not ({condition})"


def combined(full: Any, withouts: Sequence[Without]) -> Node:
    """The full tree, where each part stands under the conditions by which it was left out."""
    differing = [item for item in withouts if not item.agrees(full, item.tree)]
    if isinstance(full, dict) and all(isinstance(item.tree, dict) for item in differing):
        return _combined_maps(full, differing)
    if isinstance(full, list) and all(isinstance(item.tree, list) for item in differing):
        return _combined_lists(full, differing)
    if not differing:
        return Leaf(full)
    others = [plain(item.tree) for item in differing]
    if any(other != others[0] for other in others):
        raise Entangled(f"{full!r}: {[(i.condition, i.tree) for i in differing]}")
    conditions = [item.condition for item in differing]
    return Choice(both(conditions), plain(full), others[0])


def both(conditions: Sequence[str]) -> str:
    unique = list(dict.fromkeys(conditions))
    if len(unique) == 1:
        return unique[0]
    return "and " + " ".join(f"({item})" for item in unique)


def plain(tree: Any) -> Node:
    return combined(tree, [])


def _combined_maps(full: dict[Any, Any], withouts: list[Without]) -> Map:
    entries = []
    for key, value in full.items():
        missing = tuple(w.condition for w in withouts if key not in w.tree and not w.is_marked(key))
        present = [w.below(w.tree[key]) for w in withouts if key in w.tree]
        entries.append(Entry(missing, key, combined(value, present)))
    for item in withouts:
        for key, value in item.tree.items():
            if key not in full:
                entries.append(Entry((negated(item.condition),), key, plain(value)))
    return Map(tuple(entries))


def _combined_lists(full: list[Any], withouts: list[Without]) -> List:
    missing: list[list[str]] = [[] for _ in full]
    present: list[list[Without]] = [[] for _ in full]
    added: list[list[Entry]] = [[] for _ in range(len(full) + 1)]
    for item in withouts:
        paired, only = aligned(full, item.tree)
        for place, other in enumerate(paired):
            if other is not None:
                present[place].append(item.below(item.tree[other]))
            elif not item.is_marked(full[place]):
                missing[place].append(item.condition)
        for place, other in only:
            entry = Entry((negated(item.condition),), None, plain(item.tree[other]))
            added[place].append(entry)
    entries = []
    for place, value in enumerate(full):
        entries += added[place]
        entries.append(Entry(tuple(missing[place]), None, combined(value, present[place])))
    return List((*entries, *added[-1]))


def aligned(one: list[Any], two: list[Any]) -> tuple[list[int | None], list[tuple[int, int]]]:
    """For each item of `one` its twin in `two`, or None; and where in `one` the rest belong."""
    first, second = [signature(item) for item in one], [signature(item) for item in two]
    twins: list[int | None] = [None] * len(one)
    only: list[tuple[int, int]] = []
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    for word, start, end, start_two, end_two in matcher.get_opcodes():
        if word == "equal":
            for offset in range(end - start):
                twins[start + offset] = start_two + offset
        else:
            only += [(end, place) for place in range(start_two, end_two)]
    return twins, only


def signature(item: Any) -> Hashable:
    """By what an item of a list is known, though the rest of it changes."""
    if isinstance(item, dict):
        metadata = item.get("metadata")
        if "kind" in item and isinstance(metadata, dict):
            return item["kind"], metadata.get("namespace"), metadata.get("name")
        for key in ("name", "job_name"):
            if key in item:
                return key, item[key]
        return json.dumps(item, sort_keys=True)
    if isinstance(item, str) and item.startswith("--"):
        return item.partition("=")[0]
    return str(item)


def branched(condition: str, yes: Node, no: Node) -> Node:
    """Two conditional trees as one."""
    if yes == no:
        return yes
    if isinstance(yes, Map) and isinstance(no, Map):
        return Map(_branched(condition, yes.entries, no.entries, [e.key for e in yes.entries]))
    if isinstance(yes, List) and isinstance(no, List):
        return List(_branched(condition, yes.entries, no.entries, None))
    return Choice(condition, yes, no)


def _branched(
    condition: str, yes: tuple[Entry, ...], no: tuple[Entry, ...], keys: Any
) -> tuple[Entry, ...]:
    known = [_known_by(entry) for entry in yes]
    others = [_known_by(entry) for entry in no]
    found: list[Entry] = []
    matcher = difflib.SequenceMatcher(None, known, others, autojunk=False)
    for word, start, end, start_two, end_two in matcher.get_opcodes():
        if word == "equal":
            for one, two in zip(yes[start:end], no[start_two:end_two], strict=True):
                found += _merged(condition, one, two)
            continue
        found += [_under(condition, entry) for entry in yes[start:end]]
        found += [_under(negated(condition), entry) for entry in no[start_two:end_two]]
    return tuple(found)


def _merged(condition: str, one: Entry, two: Entry) -> list[Entry]:
    if one.conditions == two.conditions:
        return [Entry(one.conditions, one.key, branched(condition, one.node, two.node))]
    return [_under(condition, one), _under(negated(condition), two)]


def _under(condition: str, entry: Entry) -> Entry:
    return Entry((condition, *entry.conditions), entry.key, entry.node)


def _known_by(entry: Entry) -> Hashable:
    if entry.key is not None:
        return entry.key
    return signature(unconditional(entry.node))


def unconditional(node: Node) -> Any:
    """The tree as if all conditions held."""
    match node:
        case Leaf(value):
            return value
        case Choice(_, yes, _):
            return unconditional(yes)
        case Map(entries):
            return {entry.key: unconditional(entry.node) for entry in entries}
        case List(entries):
            return [unconditional(entry.node) for entry in entries]
