"""The admin port of a component: /ping, /live, /ready and /metrics.

On h11 alone: identity serves nothing else by HTTP, and a web server would be a tenth of its memory.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import h11

from tulle.serve.metrics import exposition

Reason = Callable[[], str | None]
Answer = tuple[int, str, bytes]

TEXT = "text/plain; charset=utf-8"
# A client that asks nothing for so long is no scraper and no kubelet.
IDLE_SECONDS = 90.0
CHUNK = 16 * 1024


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


async def serve(not_ready: Reason, listener: socket.socket, stop: asyncio.Event) -> None:
    """Answer until `stop` is set; `not_ready` says why the component cannot serve yet, if so."""
    open_writers: set[asyncio.StreamWriter] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
        try:
            await _converse(not_ready, reader, writer)
        finally:
            open_writers.discard(writer)
            writer.close()

    server = await asyncio.start_server(accepted, sock=listener)
    try:
        await stop.wait()
    finally:
        server.close()
        for writer in open_writers:
            writer.close()


async def _converse(
    not_ready: Reason, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    connection = h11.Connection(h11.SERVER)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    request = await _request(connection, reader)
            except h11.RemoteProtocolError as error:
                answer = (error.error_status_hint, TEXT, f"{error}\n".encode())
                await _send(connection, writer, answer, has_body=True)
                return
            if request is None:
                return
            method, path = request
            await _send(connection, writer, _answer(not_ready, method, path), method != "HEAD")
            if connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()


async def _request(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[str, str] | None:
    """Method and path of the next request, once all of it has come; None: there is none."""
    found = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Request):
            target = event.target.decode("ascii").partition("?")[0]
            found = event.method.decode("ascii"), target
        elif isinstance(event, h11.EndOfMessage):
            return found
        elif not isinstance(event, h11.Data):
            return None


async def _send(
    connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer, has_body: bool
) -> None:
    status, content_type, body = answer
    headers = [("content-type", content_type), ("content-length", str(len(body)))]
    parts = [connection.send(h11.Response(status_code=status, headers=headers))]
    if has_body:
        parts.append(connection.send(h11.Data(data=body)))
    parts.append(connection.send(h11.EndOfMessage()))
    writer.write(b"".join(part for part in parts if part))
    await writer.drain()


def _answer(not_ready: Reason, method: str, path: str) -> Answer:
    if method not in ("GET", "HEAD"):
        return 405, TEXT, b"method not allowed\n"
    if path == "/ping":
        return 200, TEXT, b"pong\n"
    if path == "/live":
        return 200, TEXT, b"live\n"
    if path == "/ready":
        reason = not_ready()
        if reason is None:
            return 200, TEXT, b"ready\n"
        return 503, TEXT, f"not ready: {reason}\n".encode()
    if path == "/metrics":
        content_type, body = exposition()
        return 200, content_type, body
    return 404, TEXT, b"not found\n"
