"""What is wrong with a ServiceProfile. Pure."""

import re
from collections.abc import Iterator
from typing import Any

from tulle import durations
from tulle.index.index import Reader
from tulle.index.profiles import thousandths

Json = dict[str, Any]

HOST = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.?"
)
ONLY_IN_RUST = re.compile(r"\\[pPzxu]|\[\[:|&&")  # Python's regular expressions lack these
LEAVES_OF_REQUESTS, LEAVES_OF_ANSWERS = ("method", "pathRegex"), ("status",)
BRANCHES = ("all", "any", "not")
RETRY_TTL_SECONDS = (1.0, 60.0)


def service_profile(item: Json, _reader: Reader) -> Iterator[str]:
    name, spec = item["metadata"]["name"], item.get("spec") or {}
    if not HOST.fullmatch(name):
        yield f"its name {name!r} is no DNS name such as web.shop.svc.cluster.local"
    for number, route in enumerate(spec.get("routes") or ()):
        yield from _route(route, f"the route {route.get('name') or number}")
    yield from _budget(spec.get("retryBudget"))
    for entry in spec.get("dstOverrides") or ():
        yield from _override(entry)


def _route(route: Json, where: str) -> Iterator[str]:
    if not route.get("name"):
        yield f"{where} has no name"
    yield from _condition(route.get("condition") or {}, LEAVES_OF_REQUESTS, f"{where}: condition")
    for entry in route.get("responseClasses") or ():
        place = f"{where}: condition of a response class"
        yield from _condition(entry.get("condition") or {}, LEAVES_OF_ANSWERS, place)
    if text := route.get("timeout"):
        yield from _duration(text, f"{where}: timeout")


def _condition(item: Json, leaves: tuple[str, ...], where: str) -> Iterator[str]:
    known = (*leaves, *BRANCHES)
    if unknown := [key for key in item if key not in known]:
        yield f"{where} has {', '.join(unknown)}, which is none of {', '.join(known)}"
    if not any(item.get(key) for key in known):
        yield f"{where} is empty; give one of {', '.join(known)}"
    if text := item.get("pathRegex"):
        yield from _expression(text, where)
    if status := item.get("status"):
        yield from _statuses(status, where)
    parts = [*(item.get("all") or ()), *(item.get("any") or ())]
    for part in [*parts, *([item["not"]] if item.get("not") else [])]:
        yield from _condition(part, leaves, where)


def _expression(text: str, where: str) -> Iterator[str]:
    if ONLY_IN_RUST.search(text):
        return
    try:
        re.compile(text)
    except re.error as error:
        yield f"{where}: {text!r} is no regular expression: {error}"


def _statuses(status: Json, where: str) -> Iterator[str]:
    low, high = status.get("min") or 0, status.get("max") or 0
    low, high = low or high, high or low
    if not 100 <= low <= high <= 599:
        yield f"{where}: the statuses {low} to {high} are no range from 100 to 599"


def _duration(text: str, where: str) -> Iterator[str]:
    try:
        durations.seconds(text)
    except ValueError as error:
        yield f"{where} is {text!r}: {error}"


def _budget(budget: Json | None) -> Iterator[str]:
    if not budget:
        return
    if float(budget.get("retryRatio") or 0) < 0:
        yield "retryBudget.retryRatio is below 0"
    if int(budget.get("minRetriesPerSecond") or 0) < 0:
        yield "retryBudget.minRetriesPerSecond is below 0"
    text = str(budget.get("ttl") or "")
    wrong = list(_duration(text, "retryBudget.ttl"))
    yield from wrong
    least, most = RETRY_TTL_SECONDS
    if not wrong and not least <= durations.seconds(text) <= most:
        yield f"retryBudget.ttl is {text}; it must lie between 1s and 60s"


def _override(entry: Json) -> Iterator[str]:
    authority = str(entry.get("authority") or "")
    host, _, port = authority.partition(":")
    if not HOST.fullmatch(host) or (port and not port.isdecimal()):
        yield (
            f"the authority {authority!r} of dstOverrides is no name such as "
            "web.shop.svc.cluster.local:80"
        )
    try:
        thousandths(entry.get("weight", 0))
    except ValueError as error:
        yield f"dstOverrides, {authority}: {error}"
