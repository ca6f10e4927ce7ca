"""Judges the text of a ServiceProfile, and says where each problem stands. Pure."""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from tulle import durations

Json = dict[str, Any]

METHOD = re.compile(r"[A-Z]+")
ROUTE_KEYS = {"name", "condition", "isRetryable", "responseClasses", "timeout"}
SPEC_KEYS = {"routes", "retryBudget", "dstOverrides", "opaquePorts"}
BUDGET_KEYS = {"retryRatio", "minRetriesPerSecond", "ttl"}
REQUEST, RESPONSE = ("method", "pathRegex"), ("status",)

TEMPLATE = """\
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: {name}
  namespace: {namespace}
spec:
  routes:
    # A request takes the first route that fits it.
    - name: GET /
      condition:
        method: GET
        pathRegex: /
    # - name: GET /items/{{id}}
    #   condition:
    #     method: GET
    #     pathRegex: /items/[^/]*
    #   isRetryable: true   # only for requests that may be sent twice
    #   timeout: 300ms
"""


@dataclass(frozen=True, slots=True)
class Problem:
    path: str
    message: str
    line: int | None = None

    def as_json(self) -> Json:
        return {"line": self.line, "path": self.path, "message": self.message}


@dataclass(slots=True)
class _Judge:
    lines: dict[str, int]
    problems: list[Problem] = field(default_factory=list)

    def say(self, path: str, message: str) -> None:
        near = path
        while near and near not in self.lines:
            near = near.rpartition("[" if near.endswith("]") else ".")[0]
        self.problems.append(Problem(path, message, self.lines.get(near)))

    def mapping(self, found: object, path: str, known: set[str] | None = None) -> Json:
        """Empty, and said so, if it is none."""
        if not isinstance(found, dict):
            self.say(path, "must be a mapping of keys and values")
            return {}
        for key in found.keys() - (known or found.keys()):
            self.say(f"{path}.{key}", f"there is no field {key!r} here")
        return found

    def sequence(self, found: object, path: str) -> list[Any]:
        if found is None:
            return []
        if not isinstance(found, list):
            self.say(path, "must be a list")
            return []
        return found

    def duration(self, found: object, path: str) -> None:
        try:
            durations.seconds(str(found))
        except ValueError as error:
            self.say(path, str(error))


def judged(text: str, name: str, namespace: str) -> tuple[Json, list[Problem]]:
    """The object, and what is wrong with it as the profile of that name."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        message = getattr(error, "problem", None) or str(error)
        line = None if mark is None else mark.line + 1
        return {}, [Problem("", f"this is not YAML: {message}", line)]
    judge = _Judge(_lines(node))
    if not isinstance(found, dict):
        return {}, [Problem("", "this is no object: it has no apiVersion, kind and spec", 1)]
    _head(judge, found, name, namespace)
    spec = judge.mapping(found.get("spec"), "spec", SPEC_KEYS)
    routes = judge.sequence(spec.get("routes"), "spec.routes")
    for number, route in enumerate(routes):
        _route(judge, route, f"spec.routes[{number}]")
    names = [route.get("name") for route in routes if isinstance(route, dict)]
    for number, known in enumerate(names):
        if known in names[:number]:
            judge.say(f"spec.routes[{number}].name", f"another route is called {known!r} too")
    if "retryBudget" in spec:
        _budget(judge, judge.mapping(spec["retryBudget"], "spec.retryBudget", BUDGET_KEYS))
    return found, judge.problems


def _lines(node: Any, path: str = "") -> dict[str, int]:
    """Where each field begins, counted from one."""
    found: dict[str, int] = {}
    if node is None:
        return found
    found[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            found |= _lines(value, below)
            found[below] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            found |= _lines(value, f"{path}[{number}]")
    return found


def _head(judge: _Judge, found: Json, name: str, namespace: str) -> None:
    if found.get("apiVersion") != "linkerd.io/v1alpha2":
        judge.say("apiVersion", "must be linkerd.io/v1alpha2")
    if found.get("kind") != "ServiceProfile":
        judge.say("kind", "must be ServiceProfile")
    metadata = judge.mapping(found.get("metadata"), "metadata")
    if metadata.get("name") != name:
        judge.say("metadata.name", f"must be {name}, which is how clients call the service")
    if metadata.get("namespace", namespace) != namespace:
        judge.say("metadata.namespace", f"must be {namespace}")


def _route(judge: _Judge, found: object, path: str) -> None:
    route = judge.mapping(found, path, ROUTE_KEYS)
    if not route:
        return
    if not isinstance(route.get("name"), str) or not route["name"]:
        judge.say(f"{path}.name", "every route needs a name, such as GET /items")
    if "condition" not in route:
        judge.say(path, "has no condition, so no request takes it; give a method or a pathRegex")
    else:
        _condition(judge, route["condition"], f"{path}.condition", REQUEST)
    if not isinstance(route.get("isRetryable", False), bool):
        judge.say(f"{path}.isRetryable", "must be true or false")
    if "timeout" in route:
        judge.duration(route["timeout"], f"{path}.timeout")
    classes = judge.sequence(route.get("responseClasses"), f"{path}.responseClasses")
    for number, item in enumerate(classes):
        below = f"{path}.responseClasses[{number}]"
        response = judge.mapping(item, below, {"condition", "isFailure"})
        _condition(judge, response.get("condition"), f"{below}.condition", RESPONSE)


def _condition(judge: _Judge, found: object, path: str, leaves: tuple[str, ...]) -> None:
    condition = judge.mapping(found, path, {*leaves, "all", "any", "not"})
    if not condition:
        judge.say(path, f"must name one of: {', '.join((*leaves, 'all', 'any', 'not'))}")
    for word in ("all", "any"):
        for number, item in enumerate(judge.sequence(condition.get(word), f"{path}.{word}")):
            _condition(judge, item, f"{path}.{word}[{number}]", leaves)
    if "not" in condition:
        _condition(judge, condition["not"], f"{path}.not", leaves)
    method, expression = condition.get("method"), condition.get("pathRegex")
    if method is not None and not METHOD.fullmatch(str(method)):
        judge.say(f"{path}.method", f"{method!r} is no method; write it in capitals, such as GET")
    if expression is not None:
        try:
            re.compile(str(expression))
        except re.error as error:
            judge.say(f"{path}.pathRegex", f"is no regular expression: {error}")
    if "status" in condition:
        _status(judge, condition["status"], f"{path}.status")


def _status(judge: _Judge, found: object, path: str) -> None:
    status = judge.mapping(found, path, {"min", "max"})
    least, most = status.get("min", 100), status.get("max", 599)
    if not all(isinstance(value, int) and 100 <= value <= 599 for value in (least, most)):
        judge.say(path, "min and max are numbers from 100 to 599")
    elif least > most:
        judge.say(path, f"min {least} is above max {most}, so no answer fits")


def _budget(judge: _Judge, budget: Json) -> None:
    path = "spec.retryBudget"
    for word in ("retryRatio", "minRetriesPerSecond"):
        value = budget.get(word)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            judge.say(f"{path}.{word}", "must be a number that is not negative")
    judge.duration(budget.get("ttl", ""), f"{path}.ttl")
