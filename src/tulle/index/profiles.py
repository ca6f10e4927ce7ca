"""ServiceProfiles as our dataclasses. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from tulle import durations
from tulle.index.ports import PortSet, port_set

Json = dict[str, Any]

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M)?")
_UNITS = {None: 1000, "m": 1, "k": 1_000_000, "M": 1_000_000_000}


@dataclass(frozen=True, slots=True)
class Condition:
    """A tree: `all`, `any` and `not` have parts; the leaves are a path, a method or statuses."""

    kind: str  # all, any, not, path, method, status
    parts: tuple["Condition", ...] = ()
    text: str = ""
    statuses: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class ResponseClass:
    condition: Condition
    is_failure: bool


@dataclass(frozen=True, slots=True)
class ProfileRoute:
    name: str
    condition: Condition
    responses: tuple[ResponseClass, ...]
    is_retryable: bool
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class RetryBudget:
    ratio: float = 0.2
    per_second: int = 10
    ttl_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class ServiceProfile:
    namespace: str
    name: str
    routes: tuple[ProfileRoute, ...]
    budget: RetryBudget
    overrides: tuple[tuple[str, int], ...]  # authority, weight in thousandths
    opaque_ports: PortSet | None


def _all(parts: list[Condition]) -> Condition:
    return parts[0] if len(parts) == 1 else Condition("all", tuple(parts))


def request_condition(item: Json) -> Condition:
    """Several keys in one condition must all hold."""
    parts: list[Condition] = []
    if item.get("method"):
        parts.append(Condition("method", text=item["method"]))
    if item.get("pathRegex"):
        parts.append(Condition("path", text=item["pathRegex"]))
    parts.extend(_combined(item, request_condition))
    return _all(parts)


def response_condition(item: Json) -> Condition:
    parts: list[Condition] = []
    if (status := item.get("status")) is not None:
        low, high = status.get("min") or 0, status.get("max") or 0
        parts.append(Condition("status", statuses=(low or high, high or low)))
    parts.extend(_combined(item, response_condition))
    return _all(parts)


def _combined(item: Json, read: Any) -> list[Condition]:
    parts = [
        Condition(kind, tuple(read(entry) for entry in item[kind]))
        for kind in ("all", "any")
        if item.get(kind)
    ]
    if item.get("not"):
        parts.append(Condition("not", (read(item["not"]),)))
    return parts


def _seconds(text: str | None) -> float | None:
    return durations.seconds(text) if text else None


def _route(item: Json) -> ProfileRoute:
    return ProfileRoute(
        item.get("name") or "",
        request_condition(item.get("condition") or {}),
        tuple(
            ResponseClass(
                response_condition(entry.get("condition") or {}), bool(entry.get("isFailure"))
            )
            for entry in item.get("responseClasses") or ()
        ),
        bool(item.get("isRetryable")),
        _seconds(item.get("timeout")),
    )


def _budget(item: Json | None) -> RetryBudget:
    if not item:
        return RetryBudget()
    return RetryBudget(
        float(item.get("retryRatio") or 0),
        int(item.get("minRetriesPerSecond") or 0),
        _seconds(item.get("ttl")) or RetryBudget().ttl_seconds,
    )


def thousandths(weight: int | float | str) -> int:
    """A weight as a number or as a quantity: `1`, `"500m"`, `"2k"`."""
    found = _QUANTITY.fullmatch(str(weight))
    if found is None:
        raise ValueError(f"{weight!r} is not a weight")
    return round(float(found[1]) * _UNITS[found[2]])


def service_profile(item: Json) -> ServiceProfile:
    metadata, spec = item["metadata"], item.get("spec") or {}
    opaque = spec.get("opaquePorts") or ()
    return ServiceProfile(
        metadata["namespace"],
        metadata["name"],
        tuple(_route(entry) for entry in spec.get("routes") or ()),
        _budget(spec.get("retryBudget")),
        tuple(
            (entry["authority"], thousandths(entry["weight"]))
            for entry in spec.get("dstOverrides") or ()
        ),
        port_set(",".join(map(str, opaque))) if opaque else None,
    )
