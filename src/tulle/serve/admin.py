"""The admin port of a component: /ping, /live, /ready and /metrics; and uvicorn run as a task."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from tulle.serve.metrics import exposition

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]
Reason = Callable[[], str | None]

TEXT = "text/plain; charset=utf-8"


async def respond(send: Send, status: int, body: bytes, content_type: str = TEXT) -> None:
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def application(not_ready: Reason) -> Application:
    """`not_ready` says why the component cannot serve yet, or None when it can."""

    async def admin(scope: Message, _receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, 405, b"method not allowed\n")
        elif path == "/ping":
            await respond(send, 200, b"pong\n")
        elif path == "/live":
            await respond(send, 200, b"live\n")
        elif path == "/ready":
            reason = not_ready()
            text = "ready" if reason is None else f"not ready: {reason}"
            await respond(send, 200 if reason is None else 503, f"{text}\n".encode())
        elif path == "/metrics":
            content_type, body = exposition()
            await respond(send, 200, body, content_type)
        else:
            await respond(send, 404, b"not found\n")

    return admin


class _Server(uvicorn.Server):
    """Leaves the signals to the component, which stops its servers in an order of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def split_address(address: str) -> tuple[str, int]:
    """`:8086`, `0.0.0.0:8086` or `[::1]:8086` as host and port; no host means every address."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"{address!r} is not an address: give [HOST]:PORT")
    return host.strip("[]"), int(port)


def listen(address: str) -> socket.socket:
    """A listening socket, both families when no host is named (and the machine has IPv6)."""
    host, port = split_address(address)
    if not host and socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


async def serve_http(
    app: Application,
    listener: socket.socket,
    stop: asyncio.Event,
    *,
    tls: ssl.SSLContext | None = None,
    protocol: Any = "h11",
) -> None:
    """Serve an ASGI application until `stop` is set; answers in flight get five seconds."""
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    config.load()
    if tls is not None:
        config.ssl = tls
    server = _Server(config)

    async def end() -> None:
        await stop.wait()
        server.should_exit = True

    async with asyncio.TaskGroup() as tasks:
        ender = tasks.create_task(end())
        await server.serve(sockets=[listener])
        ender.cancel()
