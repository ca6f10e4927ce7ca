"""SMI's TrafficSplits, and the HTTPRouteGroups that say for which requests one holds. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tulle.index.profiles import thousandths
from tulle.routes import HttpMatch, ValueMatch

Json = dict[str, Any]

EVERY_METHOD = "*"


@dataclass(frozen=True, slots=True)
class TrafficSplit:
    namespace: str
    name: str
    created: str
    apex: str
    leaves: tuple[tuple[str, int], ...]  # Service, weight in thousandths
    groups: tuple[str, ...] = ()  # HTTPRouteGroups; empty: it holds for all traffic


def traffic_split(item: Json) -> TrafficSplit:
    metadata, spec = item["metadata"], item["spec"]

    def bare(name: str) -> str:
        """The apex may be given as a DNS name."""
        return name.removesuffix(".").split(".", 1)[0]

    return TrafficSplit(
        metadata["namespace"],
        metadata["name"],
        metadata.get("creationTimestamp") or "",
        bare(spec["service"]),
        tuple(
            (bare(entry["service"]), thousandths(entry.get("weight", 0)))
            for entry in spec.get("backends") or ()
        ),
        tuple(entry["name"] for entry in spec.get("matches") or ()),
    )


def split_of(splits: list[TrafficSplit], apex: str) -> TrafficSplit | None:
    """Of several for one apex the oldest counts."""
    found = [split for split in splits if split.apex == apex]
    return min(found, key=lambda split: (split.created, split.name), default=None)


@dataclass(frozen=True, slots=True)
class RouteGroup:
    """Requests that fit any of the matches."""

    matches: tuple[HttpMatch, ...]


def route_group(item: Json) -> RouteGroup:
    """Up to v1alpha2 the matches stand outside of `spec`."""
    listed = (item.get("spec") or item).get("matches") or ()
    return RouteGroup(tuple(match for entry in listed for match in _matches(entry)))


def _matches(entry: Json) -> Iterable[HttpMatch]:
    """One for each method, since a match knows one only."""
    text = entry.get("pathRegex")
    path = ValueMatch("", "regex", text) if text else None
    headers = tuple(ValueMatch(name, "regex", value) for name, value in _headers(entry))
    methods = entry.get("methods") or (EVERY_METHOD,)
    for method in (None,) if EVERY_METHOD in methods else methods:
        yield HttpMatch(path, headers, (), method)


def _headers(entry: Json) -> list[tuple[str, str]]:
    """A map, or a list of maps, as the versions have it."""
    given = entry.get("headers") or {}
    maps = [given] if isinstance(given, dict) else given
    return [(name, value) for pairs in maps for name, value in pairs.items()]
