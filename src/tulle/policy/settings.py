"""Retries, timeouts and failure accrual as annotations of Services and routes write them. Pure.

An annotation that cannot be read is left out with what belongs to it: a typing error must not take
a Service off the air.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

RETRY, TIMEOUT = "retry.linkerd.io/", "timeout.linkerd.io/"
BALANCER, BALANCER_ALPHA = "balancer.linkerd.io/", "balancer.alpha.linkerd.io/"

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
GRPC_CONDITIONS = (
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
)

Settings = Mapping[str, str]


class InvalidSetting(ValueError):
    """An annotation's value that cannot be read."""


def seconds(text: str) -> float:
    """A whole number with a unit, or a bare 0. Raises InvalidSetting."""
    text = text.strip()
    if text == "0":
        return 0.0
    if (found := _DURATION.fullmatch(text)) is None:
        raise InvalidSetting(f"{text!r} is not a duration such as 100ms or 5s")
    return int(found[1]) * _SECONDS[found[2]]


def _seconds_of(settings: Settings, key: str) -> float | None:
    return seconds(settings[key]) if key in settings else None


def _number(settings: Settings, key: str, default: float, least: float, most: float) -> float:
    try:
        number = float(settings.get(key, default))
    except ValueError as error:
        raise InvalidSetting(f"{key} is not a number") from error
    if not least <= number <= most:
        raise InvalidSetting(f"{key} is not between {least} and {most}")
    return number


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds; None: none."""

    request: float | None = None
    response: float | None = None
    idle: float | None = None


def timeouts(settings: Settings) -> Timeouts:
    try:
        return Timeouts(
            _seconds_of(settings, f"{TIMEOUT}request"),
            _seconds_of(settings, f"{TIMEOUT}response"),
            _seconds_of(settings, f"{TIMEOUT}idle"),
        )
    except InvalidSetting:
        return Timeouts()


@dataclass(frozen=True, slots=True)
class Retry:
    """`statuses`: ranges of HTTP statuses; `codes`: gRPC conditions by their names."""

    limit: int
    timeout: float | None
    statuses: tuple[tuple[int, int], ...] = ()
    codes: tuple[str, ...] = ()


def _statuses(text: str) -> tuple[tuple[int, int], ...]:
    found = []
    for part in (part.strip() for part in text.split(",")):
        first, dash, last = part.partition("-")
        if part == "5xx":
            found.append((500, 599))
        elif part == "gateway-error":
            found.append((502, 504))
        elif part.isdecimal():
            found.append((int(part), int(part)))
        elif dash and first.isdecimal() and last.isdecimal():
            found.append((int(first), int(last)))
        else:
            raise InvalidSetting(f"{part!r} is not a status or a range of them")
    if any(not 100 <= low <= high < 600 for low, high in found):
        raise InvalidSetting(f"{text!r} holds what is no HTTP status")
    return tuple(found)


def _codes(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(","))
    if unknown := [code for code in found if code not in GRPC_CONDITIONS]:
        raise InvalidSetting(f"{unknown[0]!r} is not a gRPC condition")
    return found


def retry(settings: Settings, *, is_grpc: bool) -> Retry | None:
    conditions = settings.get(f"{RETRY}{'grpc' if is_grpc else 'http'}")
    if conditions is None and not {f"{RETRY}limit", f"{RETRY}timeout"} & settings.keys():
        return None
    try:
        return Retry(
            int(_number(settings, f"{RETRY}limit", 1, 0, 65535)),
            _seconds_of(settings, f"{RETRY}timeout"),
            _statuses(conditions) if conditions and not is_grpc else (),
            _codes(conditions) if conditions and is_grpc else (),
        )
    except InvalidSetting:
        return None


@dataclass(frozen=True, slots=True)
class SuccessRate:
    threshold: float
    window: float
    least_requests: int
    honors_retry_after: bool


@dataclass(frozen=True, slots=True)
class Accrual:
    """When an endpoint is taken out of the balance, and for how long (seconds)."""

    most_failures: int
    least_penalty: float
    most_penalty: float
    jitter: float
    success_rate: SuccessRate | None  # None: consecutive failures alone count


def accrual(settings: Settings) -> Accrual | None:
    mode = settings.get(f"{BALANCER}failure-accrual")
    if mode not in ("consecutive", "unified"):
        return None
    prefix = f"{BALANCER}failure-accrual-consecutive-"
    try:
        least = _seconds_of(settings, f"{prefix}min-penalty")
        most = _seconds_of(settings, f"{prefix}max-penalty")
        found = Accrual(
            int(_number(settings, f"{prefix}max-failures", 7, 0, 2**32 - 1)),
            1.0 if least is None else least,
            60.0 if most is None else most,
            _number(settings, f"{prefix}jitter-ratio", 0.5, 0, 100),
            _success_rate(settings) if mode == "unified" else None,
        )
    except InvalidSetting:
        return None
    is_sound = found.least_penalty <= found.most_penalty and found.most_penalty > 0
    return found if is_sound else None


def _success_rate(settings: Settings) -> SuccessRate:
    prefix = f"{BALANCER_ALPHA}failure-accrual-success-rate-"
    window = _seconds_of(settings, f"{prefix}window")
    threshold = _number(settings, f"{prefix}threshold", 0.8, 0, 1)
    if window is not None and threshold and window < 0.01:
        raise InvalidSetting("a success-rate window is at least 10ms")
    return SuccessRate(
        threshold,
        10.0 if window is None else window,
        int(_number(settings, f"{prefix}min-requests", 5, 0, 1_000_000)),
        settings.get(f"{BALANCER_ALPHA}failure-accrual-honor-retry-after") in _TRUE,
    )


@dataclass(frozen=True, slots=True)
class Penalty:
    """What a failed answer costs an endpoint in the balance, in seconds."""

    penalty: float = 5.0
    most_retry_after: float = 300.0


def penalty(settings: Settings) -> Penalty | None:
    if settings.get(f"{BALANCER_ALPHA}penalize-failures") not in _TRUE:
        return None
    try:
        cost = _seconds_of(settings, f"{BALANCER_ALPHA}load-biaser-penalty")
        most = _seconds_of(settings, f"{BALANCER_ALPHA}load-biaser-max-retry-after")
    except InvalidSetting:
        return None
    return Penalty(5.0 if cost is None else cost, 300.0 if most is None else most)
