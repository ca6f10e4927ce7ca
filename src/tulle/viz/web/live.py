"""Tap and top in a browser: a stream of server-sent events, from the tap API to the page."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.serve.admin import Receive, Send
from tulle.viz.tap import client as tap_client
from tulle.viz.tap.filters import Filters, request
from tulle.viz.tap.lines import line
from tulle.viz.tap.tally import Row, Tally, duration_text
from tulle.viz.tap.target import PLURALS, Target

TOP_SECONDS = 1.0
TOP_ROWS = 100
LONGEST_SECONDS = 15 * 60.0  # a forgotten page does not tap for ever
MAX_RPS = 100.0
STREAM = b"text/event-stream"


class BadQuery(Exception):
    """A question that names nothing that can be tapped."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page's form says."""

    target: Target
    filters: Filters

    @classmethod
    def of(cls, query: dict[str, str]) -> "Wanted":
        kind, namespace = query.get("kind", ""), query.get("namespace", "")
        if kind not in PLURALS or not namespace:
            raise BadQuery("name a kind that has pods, and its namespace")
        name = namespace if kind == "namespace" else query.get("name", "")
        filters = Filters(
            method=query.get("method", ""),
            authority=query.get("authority", ""),
            path=query.get("path", ""),
            max_rps=MAX_RPS,
        )
        return cls(Target(namespace, kind, name), filters)


def top_cells(row: Row) -> list[str]:
    key = row.key
    times = [duration_text(value) for value in (row.best, row.worst, row.last)]
    ends = [key.source, key.destination, key.method, key.path]
    return [*ends, str(row.count), *times, f"{row.success_rate:.2%}"]


class Live:
    """Taps by the dashboard's own right, which an install may withhold."""

    def __init__(self, api: Client) -> None:
        self._api = api

    def _events(self, wanted: Wanted) -> AsyncGenerator[Any, None]:
        message = request(wanted.target, wanted.filters, extract_headers=False)
        return tap_client.events(self._api, wanted.target.path, message)

    async def tap(self, wanted: Wanted) -> AsyncIterator[Any]:
        async with aclosing(self._events(wanted)) as events:
            async for event in events:
                yield line(event)

    async def top(self, wanted: Wanted) -> AsyncIterator[Any]:
        """Every second all rows anew."""
        tally = Tally()
        clock = asyncio.get_running_loop()
        due = clock.time()
        async with aclosing(self._events(wanted)) as events:
            async for event in events:
                tally.add(event)
                if clock.time() >= due:
                    due = clock.time() + TOP_SECONDS
                    yield [top_cells(row) for row in tally.rows()[:TOP_ROWS]]


def event(kind: str, content: object) -> bytes:
    """JSON holds no line break, so it is one line of the stream."""
    return f"event: {kind}\ndata: {json.dumps(content)}\n\n".encode()


async def serve(
    found: AsyncIterator[Any], headers: list[tuple[bytes, bytes]], receive: Receive, send: Send
) -> None:
    """Sends until the browser hangs up; a failure is the last event."""
    start = [(b"content-type", STREAM), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": event("open", None), "more_body": True})

    async def write() -> None:
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                async for content in found:
                    body = event("message", content)
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            last = "the tap ended"
        except TimeoutError:
            last = "the tap ended after fifteen minutes; start it again"
        except (ApiError, Unreachable) as error:
            last = error.message if isinstance(error, ApiError) else str(error)
        await send({"type": "http.response.body", "body": event("failed", last)})

    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write())
        while (await receive())["type"] != "http.disconnect":
            pass
        writing.cancel()
