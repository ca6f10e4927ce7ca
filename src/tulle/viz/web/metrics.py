"""Asks metrics-api, and holds each answer for a moment: many browsers ask the same."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx

Json = dict[str, Any]

FRESH_SECONDS = 1.5
KEPT_ANSWERS = 64
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
        content = await self._ask(asked)
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

    async def _ask(self, asked: str) -> Json:
        try:
            response = await self._http.get(asked)
            content: Json = response.json()
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
        return content
