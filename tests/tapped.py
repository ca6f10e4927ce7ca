"""A tap API for the commands that ask one: over HTTP, with the events that a test puts in."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.json_format import ParseDict

from tulle.proto import tap_pb2, viz_tap_pb2
from tulle.serve import admin, asgi
from tulle.viz.tap.wire import framed


def exchange(
    stream: int,
    *,
    source: str = "ui-1",
    destination: str = "web-1",
    method: str = "GET",
    path: str = "/",
    status: int = 200,
    took: str = "0.002s",
    **rest: Any,
) -> list[Any]:
    """The three events of one request, as the proxy of its server tells them."""
    base = {
        "source": {"ip": {"ipv4": 0x0A000001}, "port": 5000},
        "sourceMeta": {"labels": {"pod": source, "tls": "true"}},
        "destination": {"ip": {"ipv4": 0x0A000002}, "port": 80},
        "destinationMeta": {"labels": {"pod": destination}},
        "routeMeta": {"labels": {"route": f"{method} {path}"}},
        "proxyDirection": "INBOUND",
    }
    request = {
        "method": {"registered": method},
        "scheme": {"registered": "HTTP"},
        "authority": "web.shop:80",
        "path": path,
        "headers": {"headers": rest.pop("headers", [])},
    }
    response = {
        "httpStatus": status,
        "sinceRequestInit": rest.pop("answered", took),
        "headers": {"headers": rest.pop("response_headers", [])},
    }
    parts = {
        "requestInit": request,
        "responseInit": response,
        "responseEnd": {"sinceRequestInit": took, "responseBytes": 2, **rest},
    }
    identity = {"base": 1, "stream": stream}
    return [
        ParseDict({**base, "http": {kind: {"id": identity, **part}}}, tap_pb2.TapEvent())
        for kind, part in parts.items()
    ]


class TapApi:
    """An ASGI application that answers every tap with what is put into `events`; None ends it."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.is_asked = asyncio.Event()
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.kubeconfig = folder / "kubeconfig"
        self.refusal: tuple[int, str] | None = None
        self.objects: dict[str, Any] = {}  # what a GET finds

    def put(self, *exchanges: list[Any]) -> None:
        for events in exchanges:
            for event in events:
                self.events.put_nowait(event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            found = self.objects.get(scope["path"])
            content = json.dumps(found or {}).encode()
            await asgi.respond(send, 404 if found is None else 200, content, "application/json")
            return
        request = viz_tap_pb2.TapRequest.FromString((await receive())["body"])
        self.asked.append((scope["path"], request))
        self.is_asked.set()
        if self.refusal:
            status, text = self.refusal
            await asgi.respond(send, status, text.encode(), "application/json")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            taking = asyncio.ensure_future(self.events.get())
            await asyncio.wait([gone, taking], return_when=asyncio.FIRST_COMPLETED)
            if not taking.done():
                taking.cancel()
                break
            event = taking.result()
            body = b"" if event is None else framed(event.SerializeToString())
            await send({"type": "http.response.body", "body": body, "more_body": bool(body)})
            if event is None:
                break
        gone.cancel()


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[TapApi]:
    """The API, and a kubeconfig whose cluster it is."""
    served, stop = TapApi(folder), asyncio.Event()
    listener = admin.listen("127.0.0.1:0")
    server = f"http://127.0.0.1:{listener.getsockname()[1]}"
    names = {"cluster": "c", "user": "u", "namespace": "shop"}
    config = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": names}],
    }
    served.kubeconfig.write_text(yaml.safe_dump(config))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(asgi.serve(served, listener, stop))
        try:
            yield served
        finally:
            stop.set()
