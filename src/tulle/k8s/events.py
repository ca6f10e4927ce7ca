"""Writes Kubernetes Events: what a component did to an object, for `kubectl describe` to show.

Nobody waits for an event: it is queued, and left out when the same was just said or when the
queue is full.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from tulle.k8s.client import ApiError, Json, Unreachable

SAME_AGAIN_AFTER = timedelta(minutes=10)
REMEMBERED = 2000
QUEUED = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""  # without it `kubectl describe` does not find the event


class Api(Protocol):
    async def create(self, path: str, body: Json, **params: Any) -> Json: ...


def _now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """One component's events. `run` writes them until it is cancelled."""

    def __init__(self, api: Api, component: str, *, now: Callable[[], datetime] = _now) -> None:
        self._api, self._component, self._now = api, component, now
        self._queue: asyncio.Queue[tuple[Subject, str, str, str]] = asyncio.Queue(QUEUED)
        self._said: OrderedDict[tuple[Subject, str, str], datetime] = OrderedDict()

    def record(
        self, subject: Subject, reason: str, message: str, *, kind: str = "Normal", key: str = ""
    ) -> bool:
        """Queue an event; False if it is left out. Events of one `key` count as the same."""
        said = (subject, reason, key or message)
        last = self._said.get(said)
        if last is not None and self._now() - last < SAME_AGAIN_AFTER:
            return False
        try:
            self._queue.put_nowait((subject, reason, message, kind))
        except asyncio.QueueFull:
            return False
        self._said[said] = self._now()
        self._said.move_to_end(said)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return True

    async def run(self, on_failure: Callable[[Exception], None]) -> None:
        while True:
            subject, reason, message, kind = await self._queue.get()
            body = self._event(subject, reason, message, kind)
            try:
                await self._api.create(f"/api/v1/namespaces/{subject.namespace}/events", body)
            except (ApiError, Unreachable) as error:
                on_failure(error)

    def _event(self, subject: Subject, reason: str, message: str, kind: str) -> Json:
        time = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        involved = {
            "apiVersion": subject.api_version,
            "kind": subject.kind,
            "namespace": subject.namespace,
            "name": subject.name,
            **({"uid": subject.uid} if subject.uid else {}),
        }
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{subject.name[:200]}.{uuid4().hex[:16]}",
                "namespace": subject.namespace,
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message[:1024],
            "type": kind,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        }
