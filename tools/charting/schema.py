"""values.schema.json: what Helm refuses before it renders, from the defaults and their checks."""

from typing import Any

Json = dict[str, Any]

# As `--set` of the command line: a number stands for its text, one text for a list of it.
TYPES: dict[type, Json] = {
    bool: {"type": "boolean"},
    int: {"type": "number"},
    str: {"type": ["string", "number"]},
    list: {"type": ["array", "string"]},
    dict: {"type": "object"},
    type(None): {"type": ["number", "null"]},
}


def schema(defaults: Json, free: frozenset[str], rules: dict[str, Json]) -> Json:
    """`free`: paths of maps whose keys are the user's own; `rules`: path -> what more must hold."""
    found = _of_map(defaults, free, rules, "")
    found["properties"]["global"] = {"type": "object"}  # Helm's own
    return {"$schema": "http://json-schema.org/draft-07/schema#", **found}


def _of_map(tree: Json, free: frozenset[str], rules: dict[str, Json], prefix: str) -> Json:
    properties = {
        key: _of_value(value, free, rules, f"{prefix}{key}") for key, value in tree.items()
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of_value(value: Any, free: frozenset[str], rules: dict[str, Json], path: str) -> Json:
    if isinstance(value, dict) and path not in free and value:
        return _of_map(value, free, rules, f"{path}.")
    return {**TYPES[type(value)], **rules.get(path, {})}


def emptied(defaults: Json, free: frozenset[str], prefix: str = "") -> Json:
    """The same keys with nothing in them, by which a template knows each value's kind."""
    found: Json = {}
    for key, value in defaults.items():
        path = f"{prefix}{key}"
        is_ours = isinstance(value, dict) and path not in free and value
        empty = None if value is None else type(value)()
        found[key] = emptied(value, free, f"{path}.") if is_ours else empty
    return found
