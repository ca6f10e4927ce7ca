"""The values of an install: defaults, then files, then --set, with every unknown key refused."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tulle.install.charts import Loader

Json = dict[str, Any]

# Maps whose keys are the user's own.
FREE_MAPS = frozenset(
    {
        "commonLabels",
        "podAnnotations",
        "podLabels",
        "nodeSelector",
        "nodeAffinity",
        "deploymentStrategy",
        "identityResources",
        "destinationResources",
        "proxyInjectorResources",
        "metricsAPI.resources",
        "prometheus.resources",
        "tap.resources",
        "tapInjector.resources",
        "dashboard.resources",
        "proxy.tracing.labels",
    }
)


class BadValue(Exception):
    """A value that is unknown, of the wrong kind, or without sense; the message is for the user."""


def read_values_file(path: str) -> Json:
    try:
        content = yaml.load(Path(path).read_text(), Loader=Loader)
    except OSError as error:
        raise BadValue(f"cannot read the values file {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise BadValue(f"{path}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BadValue(f"{path}: a values file is a map of keys, not {_kind(content)}")
    return content


def merge(base: Json, over: Json, *, source: str, prefix: str = "") -> Json:
    """`over` laid on `base`; a key that `base` does not know is refused, and so is another type."""
    result = dict(base)
    for key, value in over.items():
        path = f"{prefix}{key}"
        if key not in base:
            raise BadValue(f"{source}: there is no value {path}{_suggestion(key, base, prefix)}")
        if path in FREE_MAPS:
            if not isinstance(value, dict):
                raise BadValue(f"{source}: {path} is a map, not {_kind(value)}")
            result[key] = {**base[key], **value}
        elif isinstance(base[key], dict):
            if not isinstance(value, dict):
                raise BadValue(f"{source}: {path} is a map, not {_kind(value)}")
            result[key] = merge(base[key], value, source=source, prefix=f"{path}.")
        else:
            result[key] = _of_kind(base[key], value, path, source)
    return result


def laid_over(base: Json, over: Json) -> Json:
    """Two trees as one, with `over` winning; nothing is judged."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = laid_over(result[key], value) if both else value
    return result


def _of_kind(default: Any, value: Any, path: str, source: str) -> Any:
    if value is None:
        return type(default)()
    if default is None:  # a number that has no default
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadValue(f"{source}: {path} is a number, not {_kind(value)}")
        return value
    if isinstance(default, str) and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(default, list) and isinstance(value, str):
        return [value]
    if isinstance(default, bool) != isinstance(value, bool):
        raise BadValue(f"{source}: {path} is {_kind(default)}, not {_kind(value)}")
    if isinstance(default, int) and isinstance(value, float):
        return value
    if not isinstance(value, type(default)):
        raise BadValue(f"{source}: {path} is {_kind(default)}, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    words = {bool: "true or false", int: "a number", float: "a number", str: "a text"}
    words |= {list: "a list", dict: "a map", type(None): "nothing"}
    return words.get(type(value), type(value).__name__)


def _suggestion(key: str, known: Iterable[str], prefix: str) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def parse_set(text: str, *, as_text: bool = False) -> Json:
    """The tree of one `--set`: `a.b=1,c={x,y},d[0].e=z`, with `\\` before a literal , or ."""
    tree: Json = {}
    for assignment in _split(text, ","):
        path, separator, value = assignment.partition("=")
        if not separator or not path.strip():
            raise BadValue(f"--set {assignment}: expected KEY=VALUE, such as proxy.logLevel=debug")
        _assign(tree, _path(path.strip()), _value(value, as_text=as_text), assignment)
    return tree


def parse_set_file(text: str) -> Json:
    """`key=path`: the file's content becomes the value."""
    path, separator, name = text.partition("=")
    if not separator:
        raise BadValue(f"--set-file {text}: expected KEY=FILE")
    try:
        content = Path(name).read_text()
    except OSError as error:
        raise BadValue(f"--set-file {text}: cannot read {name}: {error.strerror}") from error
    tree: Json = {}
    _assign(tree, _path(path.strip()), content, text)
    return tree


def _split(text: str, at: str) -> list[str]:
    """Split outside of braces and where no backslash stands before; backslashes are dropped."""
    parts, current, depth, escaped = [], "", 0, False
    for character in text:
        if escaped:
            current += character if character in ",={}\\" else f"\\{character}"
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == at and depth == 0:
            parts.append(current)
            current = ""
        else:
            depth += {"{": 1, "}": -1}.get(character, 0)
            current += character
    return [*parts, current]


def _path(text: str) -> list[str | int]:
    steps: list[str | int] = []
    for part in text.replace("\\.", "\0").split("."):
        name, *indexes = part.replace("\0", ".").split("[")
        if name:
            steps.append(name)
        for index in indexes:
            if not index.rstrip("]").isdigit():
                raise BadValue(f"--set {text}: [{index} is not an index such as [0]")
            steps.append(int(index.rstrip("]")))
    return steps


def _value(text: str, *, as_text: bool) -> Any:
    if text.startswith("{") and text.endswith("}"):
        inner = text[1:-1]
        return [_value(item, as_text=as_text) for item in _split(inner, ",")] if inner else []
    if as_text:
        return text
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    if text.lstrip("-").isdigit() and (text == "0" or not text.lstrip("-").startswith("0")):
        return int(text)
    return text


def _assign(tree: Json, path: list[str | int], value: Any, source: str) -> None:
    place: Any = tree
    for step, following in zip(path, [*path[1:], None], strict=True):
        empty: Any = value if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if not isinstance(place, list) or step > len(place):
                raise BadValue(f"--set {source}: the list has no place {step} yet")
            if step == len(place):
                place.append(empty)
            elif following is None:
                place[step] = value
            place = place[step]
        else:
            if not isinstance(place, dict):
                raise BadValue(f"--set {source}: {step} lies below something that is not a map")
            if following is None or step not in place:
                place[step] = empty
            place = place[step]
