"""Durations as Kubernetes and Go write them: 100ms, 5s, 1m30s, 24h0m0s."""

import re

_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h|d)")
_SECONDS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}


def seconds(text: str) -> float:
    """Raises ValueError with words that name the accepted form."""
    parts = list(_PART.finditer(text))
    if text == "0":
        return 0.0
    if not parts or "".join(part.group() for part in parts) != text:
        raise ValueError("a duration is a number with a unit, such as 100ms, 5s or 1m30s")
    return sum(float(part[1]) * _SECONDS[part[2]] for part in parts)
