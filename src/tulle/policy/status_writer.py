"""Writes the status of routes, every ten seconds, in whichever replica holds the lease."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from tulle.index.index import Reader
from tulle.index.views import Views
from tulle.k8s.client import ApiError, Client, Conflict, Forbidden, NotFound, Unreachable
from tulle.k8s.lease import Lease
from tulle.policy.status import ParentStatus, merged, statuses
from tulle.routes import Route
from tulle.serve.logs import Log

log = Log("policy")

KINDS = ("HTTPRoute", "GatewayHTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute")
INTERVAL_SECONDS = 10.0
PathOf = Callable[[str, str, str], str]  # kind, namespace and name -> the object's path


def _of(route: Route, reader: Reader) -> tuple[ParentStatus, ...]:
    return statuses(reader, route)


class StatusWriter:
    """Remembers what it wrote, so that a cluster at rest costs one look at the lease a round."""

    def __init__(self, client: Client, views: Views, lease: Lease, path_of: PathOf) -> None:
        self._client, self._views, self._lease, self._path_of = client, views, lease, path_of
        self._written: dict[tuple[str, str, str], tuple[Route, tuple[ParentStatus, ...]]] = {}
        self._is_warned = False

    async def write_for_ever(self) -> None:
        while True:
            try:
                await self._round()
            except (ApiError, Unreachable) as error:
                if not self._is_warned:
                    log.warn("cannot write the status of routes", error=error)
                self._is_warned = True
                self._written.clear()
            await asyncio.sleep(INTERVAL_SECONDS)

    def _routes(self) -> Iterator[tuple[str, Route]]:
        for kind in KINDS:
            for route in self._views.index.store.all(kind).values():
                yield kind, route

    async def _round(self) -> None:
        routes = list(self._routes())
        if not routes or not await self._lease.hold(datetime.now(UTC)):
            self._written.clear()
            return
        for kind, route in routes:
            found = self._views.look(partial(_of, route))
            key = kind, route.namespace, route.name
            if self._written.get(key) == (route, found):
                continue
            if await self._write(kind, route, found):
                self._written[key] = route, found
        self._is_warned = False

    async def _write(self, kind: str, route: Route, found: tuple[ParentStatus, ...]) -> bool:
        """Upon what is there now: others write their entries into the same list. False: again."""
        path = self._path_of(kind, route.namespace, route.name)
        try:
            item = await self._client.get(path)
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            parents = merged(item, found, now)
            if parents is None:
                return True
            status = {**(item.get("status") or {}), "parents": parents}
            await self._client.replace(f"{path}/status", {**item, "status": status})
        except (Conflict, NotFound):
            return False
        except Forbidden:
            log.warn("may not write the status of a route", route=f"{route.namespace}/{route.name}")
        return True
