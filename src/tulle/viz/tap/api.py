"""The tap API server: discovery for anyone, taps for whom RBAC allows them."""

import asyncio
import json
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from tulle.k8s.client import ApiError, Json, Unreachable
from tulle.proto import viz_tap_pb2
from tulle.serve.asgi import Message, Receive, Send, respond
from tulle.serve.logs import Log
from tulle.viz.tap import discovery, wire
from tulle.viz.tap.access import FrontProxy, NotAllowed, NotTheApiServer, authorize
from tulle.viz.tap.observe import Surroundings, Tap, Unanswered, Wish
from tulle.viz.tap.pods import BadSelector, NothingToTap, Pods, requirements, tappable, why_not
from tulle.viz.tap.target import Target, target_of

log = Log("viz.tap")

MAX_REQUEST_BYTES = 64 * 1024


class BadRequest(Exception):
    """A question that cannot be understood."""


class Gone(Exception):
    """The client hung up before it had asked."""


STATUS: dict[type[Exception], int] = {
    ApiError: 502,
    BadRequest: 400,
    BadSelector: 400,
    NotAllowed: 403,
    NotTheApiServer: 401,
    NothingToTap: 404,
    Unanswered: 503,
    Unreachable: 502,
}


class Reviewer(Protocol):
    async def create(self, path: str, body: Json, **params: Any) -> Json: ...


class TapApi:
    """An ASGI application; `front_proxy` is replaced when the cluster changes it."""

    def __init__(
        self, api: Reviewer, front_proxy: FrontProxy, pods: Pods, around: Surroundings
    ) -> None:
        self._api, self._pods, self._around = api, pods, around
        self.front_proxy = front_proxy

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        try:
            if scope["method"] == "POST" and (target := target_of(path)):
                await self._tap(target, scope, receive, send)
            elif scope["method"] in ("GET", "HEAD"):
                await _describe(path, send)
            else:
                await _fail(send, 404, f"nothing is at {path}")
        except Gone:
            return
        except tuple(STATUS) as error:
            status = next(code for kind, code in STATUS.items() if isinstance(error, kind))
            log.info("refused a tap", path=path, status=status, reason=error)
            await _fail(send, status, str(error))

    async def _tap(self, target: Target, scope: Message, receive: Receive, send: Send) -> None:
        peer = (scope.get("state") or {}).get("peer_certificate")
        user = self.front_proxy.user(peer, scope["headers"])
        request = _parsed(await _body(receive), target)
        await authorize(self._api, user, target)
        selector = request.label_selector
        requirements(selector)
        pods = self._pods.of(target, selector)
        if not tappable(pods):
            raise NothingToTap(why_not(pods, target))
        wish = Wish(request.match, request.max_rps, request.extract_headers)
        tap = Tap(wish, lambda: tappable(self._pods.of(target, selector)), self._around)
        await tap.probe()
        log.info("tapping", target=str(target), namespace=target.namespace, user=user.name)
        await _stream(tap, receive, send)


async def _stream(tap: Tap, receive: Receive, send: Send) -> None:
    """Sends events until the client hangs up."""
    content_type = (b"content-type", wire.CONTENT_TYPE.encode())
    await send({"type": "http.response.start", "status": 200, "headers": [content_type]})
    # The head goes out at once: a quiet target must not look like a slow server.
    await send({"type": "http.response.body", "body": b"", "more_body": True})

    async def write() -> None:
        while True:
            parts = [await tap.frames.get()]
            while not tap.frames.empty():
                parts.append(tap.frames.get_nowait())
            await send({"type": "http.response.body", "body": b"".join(parts), "more_body": True})

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(tap.follow()), tasks.create_task(write())]
        while (await receive())["type"] != "http.disconnect":
            pass
        for task in running:
            task.cancel()


def _parsed(body: bytes, target: Target) -> Any:
    try:
        request = viz_tap_pb2.TapRequest.FromString(body)
    except DecodeError as error:
        raise BadRequest(f"the body is no TapRequest: {error}") from error
    asked = Target(request.target.namespace, request.target.kind, request.target.name)
    if asked != target:
        raise BadRequest(f"the URL means {target}, but the body {asked}")
    return request


async def _body(receive: Receive) -> bytes:
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        found += message.get("body", b"")
        if len(found) > MAX_REQUEST_BYTES:
            raise BadRequest("the request is too long")
        if not message.get("more_body"):
            return bytes(found)


async def _describe(path: str, send: Send) -> None:
    if path in discovery.HEALTH_PATHS:
        await respond(send, 200, b"ok")
        return
    content = discovery.document(path)
    if content is None:
        await _fail(send, 404, f"nothing is at {path}")
        return
    await respond(send, 200, json.dumps(content).encode(), "application/json")


async def _fail(send: Send, status: int, text: str) -> None:
    """As Kubernetes says it, and as tap clients look for it."""
    content = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "message": text,
        "error": text,
    }
    body = json.dumps(content).encode()
    one_line = " ".join(text.split()).encode("ascii", "replace")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (wire.ERROR_HEADER.encode(), one_line[:1000]),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
