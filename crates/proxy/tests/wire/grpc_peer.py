"""Both ends of gRPC calls through the proxy: `serve PORT`, `call HOST:PORT`.

The messages are bytes as they are, so that no code is generated. The client exits 1 at the first
thing that is not as it should be.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc

PIECE = b"x" * 65_536
PIECES = 1_024
# What two proxies, two libraries and the kernel may hold of a stream that nobody reads.
HELD_AT_MOST = 512
PATIENCE = 30.0


class Echo:
    """One method of each kind, and what became of the last stream."""

    def __init__(self) -> None:
        self.sent = 0
        self.was_cancelled = threading.Event()

    def unary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """Echoes; `sleep` and `fail` do so, `sent` and `cancelled` tell of the last stream."""
        if request == b"sleep":
            context.add_callback(self.was_cancelled.set)
            while context.is_active():
                time.sleep(0.01)
        if request == b"fail":
            context.set_trailing_metadata((("x-why", "asked"), ("x-raw-bin", b"\x00\xff")))
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "as you wish: 100 % ü")
        if request == b"sent":
            return str(self.sent).encode()
        if request == b"cancelled":
            return b"yes" if self.was_cancelled.wait(PATIENCE) else b"no"
        if request == b"metadata":
            values = dict(context.invocation_metadata())
            context.send_initial_metadata((("x-first", values["x-mine"]),))
            context.set_trailing_metadata((("x-last-bin", values["x-mine-bin"]),))
        return request

    def server_stream(self, _: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.sent = 0
        for _number in range(PIECES):
            self.sent += 1
            yield PIECE

    def client_stream(self, requests: Iterator[bytes], _: grpc.ServicerContext) -> bytes:
        return str(sum(len(request) for request in requests)).encode()

    def both(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self.was_cancelled.clear()
        context.add_callback(self.was_cancelled.set)
        yield from requests


def serve(port: int) -> None:
    echo = Echo()
    handler = grpc.method_handlers_generic_handler(
        "test.Echo",
        {
            "Unary": grpc.unary_unary_rpc_method_handler(echo.unary),
            "ServerStream": grpc.unary_stream_rpc_method_handler(echo.server_stream),
            "ClientStream": grpc.stream_unary_rpc_method_handler(echo.client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(echo.both),
        },
    )
    server = grpc.server(ThreadPoolExecutor(16), handlers=(handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


def check(what: str, seen: object, wanted: object) -> None:
    if seen != wanted:
        sys.exit(f"{what}: {seen!r} instead of {wanted!r}")


def error_of(call: Callable[[], object]) -> grpc.RpcError:
    try:
        call()
    except grpc.RpcError as error:
        return error
    sys.exit("the call did not fail")


def call(target: str) -> None:
    channel = grpc.insecure_channel(target)
    unary = channel.unary_unary("/test.Echo/Unary")
    both = channel.stream_stream("/test.Echo/Both")

    check("unary", unary(b"hello", timeout=PATIENCE), b"hello")
    mine = (("x-mine", "a"), ("x-mine-bin", b"\x01\xfe"))
    _, done = unary.with_call(b"metadata", metadata=mine, timeout=PATIENCE)
    check("initial metadata", dict(done.initial_metadata())["x-first"], "a")
    check("trailers", dict(done.trailing_metadata())["x-last-bin"], b"\x01\xfe")

    error = error_of(lambda: unary(b"fail", timeout=PATIENCE))
    check("status", error.code(), grpc.StatusCode.FAILED_PRECONDITION)
    check("message", error.details(), "as you wish: 100 % ü")
    check("trailers of a failure", dict(error.trailing_metadata())["x-raw-bin"], b"\x00\xff")

    pieces = (PIECE for _ in range(100))
    total = channel.stream_unary("/test.Echo/ClientStream")(pieces, timeout=PATIENCE)
    check("client stream", total, str(100 * len(PIECE)).encode())

    check(
        "stream both ways",
        list(both(iter([b"1", b"2", b"3"]), timeout=PATIENCE)),
        [b"1", b"2", b"3"],
    )

    error = error_of(lambda: unary(b"sleep", timeout=0.5))
    check("deadline", error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
    check("the server hears of it", unary(b"cancelled", timeout=PATIENCE), b"yes")

    cancel(unary, both)
    flow(channel, unary)


def cancel(unary: grpc.UnaryUnaryMultiCallable, both: grpc.StreamStreamMultiCallable) -> None:
    release = threading.Event()

    def requests() -> Iterator[bytes]:
        yield b"first"
        release.wait(PATIENCE)

    stream = both(requests(), timeout=PATIENCE)
    check("the first answer", next(stream), b"first")
    stream.cancel()
    check("a cancelled stream", error_of(lambda: next(stream)).code(), grpc.StatusCode.CANCELLED)
    release.set()
    check("the server hears of that", unary(b"cancelled", timeout=PATIENCE), b"yes")


def flow(channel: grpc.Channel, unary: grpc.UnaryUnaryMultiCallable) -> None:
    """A reader that does not read holds the writer up, wherever on the way it is noticed."""
    stream = channel.unary_stream("/test.Echo/ServerStream")(b"", timeout=4 * PATIENCE)
    check("the first piece", next(stream), PIECE)
    sent, last = -1, -2
    while sent != last:
        time.sleep(0.5)
        last, sent = sent, int(unary(b"sent", timeout=PATIENCE))
    if sent > HELD_AT_MOST:
        sys.exit(f"{sent} pieces were sent to a client that read one")
    check("the rest", sum(1 for _ in stream), PIECES - 1)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        call(sys.argv[2])
