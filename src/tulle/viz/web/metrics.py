"""Asks metrics-api, and holds each answer for a moment: many browsers ask the same."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx

Json = dict[str, Any]

FRESH_SECONDS = 1.5
KEPT_ANSWERS = 64
MOST_KEPT_BYTES = 256 * 1024  # as objects it is ten times that
TIMEOUT_SECONDS = 15.0


class Unanswered(Exception):
    """metrics-api gave no numbers; `status` is what a browser is told."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Metrics:
    """`clock` gives seconds that only grow."""

    def __init__(
        self, http: httpx.AsyncClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http, self._clock = http, clock
        self._answers: OrderedDict[str, tuple[float, Json]] = OrderedDict()

    async def get(self, path: str, query: dict[str, str]) -> Json:
        asked = f"{path}?{urlencode(query)}"
        self._forget()
        known = self._answers.get(asked)
        if known is not None:
            return known[1]
        content, size = await self._ask(asked)
        if size > MOST_KEPT_BYTES:
            return content
        self._answers[asked] = (self._clock(), content)
        self._answers.move_to_end(asked)
        if len(self._answers) > KEPT_ANSWERS:
            self._answers.popitem(last=False)
        return content

    def _forget(self) -> None:
        """What is no longer fresh: an answer about a large mesh holds megabytes."""
        oldest = self._clock() - FRESH_SECONDS
        while self._answers and next(iter(self._answers.values()))[0] <= oldest:
            self._answers.popitem(last=False)

    async def _ask(self, asked: str) -> tuple[Json, int]:
        """With the bytes of its text."""
        try:
            # A response that is read as a whole keeps its bytes until the garbage collector comes.
            async with self._http.stream("GET", asked) as response:
                body = b"".join([part async for part in response.aiter_bytes()])
            content: Json = json.loads(body)
        except httpx.TransportError as error:
            cause = str(error) or type(error).__name__
            raise Unanswered(
                502, f"metrics-api does not answer: {cause}; try: tulle viz check"
            ) from error
        except ValueError as error:
            raise Unanswered(
                502, f"metrics-api answered {response.status_code} without JSON"
            ) from error
        if response.status_code >= 400:
            status = 400 if response.status_code < 500 else 502
            raise Unanswered(status, str(content.get("error", "metrics-api failed")))
        return content, len(body)
