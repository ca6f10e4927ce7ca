"""Asks the tap API, and yields events as they happen."""

from collections.abc import AsyncGenerator
from typing import Any

from tulle.k8s.client import Client
from tulle.k8s.posting import post_stream
from tulle.proto import tap_pb2
from tulle.viz.tap import wire


async def events(client: Client, path: str, request: Any) -> AsyncGenerator[Any, None]:
    """TapEvents until the stream ends. `request` is a TapRequest for the same path."""
    frames = wire.Frames()
    body = request.SerializeToString()
    async for chunk in post_stream(client, path, body, wire.CONTENT_TYPE):
        for message in frames.feed(chunk):
            yield tap_pb2.TapEvent.FromString(message)
