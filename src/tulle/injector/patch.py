"""The JSON patch (RFC 6902) that turns one object into another. Pure."""

from typing import Any

Json = dict[str, Any]


def difference(old: Any, new: Any, path: str = "") -> list[Json]:
    """Operations that, applied in order to `old`, give `new`."""
    if isinstance(old, dict) and isinstance(new, dict):
        return _objects(old, new, path)
    if isinstance(old, list) and isinstance(new, list):
        return _lists(old, new, path)
    if _same(old, new):
        return []
    return [{"op": "replace", "path": path, "value": new}]


def _same(old: Any, new: Any) -> bool:
    """Equal as JSON: Python's 1, 1.0 and True are equal, JSON's are not all."""
    if type(old) is not type(new):
        return False
    if isinstance(old, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _objects(old: Json, new: Json, path: str) -> list[Json]:
    gone = sorted(old.keys() - new.keys())
    found: list[Json] = [{"op": "remove", "path": f"{path}/{_escaped(key)}"} for key in gone]
    for key, value in new.items():
        where = f"{path}/{_escaped(key)}"
        if key in old:
            found.extend(difference(old[key], value, where))
        else:
            found.append({"op": "add", "path": where, "value": value})
    return found


def _lists(old: list[Any], new: list[Any], path: str) -> list[Json]:
    """What both begin and end with stays; the rest is changed in place as far as both have it."""
    head = 0
    while head < min(len(old), len(new)) and _same(old[head], new[head]):
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and _same(old[-1 - tail], new[-1 - tail]):
        tail += 1
    left, right = old[head : len(old) - tail], new[head : len(new) - tail]
    both = min(len(left), len(right))
    found: list[Json] = []
    for index in range(both):
        found.extend(difference(left[index], right[index], f"{path}/{head + index}"))
    surplus = reversed(range(both, len(left)))
    found.extend({"op": "remove", "path": f"{path}/{head + index}"} for index in surplus)
    found.extend(
        {"op": "add", "path": f"{path}/{head + index}", "value": right[index]}
        for index in range(both, len(right))
    )
    return found
