"""What a route's status says of each parent: whether it counts, and whether its backends are there.

Pure. Conditions and reasons are those of the Gateway API.
"""

from dataclasses import dataclass
from typing import Any

from tulle import names
from tulle.index.index import Reader
from tulle.index.objects import Service
from tulle.routes import CORE_GROUP, POLICY_GROUP, Reference, Route

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ParentStatus:
    """`position`: of the parent in the route's list. Reasons are None where all is well."""

    position: int
    rejected: str | None
    unresolved: str | None


def _service(reader: Reader, target: Reference) -> Service | None:
    found = reader.service(target.namespace, target.name)
    return None if found is None or found.is_external_name else found


def _exists(reader: Reader, kind: str, target: Reference) -> bool:
    listed = reader.in_namespace(kind, target.namespace)
    return any(item.name == target.name for item in listed)


def _rejection(reader: Reader, route: Route, parent: Reference) -> str | None:
    """A Service needs an address of its own, for clients of a headless one choose pods."""
    if parent.kind == "Service":
        service = _service(reader, parent)
        fits = service is not None and bool(service.cluster_ips)
        if service is not None and parent.port is not None:
            fits = fits and service.port(parent.port) is not None
    else:
        fits = _exists(reader, parent.kind, parent)
    if parent.kind == "Server":
        fits = fits and parent.namespace == route.namespace
    return None if fits else "NoMatchingParent"


def _is_ours(parent: Reference) -> bool:
    return (parent.group, parent.kind) in (
        (CORE_GROUP, "Service"),
        (POLICY_GROUP, "Server"),
        (POLICY_GROUP, "EgressNetwork"),
    )


def _unresolved(reader: Reader, route: Route) -> str | None:
    targets = [backend.target for rule in route.rules for backend in rule.backends]
    kinds = {(CORE_GROUP, "Service"), (POLICY_GROUP, "EgressNetwork")}
    if any((target.group, target.kind) not in kinds for target in targets):
        return "InvalidKind"
    for target in targets:
        is_service = target.kind == "Service"
        there = _service(reader, target) if is_service else _exists(reader, target.kind, target)
        if not there:
            return "BackendNotFound"
    return None


def statuses(reader: Reader, route: Route) -> tuple[ParentStatus, ...]:
    """Only of parents that are ours: other controllers speak for theirs."""
    unresolved = _unresolved(reader, route)
    return tuple(
        ParentStatus(position, _rejection(reader, route, parent), unresolved)
        for position, parent in enumerate(route.parents)
        if _is_ours(parent)
    )


def _condition(kind: str, good: str, bad: str | None, generation: int) -> Json:
    return {
        "type": kind,
        "status": "True" if bad is None else "False",
        "reason": bad or good,
        "message": "",
        "observedGeneration": generation,
    }


def _entry(status: ParentStatus, parents: list[Json], generation: int) -> Json:
    return {
        "parentRef": parents[status.position],
        "controllerName": names.POLICY_CONTROLLER_NAME,
        "conditions": [
            _condition("Accepted", "Accepted", status.rejected, generation),
            _condition("ResolvedRefs", "ResolvedRefs", status.unresolved, generation),
        ],
    }


def _key(entry: Json, condition: Json) -> tuple[str, str, str, str]:
    parent = repr(sorted(entry["parentRef"].items()))
    return parent, condition["type"], condition["status"], condition["reason"]


def merged(item: Json, found: tuple[ParentStatus, ...], now: str) -> list[Json] | None:
    """The route's `status.parents` with our entries put right; None: they are right already.

    A condition that says what it said keeps its time.
    """
    parents = item["spec"].get("parentRefs") or []
    before: list[Json] = (item.get("status") or {}).get("parents") or []
    ours = [e for e in before if e.get("controllerName") == names.POLICY_CONTROLLER_NAME]
    times = {
        _key(entry, condition): condition.get("lastTransitionTime", now)
        for entry in ours
        for condition in entry.get("conditions") or ()
    }
    generation = item["metadata"].get("generation", 0)
    made = [_entry(s, parents, generation) for s in found if s.position < len(parents)]
    for entry in made:
        for condition in entry["conditions"]:
            condition["lastTransitionTime"] = times.get(_key(entry, condition), now)
    if made == ours:
        return None
    return [entry for entry in before if entry not in ours] + made
