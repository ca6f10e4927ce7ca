"""Sets of ports as annotations write them: `80,443,8000-8010,name`. Pure."""

from collections.abc import Iterable, Mapping

LAST_PORT = 65535


class PortSet:
    """Numbers, ranges and names of ports. Names count where a pod's port of that name is asked."""

    __slots__ = ("_names", "_numbers", "_ranges", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        numbers: set[int] = set()
        ranges: list[tuple[int, int]] = []
        names: set[str] = set()
        for part in filter(None, (part.strip() for part in text.split(","))):
            first, dash, last = part.partition("-")
            if part.isdecimal():
                numbers.add(int(part))
            elif dash and first.isdecimal() and last.isdecimal():
                ranges.append((int(first), min(int(last), LAST_PORT)))
            else:
                names.add(part)
        self._numbers, self._ranges = frozenset(numbers), tuple(ranges)
        self._names = frozenset(names)

    def __contains__(self, port: int) -> bool:
        return port in self._numbers or any(a <= port <= b for a, b in self._ranges)

    def holds(self, port: int, named: Mapping[str, int] | None = None) -> bool:
        """`named`: the pod's or Service's ports by name."""
        by_name = any((named or {}).get(name) == port for name in self._names)
        return port in self or by_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortSet) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"PortSet({self._text!r})"


_known: dict[str, PortSet] = {}


def port_set(text: str | None) -> PortSet | None:
    """One object per distinct text: a cluster has few of them and many pods."""
    if text is None:
        return None
    if text not in _known:
        _known[text] = PortSet(text)
    return _known[text]


def of_numbers(numbers: Iterable[int]) -> PortSet:
    return PortSet(",".join(map(str, numbers)))
