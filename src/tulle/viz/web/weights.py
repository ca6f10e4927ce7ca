"""Splits as the dashboard shows them, and their weights moved by the token of whoever asks."""

import asyncio
import json
from typing import Any

from tulle.index.profiles import thousandths
from tulle.k8s.client import ApiError, Client, Conflict, Forbidden, NotFound, Unreachable
from tulle.viz.web.callers import NO_TOKEN, TOKEN_HINT, allows, as_user, refusal
from tulle.viz.web.http import Query, Refused
from tulle.viz.web.rows import NUMBERS
from tulle.viz.web.sources import Sources
from tulle.viz.web.splits import (
    MOST_WEIGHT,
    RESOURCES,
    SPLIT_KIND,
    Backend,
    Resource,
    Split,
    is_of,
    splits_of,
)

Json = dict[str, Any]

BODY = 'the body is JSON such as {"rule": 0, "generation": 7, "weights": [90, 10]}'
CHANGED_HINT = "look at the split as it is now, and decide anew"
Numbers = dict[tuple[str, ...], Json]


class Splits:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def _api(self) -> Client:
        if self._sources.api is None:
            raise Refused(503, "the dashboard has no API server to ask")
        return self._sources.api

    async def read(self, namespace: str, service: str, query: Query) -> Json:
        """Every split of what is sent to the Service, each backend with its numbers."""
        listed = await asyncio.gather(
            *(self._listed(resource, namespace) for resource in RESOURCES.values())
        )
        found = [
            (resource, split)
            for resource, (_, items, _) in zip(RESOURCES.values(), listed, strict=True)
            for item in items
            if is_of(item, resource, namespace, service)
            for split in splits_of(item, resource)
        ]
        numbers = await self._numbers(namespace, service, query.window()) if found else {}
        return {
            "splits": [_shown(split, numbers) for _, split in found],
            "notes": [note for _, _, note in listed if note],
        }

    async def _listed(self, resource: Resource, namespace: str) -> tuple[str, list[Json], str]:
        """The version that the server has, its objects, and why there are none."""
        # A route may stand in its client's namespace; a TrafficSplit beside its Service only.
        within = namespace if resource.kind == SPLIT_KIND else ""
        for version in resource.versions:
            try:
                return version, await self._api().list(resource.path(version, within)), ""
            except NotFound:
                continue
            except Forbidden as error:
                return version, [], error.message
            except (ApiError, Unreachable) as error:
                raise refusal(error) from error
        return "", [], ""

    async def _numbers(self, namespace: str, service: str, window: str) -> Numbers:
        asked = {"namespace": namespace, "window": window}
        backends, leaves = await asyncio.gather(
            self._sources.metrics.get("/api/backends", {**asked, "name": service}),
            self._sources.metrics.get("/api/stat", {**asked, "kind": "trafficsplit"}),
        )
        found: Numbers = {}
        for row in backends["rows"]:
            route = row["route_group"], row["route_kind"], row["route_namespace"], row["route_name"]
            ends = row["backend_namespace"], row["backend_name"], str(row["backend_port"])
            found[*route, *ends] = row
        for row in leaves["rows"]:
            if row["numbers"]:
                found[SPLIT_KIND, row["namespace"], row["name"], row["leaf"]] = row["numbers"]
        return found

    async def write(
        self, namespace: str, resource: str, name: str, body: bytes, query: Query, token: str
    ) -> Json:
        """By the rights of the token, never by ours. With `dryRun=true` nothing is stored."""
        if not token:
            raise Refused(401, NO_TOKEN, TOKEN_HINT)
        rule, generation, weights = _asked(body)
        is_trial = query.text("dryRun") == "true"
        for last in (False, False, True):
            served, before = await self._one(RESOURCES[resource], namespace, name, rule)
            _judge(before, generation, weights)
            path = before.resource.path(served, namespace, name)
            options = {"dryRun": "All"} if is_trial else {}
            try:
                async with as_user(self._api(), token) as client:
                    stored = await client.patch(path, _patch(before, weights), "json", **options)
                break
            except Conflict as error:  # its status was written between our look and our patch
                if last:
                    raise refusal(error) from error
            except (ApiError, Unreachable) as error:
                raise refusal(error) from error
        after = _rule(stored, before.resource, rule)
        return {
            "dryRun": is_trial,
            "generation": before.generation if is_trial else after.generation,
            "before": [backend.text for backend in before.backends],
            "after": [backend.text for backend in after.backends],
        }

    async def _one(
        self, resource: Resource, namespace: str, name: str, rule: int
    ) -> tuple[str, Split]:
        for version in resource.versions:
            try:
                items = await self._api().list(
                    resource.path(version, namespace), fieldSelector=f"metadata.name={name}"
                )
            except NotFound:
                continue
            except (ApiError, Unreachable) as error:
                raise refusal(error) from error
            for item in items:
                return version, _rule(item, resource, rule)
        raise Refused(404, f"there is no {resource.kind} {name} in the namespace {namespace}")

    async def may(self, namespace: str, token: str) -> Json:
        """Of which kinds RBAC lets the token patch objects of a namespace."""
        if not token:
            return dict.fromkeys(RESOURCES, False)
        try:
            async with as_user(self._api(), token) as client:
                return {
                    name: await allows(client, "patch", namespace, found.group, found.plural)
                    for name, found in RESOURCES.items()
                }
        except (ApiError, Unreachable) as error:
            raise refusal(error) from error


def _rule(item: Json, resource: Resource, rule: int) -> Split:
    for split in splits_of(item, resource):
        if split.rule == rule:
            return split
    name = item["metadata"]["name"]
    raise Refused(409, f"the {resource.kind} {name} has no split at rule {rule} now", CHANGED_HINT)


def _asked(body: bytes) -> tuple[int, int, list[int | str]]:
    try:
        content = json.loads(body)
        rule, generation, weights = (content[word] for word in ("rule", "generation", "weights"))
    except (ValueError, TypeError, KeyError):
        raise Refused(400, BODY) from None
    if not (type(rule) is int and type(generation) is int and isinstance(weights, list)):
        raise Refused(400, BODY)
    return rule, generation, weights


def _judge(split: Split, generation: int, weights: list[int | str]) -> None:
    what = f"the {split.resource.kind} {split.name}"
    if split.generation != generation:
        raise Refused(409, f"somebody else changed {what} meanwhile", CHANGED_HINT)
    if len(weights) != len(split.backends):
        many = len(split.backends)
        raise Refused(422, f"{what} has {many} backends, and {len(weights)} weights were given")
    found = [_counted(weight, may_be_quantity=_is_smi(split)) for weight in weights]
    if None in found:
        raise Refused(422, f"a weight is a whole number from 0 to {MOST_WEIGHT}")
    if not any(found):
        raise Refused(422, "with all weights at 0 every request would fail")


def _counted(weight: object, *, may_be_quantity: bool) -> int | None:
    """None: it is no weight. SMI's may be quantities, such as `500m`."""
    if type(weight) is int:
        return weight if 0 <= weight <= MOST_WEIGHT else None
    if may_be_quantity and isinstance(weight, str):
        try:
            return thousandths(weight)
        except ValueError:
            return None
    return None


def _is_smi(split: Split) -> bool:
    return split.resource.kind == SPLIT_KIND


def _patch(split: Split, weights: list[int | str]) -> list[Json]:
    """The resourceVersion in it lets the API server refuse it, once another has written."""
    version = {"op": "replace", "path": "/metadata/resourceVersion", "value": split.version}
    return [
        version,
        *(
            {"op": "add", "path": split.pointer(number), "value": weight}
            for number, weight in enumerate(weights)
        ),
    ]


def _shown(split: Split, numbers: Numbers) -> Json:
    total = sum(backend.weight for backend in split.backends)
    return {
        "kind": split.resource.kind,
        "resource": split.resource.name,
        "namespace": split.namespace,
        "name": split.name,
        "rule": split.rule,
        "matches": split.matches,
        "generation": split.generation,
        "backends": [
            {
                "namespace": backend.namespace,
                "name": backend.name,
                "port": backend.port,
                "weight": backend.text,
                "share": backend.weight / total if total else None,
                **_numbers_of(split, backend, numbers),
            }
            for backend in split.backends
        ],
    }


def _numbers_of(split: Split, backend: Backend, numbers: Numbers) -> Json:
    if _is_smi(split):
        key: tuple[str, ...] = SPLIT_KIND, split.namespace, split.name, backend.name
    else:
        route = split.resource.group, split.resource.kind, split.namespace, split.name
        key = (*route, backend.namespace, backend.name, str(backend.port))
    found = numbers.get(key, {})
    words = ("success", "rps", "p50", "p95", "p99")
    return {word: found.get(NUMBERS[word]) for word in words}
