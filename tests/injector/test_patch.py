"""A patch, applied, gives the object that it was made for; whatever the two are."""

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tulle.injector.patch import difference

KEYS = st.sampled_from(["a", "b", "x/y", "~", "~1", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats(-1, 1) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """RFC 6902, section 4, for the three operations that we use."""
    root = {"": copy.deepcopy(document)}
    for operation in patch:
        tokens = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")
        ]
        holder: Any = root
        for token in tokens[:-1]:
            holder = holder[int(token)] if isinstance(holder, list) else holder[token]
        last, value = tokens[-1], copy.deepcopy(operation.get("value"))
        match operation["op"], holder:
            case "add", list():
                assert 0 <= int(last) <= len(holder)
                holder.insert(int(last), value)
            case "remove", list():
                holder.pop(int(last))
            case "replace", list():
                holder[int(last)] = value
            case "add", dict():
                holder[last] = value
            case "remove", dict():
                del holder[last]
            case "replace", dict():
                assert last in holder
                holder[last] = value
    return root[""]


def exact(value: Any) -> str:
    """A text in which 1, 1.0 and true differ, as they do in JSON."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key!r}:{exact(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact, value)) + "]"
    return f"{type(value).__name__}:{value!r}"


# On a busy machine objects are made slowly, which is no fault of theirs.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(OBJECTS, OBJECTS)
def test_the_patch_gives_the_other_object(old, new) -> None:
    assert exact(applied(old, difference(old, new))) == exact(new)


@given(OBJECTS)
def test_nothing_to_change_is_no_patch(value) -> None:
    assert difference(value, copy.deepcopy(value)) == []


@given(st.lists(VALUES, max_size=6), VALUES, st.integers(0, 6))
def test_an_insertion_is_one_operation(items, added, at) -> None:
    at = min(at, len(items))
    longer = [*items[:at], added, *items[at:]]
    (operation,) = difference({"list": items}, {"list": longer})
    assert operation["op"] == "add"


def test_keys_are_escaped() -> None:
    patch = difference({"annotations": {"a/b~c": "1"}}, {"annotations": {"a/b~c": "2"}})
    assert patch == [{"op": "replace", "path": "/annotations/a~1b~0c", "value": "2"}]
