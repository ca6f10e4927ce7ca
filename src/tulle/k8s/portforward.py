"""A port of a pod on a port of this machine, through the API server's WebSocket port-forward."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tulle.k8s.client import ApiError, Client, Unreachable, api_error, tls_context

# Channel 0 carries bytes, channel 1 an error text; each opens with the port, little endian.
PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
CHUNK = 64 * 1024


class PortForwardError(Exception):
    """The pod's side of a forwarded connection failed; the message is the kubelet's."""


@dataclass(slots=True)
class Forward:
    """An open forward. `failure` is why the pod's side of the latest broken connection broke."""

    port: int  # on this machine
    failure: str | None = None
    carried: dict[asyncio.StreamWriter, str] = field(default_factory=dict)  # to the pod of a name

    def leave(self, pod: str) -> None:
        """Ends the connections to a pod that is gone: nobody else tells that no answer comes."""
        for writer in [writer for writer, name in self.carried.items() if name == pod]:
            writer.close()


@contextlib.asynccontextmanager
async def forwarded(
    client: Client,
    namespace: str,
    pod: str | Callable[[], Awaitable[str]],
    port: int,
    *,
    address: str = "127.0.0.1",
    local: int = 0,
) -> AsyncIterator[Forward]:
    """Forwards while the block runs. Each connection to the local port is one to the pod.

    A `pod` that is a function is asked anew for every connection.
    """
    forward, idle = Forward(0), asyncio.Event()

    async def name() -> str:
        return pod if isinstance(pod, str) else await pod()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        forward.carried[writer] = ""
        try:
            chosen = forward.carried[writer] = await name()
            await _carry(client, namespace, chosen, port, reader, writer)
        except (ApiError, PortForwardError, Unreachable, OSError) as error:
            forward.failure = str(error)
        finally:
            writer.close()
            del forward.carried[writer]
            idle.set()

    # The first connection to the pod shows at once whether it can be reached at all.
    async with _dialled(client, namespace, await name(), port):
        pass
    server = await asyncio.start_server(serve, address, local)
    forward.port = int(server.sockets[0].getsockname()[1])
    try:
        yield forward
    finally:
        server.close()
        for writer in tuple(forward.carried):
            writer.close()
        while forward.carried:
            idle.clear()
            await idle.wait()


@contextlib.asynccontextmanager
async def _dialled(
    client: Client, namespace: str, pod: str, port: int
) -> AsyncIterator[ClientConnection]:
    access = client.access
    path = f"/api/v1/namespaces/{quote(namespace)}/pods/{quote(pod)}/portforward"
    address = f"{access.server.replace('http', 'ws', 1)}{path}?ports={port}"
    options: dict[str, Any] = {}
    if access.server.startswith("https"):
        options["ssl"] = tls_context(access)
        options["server_hostname"] = access.server_name
    try:
        connection = await connect(
            address,
            subprotocols=[PROTOCOL],
            additional_headers=await client.headers(),
            compression=None,
            max_size=None,
            close_timeout=1,
            proxy=None,
            **{key: value for key, value in options.items() if value is not None},
        )
    except InvalidHandshake as error:
        response = getattr(error, "response", None)
        if response is not None:
            raise api_error(response.status_code, response.body or b"", path) from error
        raise Unreachable(f"the API server does not forward ports: {error}") from error
    except OSError as error:
        raise Unreachable(f"cannot reach the Kubernetes API at {access.server}: {error}") from error
    try:
        yield connection
    finally:
        await connection.close()


async def _carry(
    client: Client,
    namespace: str,
    pod: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Both directions of one connection, until either side ends it."""
    async with _dialled(client, namespace, pod, port) as connection, asyncio.TaskGroup() as tasks:
        outward = tasks.create_task(_outward(reader, connection))
        inward = tasks.create_task(_inward(connection, writer))
        await asyncio.wait({outward, inward}, return_when=asyncio.FIRST_COMPLETED)
        outward.cancel()
        inward.cancel()
    if not inward.cancelled() and (failure := inward.result()):
        raise PortForwardError(failure)


async def _outward(reader: asyncio.StreamReader, connection: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed, ConnectionError):
        while data := await reader.read(CHUNK):
            await connection.send(bytes([DATA]) + data)


async def _inward(connection: ClientConnection, writer: asyncio.StreamWriter) -> str | None:
    """The kubelet's error, or None when the pod ended the connection."""
    opened: set[int] = set()
    with contextlib.suppress(ConnectionClosed, ConnectionError):
        async for message in connection:
            if isinstance(message, str) or not message:
                continue
            channel, data = message[0], message[1:]
            if channel not in opened:
                opened.add(channel)
                data = data[2:]  # the port, which we know
            if not data:
                continue
            if channel == ERROR:
                return bytes(data).decode(errors="replace").strip()
            writer.write(data)
            await writer.drain()
    return None
