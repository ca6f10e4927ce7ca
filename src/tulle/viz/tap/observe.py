"""One tap: Observe on each chosen pod's proxy, once a second, and their events into one queue."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from tulle import names
from tulle.proto import tap_pb2, tap_pb2_grpc
from tulle.serve.logs import Log
from tulle.viz.tap.addresses import text_of
from tulle.viz.tap.pods import TapPod
from tulle.viz.tap.wire import framed

log = Log("viz.tap")

DEFAULT_MAX_RPS = 100.0
WINDOW_SECONDS = 1.0
OPEN_SECONDS = 5.0
QUEUED_EVENTS = 1024
OPTIONS = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", 1 << 20))


class Unanswered(Exception):
    """A proxy that does not let itself be tapped."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of every proxy. `max_rps` is over all of them together."""

    match: Any  # ObserveRequest.Match
    max_rps: float
    extract_headers: bool

    def request(self, pods: int) -> Any:
        per_pod = max(1.0, (self.max_rps or DEFAULT_MAX_RPS) / max(1, pods))
        found = tap_pb2.ObserveRequest(limit=math.ceil(per_pod * WINDOW_SECONDS))
        found.match.CopyFrom(self.match)
        if found.match.WhichOneof("match") is None:
            found.match.all.SetInParent()
        if self.extract_headers:
            found.extract.http.headers.SetInParent()
        return found


@dataclass(frozen=True, slots=True)
class Surroundings:
    trust_domain: str
    port: int
    pod_at: Callable[[str], TapPod | None]
    ignored_headers: frozenset[str] = frozenset()  # by name, lower case: nobody sees them


def target_address(pod: TapPod, port: int) -> str:
    return f"[{pod.address}]:{port}" if ":" in pod.address else f"{pod.address}:{port}"


class Tap:
    """Follows a target's pods as they come and go."""

    def __init__(
        self, wish: Wish, chosen: Callable[[], list[TapPod]], around: Surroundings
    ) -> None:
        self._wish, self._chosen, self._around = wish, chosen, around
        self._running: set[tuple[str, str]] = set()
        self.frames: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_EVENTS)

    async def probe(self) -> None:
        """Raises Unanswered if not one proxy takes the question."""
        pods = self._chosen()
        answers = await asyncio.gather(*(self._refusal(pod) for pod in pods))
        if pods and all(answers):
            raise Unanswered("; ".join(sorted({str(answer) for answer in answers})))

    async def _refusal(self, pod: TapPod) -> str | None:
        async with self._channel(pod) as channel:
            call = self._call(channel, pod, self._wish.request(1))
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await call.wait_for_connection()
            except TimeoutError:
                return f"the proxy of {pod.name} does not answer"
            except grpc.aio.AioRpcError as error:
                return f"the proxy of {pod.name} refuses: {_reason(error)}"
            finally:
                call.cancel()
        return None

    async def follow(self) -> None:
        """Runs until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for pod in self._chosen():
                    if pod.key not in self._running:
                        self._running.add(pod.key)
                        tasks.create_task(self._follow_pod(pod))
                await asyncio.sleep(WINDOW_SECONDS)

    async def _follow_pod(self, pod: TapPod) -> None:
        """Ends when the proxy no longer answers; `follow` begins anew if the pod is still there."""
        clock = asyncio.get_running_loop()
        try:
            async with self._channel(pod) as channel:
                while True:
                    next_window = clock.time() + WINDOW_SECONDS
                    request = self._wish.request(len(self._running))
                    async for event in self._call(channel, pod, request):
                        await self.frames.put(framed(self._named(event).SerializeToString()))
                    await asyncio.sleep(max(0.0, next_window - clock.time()))
        except grpc.aio.AioRpcError as error:
            log.info("a proxy ended the tap", pod="/".join(pod.key), reason=_reason(error))
        finally:
            self._running.discard(pod.key)

    def _channel(self, pod: TapPod) -> Any:
        """Plain: our own proxy makes it mutual TLS."""
        address = target_address(pod, self._around.port)
        return grpc.aio.insecure_channel(address, options=OPTIONS)

    def _call(self, channel: Any, pod: TapPod, request: Any) -> Any:
        identity = pod.identity(self._around.trust_domain)
        stub = tap_pb2_grpc.TapStub(channel)
        return stub.Observe(request, metadata=((names.REQUIRE_IDENTITY_HEADER, identity),))

    def _named(self, event: Any) -> Any:
        """Adds what the cluster knows of either end to what the proxy knew, less secret headers."""
        if self._around.ignored_headers:
            _hide(event.http, self._around.ignored_headers)
        _add(event.source_meta.labels, self._around.pod_at(text_of(event.source.ip)))
        if event.proxy_direction == tap_pb2.TapEvent.INBOUND:
            _add(event.destination_meta.labels, self._around.pod_at(text_of(event.destination.ip)))
        return event


def _reason(error: Any) -> str:
    return f"{error.details() or 'no reason given'} ({error.code().name.lower()})"


def _hide(http: Any, ignored: frozenset[str]) -> None:
    for part in (http.request_init.headers, http.response_init.headers, http.response_end.trailers):
        kept = [header for header in part.headers if header.name.lower() not in ignored]
        if len(kept) < len(part.headers):
            del part.headers[:]
            part.headers.extend(kept)


def _add(labels: Any, pod: TapPod | None) -> None:
    if pod is not None:
        for key, value in pod.metric_labels().items():
            if key not in labels:
                labels[key] = value
