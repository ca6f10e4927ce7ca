"""Reading the texts that annotations carry: durations, quantities, ports, networks. Pure.

Each function raises ValueError with words that end the sentence "… cannot be …:".
"""

import ipaddress
import math
import re
from collections.abc import Mapping

from tulle.durations import seconds

_QUANTITY = re.compile(
    r"(\d+(?:\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[+-]?\d+|E[+-]?\d+)?"
)
NEEDED_LABELS = ("direction", "peer", "tls", "le")


def milliseconds(text: str) -> str:
    return f"{int(round(seconds(text) * 1000, 6))}ms"


def whole_seconds(text: str) -> str:
    return f"{int(seconds(text))}s"


def boolean(text: str) -> bool:
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise ValueError("it must be true or false")


def enabled(text: str) -> bool:
    if text not in ("enabled", "disabled"):
        raise ValueError("it must be enabled or disabled")
    return text == "enabled"


def port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ValueError("a port is a number between 1 and 65535")
    return int(text)


def ports(text: str) -> str:
    """Comma-separated ports and ranges, as given but for blanks."""
    return ",".join(_range(item) for item in _items(text))


def named_ports(text: str, known: Mapping[str, int]) -> str:
    """The same, where the name of a container's port stands for its number."""
    return ",".join(str(known[item]) if item in known else _range(item) for item in _items(text))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _range(item: str) -> str:
    first, dash, last = item.partition("-")
    try:
        if dash and port(last.strip()) < port(first.strip()):
            raise ValueError(f"the range {item} ends before it begins")
        port(first.strip())
    except ValueError as error:
        if "range" in str(error):
            raise
        raise ValueError(f"{item!r} is neither a port nor a range of ports") from None
    return item.replace(" ", "")


def networks(text: str) -> str:
    for item in _items(text):
        try:
            ipaddress.ip_network(item, strict=False)
        except ValueError:
            raise ValueError(f"{item!r} is not a network such as 10.0.0.0/8") from None
    return ",".join(_items(text))


def quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError("a quantity is a number with a unit, such as 100m, 0.5, 64Mi or 1Gi")
    return text


def whole_cores(text: str) -> int:
    """The CPU quantity rounded up to whole cores, at least one."""
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2] not in (None, "m", "k"):
        raise ValueError("CPU is a number of cores, such as 100m, 0.5 or 2")
    scale = {None: 1.0, "m": 1e-3, "k": 1e3}[match[2]]
    return max(1, math.ceil(round(float(match[1]) * scale, 9)))


def ratio(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= 1.0:
        raise ValueError("a ratio is a number above 0 and at most 1")
    return value


def whole(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("it must be a whole number, 0 or more")
    return int(text)


def metric_labels(text: str) -> str:
    """Labels that the proxy's sums may do without; it refuses to start without the others."""
    labels = [label.strip() for label in text.split(",") if label.strip()]
    for label in labels:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label):
            raise ValueError(f"{label} is not a label's name")
        if label in NEEDED_LABELS:
            raise ValueError(f"no metric can do without {label}")
    return ",".join(labels)


def user(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("it must be a user id above 0, as the proxy never runs as root")
    return int(text)
