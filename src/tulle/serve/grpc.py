"""A gRPC server of raw-bytes handlers: counted, with errors mapped to status codes in one place.

A handler gets the parsed request and, if it streams, a `Stream` to write encoded messages to, so
that one encoding can be written to many subscribers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import grpc
import grpc.aio

from tulle.serve import metrics
from tulle.serve.logs import Log

log = Log("serve")


class Refused(Exception):
    """An answer that is not a result; the text goes to the client."""

    code: ClassVar[Any] = grpc.StatusCode.UNKNOWN


class NotFound(Refused):
    code = grpc.StatusCode.NOT_FOUND


class InvalidArgument(Refused):
    code = grpc.StatusCode.INVALID_ARGUMENT


class FailedPrecondition(Refused):
    code = grpc.StatusCode.FAILED_PRECONDITION


class PermissionDenied(Refused):
    code = grpc.StatusCode.PERMISSION_DENIED


class Unavailable(Refused):
    code = grpc.StatusCode.UNAVAILABLE


class Stream(Protocol):
    """The answering side of one streaming call."""

    async def write(self, message: bytes) -> None:
        """Returns once the transport took the message: a slow reader delays only its own stream."""


UnaryHandler = Callable[[Any], Awaitable[bytes]]
StreamHandler = Callable[[Any, Stream], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Unary:
    """One request, one answer. `request` is the request's message class."""

    name: str
    request: Any
    handler: UnaryHandler


@dataclass(frozen=True, slots=True)
class ServerStream:
    """One request, a stream of answers that ends when the handler returns."""

    name: str
    request: Any
    handler: StreamHandler


class _Counters:
    """The metrics of one method, looked up once."""

    def __init__(self, service: str, method: str, kind: str) -> None:
        self._labels = (service, method, kind)
        self.started = metrics.grpc_started.labels(*self._labels)
        self.received = metrics.grpc_received.labels(*self._labels)
        self.sent = metrics.grpc_sent.labels(*self._labels)

    def handled(self, code: str) -> None:
        metrics.grpc_handled.labels(*self._labels, code).inc()


class _CountedStream:
    __slots__ = ("_context", "_sent")

    def __init__(self, context: Any, sent: Any) -> None:
        self._context, self._sent = context, sent

    async def write(self, message: bytes) -> None:
        await self._context.write(message)
        self._sent.inc()


async def _answer(
    call: Callable[[], Awaitable[bytes | None]], context: Any, counters: _Counters, method: str
) -> bytes | None:
    """Run one call; whatever it raises becomes a status, and is counted."""
    counters.started.inc()
    counters.received.inc()
    try:
        result = await call()
    except Refused as refusal:
        counters.handled(code_name(refusal.code))
        log.debug("a call was refused", method=method, reason=refusal)
        await context.abort(refusal.code, str(refusal))
    except asyncio.CancelledError:
        counters.handled("Canceled")
        raise
    except Exception:
        counters.handled("Internal")
        log.exception("a call failed", method=method)
        await context.abort(grpc.StatusCode.INTERNAL, "internal error, see the server's log")
    else:
        counters.handled("OK")
        return result
    return None


def code_name(code: Any) -> str:
    """`NOT_FOUND` as metrics write it: `NotFound`."""
    return "".join(part.capitalize() for part in code.name.split("_"))


def _unary(service: str, method: Unary) -> Any:
    counters = _Counters(service, method.name, "unary")

    async def serve(request: Any, context: Any) -> bytes | None:
        async def call() -> bytes:
            result = await method.handler(request)
            counters.sent.inc()
            return result

        return await _answer(call, context, counters, method.name)

    return grpc.unary_unary_rpc_method_handler(
        serve, request_deserializer=method.request.FromString
    )


def _server_stream(service: str, method: ServerStream) -> Any:
    counters = _Counters(service, method.name, "server_stream")

    async def serve(request: Any, context: Any) -> None:
        async def call() -> None:
            await method.handler(request, _CountedStream(context, counters.sent))

        await _answer(call, context, counters, method.name)

    return grpc.unary_stream_rpc_method_handler(
        serve, request_deserializer=method.request.FromString
    )


def service(name: str, *methods: Unary | ServerStream) -> Any:
    """A handler for one gRPC service, named in full: `io.linkerd.proxy.destination.Destination`."""
    handlers = {
        method.name: _unary(name, method)
        if isinstance(method, Unary)
        else _server_stream(name, method)
        for method in methods
    }
    return grpc.method_handlers_generic_handler(name, handlers)


OPTIONS = (
    # A client that vanished without a word is noticed within half a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Proxies ping every ten seconds; that is no abuse.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    # One proxy holds a stream per port and destination on a single connection.
    ("grpc.max_concurrent_streams", 100_000),
    ("grpc.so_reuseport", 0),
    ("grpc.enable_http_proxy", 0),
)


class GrpcServer:
    """One listening port and the services on it."""

    def __init__(self, address: str, *services: Any) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._server.add_generic_rpc_handlers(services)
        host, _, port = address.rpartition(":")
        self.port: int = self._server.add_insecure_port(f"{host or '[::]'}:{port}")

    async def serve(self, stop: asyncio.Event, grace_seconds: float = 1.0) -> None:
        """Answer calls until `stop` is set, then let the unary ones end and cut the streams."""
        await self._server.start()
        try:
            await stop.wait()
        finally:
            await self._server.stop(grace_seconds)
