"""Writes the status of policies, every ten seconds, in whichever replica holds the lease."""

import asyncio
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tulle.index.index import Reader
from tulle.index.views import Views
from tulle.k8s.client import ApiError, Client, Conflict, Forbidden, NotFound, Unreachable
from tulle.k8s.lease import Lease
from tulle.policy import conditions
from tulle.policy.status import merged, statuses
from tulle.serve.logs import Log

log = Log("policy")

Json = dict[str, Any]
INTERVAL_SECONDS = 10.0
PathOf = Callable[[str, str, str], str]  # kind, namespace and name -> the object's path


@dataclass(frozen=True, slots=True)
class Judged:
    """How a kind is judged, and how its object's status reads then; None: as it is already."""

    judge: Callable[[Reader, Any], Hashable]
    status: Callable[[Json, Any, str], Json | None]


def _route_status(item: Json, found: Any, now: str) -> Json | None:
    """Upon what is there: others write their entries into the same list."""
    parents = merged(item, found, now)
    return None if parents is None else {**(item.get("status") or {}), "parents": parents}


ROUTE = Judged(statuses, _route_status)
KINDS = {
    **dict.fromkeys(("HTTPRoute", "GatewayHTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"), ROUTE),
    "RateLimit": Judged(conditions.of_rate_limit, conditions.status),
    "EgressNetwork": Judged(conditions.of_egress_network, conditions.status),
}


def _found(judged: Judged, item: Any, reader: Reader) -> Hashable:
    return judged.judge(reader, item)


class StatusWriter:
    """Remembers what it wrote, so that a cluster at rest costs one look at the lease a round."""

    def __init__(self, client: Client, views: Views, lease: Lease, path_of: PathOf) -> None:
        self._client, self._views, self._lease, self._path_of = client, views, lease, path_of
        self._written: dict[tuple[str, str, str], tuple[Any, Hashable]] = {}
        self._is_warned = False

    async def write_for_ever(self) -> None:
        while True:
            try:
                await self._round()
            except (ApiError, Unreachable) as error:
                if not self._is_warned:
                    log.warn("cannot write the status of policies", error=error)
                self._is_warned = True
                self._written.clear()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _items(self) -> Iterator[tuple[str, Any]]:
        for kind in KINDS:
            for item in self._views.index.store.all(kind).values():
                yield kind, item

    async def _round(self) -> None:
        items = list(self._items())
        if not items or not await self._lease.hold(datetime.now(UTC)):
            self._written.clear()
            return
        for kind, item in items:
            found = self._views.look(partial(_found, KINDS[kind], item))
            key = kind, item.namespace, item.name
            if self._written.get(key) == (item, found):
                continue
            if await self._write(key, found):
                self._written[key] = item, found
        self._is_warned = False

    async def _write(self, key: tuple[str, str, str], found: Hashable) -> bool:
        """Upon what is there now. False: again in the next round."""
        path = self._path_of(*key)
        try:
            item = await self._client.get(path)
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            status = KINDS[key[0]].status(item, found, now)
            if status is None:
                return True
            await self._client.replace(f"{path}/status", {**item, "status": status})
        except (Conflict, NotFound):
            return False
        except Forbidden:
            log.warn("may not write the status", kind=key[0], name=f"{key[1]}/{key[2]}")
        return True
