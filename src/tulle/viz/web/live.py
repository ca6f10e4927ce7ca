"""Tap and top in a browser: a stream of server-sent events, from the tap API to the page."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.serve.asgi import Receive, Send
from tulle.viz.tap import client as tap_client
from tulle.viz.tap.filters import Filters, request
from tulle.viz.tap.lines import as_json
from tulle.viz.tap.tally import Row, Tally
from tulle.viz.tap.target import PLURALS, Target
from tulle.viz.web.http import Query, Refused

Json = dict[str, Any]

TOP_SECONDS = 1.0
TOP_ROWS = 500
LONGEST_SECONDS = 15 * 60.0  # a forgotten page does not tap for ever
MAX_RPS = 100
STREAM = b"text/event-stream"
MS = 1000.0  # microseconds


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page's form says."""

    target: Target
    filters: Filters
    has_headers: bool = False

    @classmethod
    def of(cls, query: Query) -> "Wanted":
        kind, namespace = query.text("kind"), query.name("namespace")
        if kind not in PLURALS or not namespace:
            raise Refused(400, "name a kind that has pods, and its namespace")
        name = namespace if kind == "namespace" else query.name("name")
        to_kind = query.text("toKind")
        if to_kind and to_kind not in (*PLURALS, "service"):
            raise Refused(400, f"nothing can be sent to a {to_kind}")
        filters = Filters(
            to=(to_kind, query.name("toName")) if to_kind else None,
            to_namespace=query.name("toNamespace"),
            scheme=query.text("scheme"),
            method=query.text("method"),
            authority=query.text("authority"),
            path=query.text("path"),
            max_rps=float(query.count("maxRps", MAX_RPS, 1, MAX_RPS)),
        )
        return cls(Target(namespace, kind, name), filters, query.text("headers") == "true")


def top_row(row: Row) -> Json:
    key = row.key
    return {
        "source": key.source,
        "destination": key.destination,
        "method": key.method,
        "path": key.path,
        "count": row.count,
        "best": row.best / MS,
        "worst": row.worst / MS,
        "last": row.last / MS,
        "success": row.success_rate,
    }


class Live:
    """Taps by the dashboard's own right, which an install may withhold."""

    def __init__(self, api: Client) -> None:
        self._api = api

    def _events(self, wanted: Wanted) -> AsyncGenerator[Any, None]:
        message = request(wanted.target, wanted.filters, extract_headers=wanted.has_headers)
        return tap_client.events(self._api, wanted.target.path, message)

    async def tap(self, wanted: Wanted) -> AsyncIterator[Any]:
        async with aclosing(self._events(wanted)) as events:
            async for event in events:
                yield as_json(event)

    async def top(self, wanted: Wanted) -> AsyncIterator[Any]:
        """All rows anew, at most once a second, whenever there are others."""
        tally, clock = Tally(), asyncio.get_running_loop()
        due, has_news = clock.time(), False
        async with aclosing(self._events(wanted)) as events:
            coming = asyncio.ensure_future(anext(events, None))
            try:
                while True:
                    wait = max(0.0, due - clock.time()) if has_news else None
                    done, _ = await asyncio.wait({coming}, timeout=wait)
                    if done:
                        event = coming.result()
                        if event is None:
                            return
                        tally.add(event)
                        has_news = True
                        coming = asyncio.ensure_future(anext(events, None))
                    if has_news and clock.time() >= due:
                        due, has_news = clock.time() + TOP_SECONDS, False
                        yield [top_row(row) for row in tally.rows()[:TOP_ROWS]]
            finally:
                coming.cancel()
                await asyncio.wait({coming})


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
