"""Questions to Prometheus, by its HTTP API."""

import time
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any, Generic, TypeVar

import httpx

Json = dict[str, Any]
Answer = TypeVar("Answer")

QUERY_SECONDS = 10.0
KEPT_SECONDS = 30.0  # for so long an answer about rules and configuration holds


class PrometheusError(Exception):
    """Prometheus does not answer, or refuses; the message says which and where."""


@dataclass(frozen=True, slots=True)
class Sample:
    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    labels: dict[str, str]
    values: dict[float, float]  # by the moment, in Unix seconds


class _Kept(Generic[Answer]):
    """An answer that holds for a while: what Prometheus is configured with, or evaluates."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._until = clock, -inf
        self._answer: Answer | None = None

    async def get(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._answer is None or self._clock() >= self._until:
            self._answer = await ask()
            self._until = self._clock() + KEPT_SECONDS
        return self._answer


class Prometheus:
    """One Prometheus, by the address of its root."""

    def __init__(
        self, http: httpx.AsyncClient, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http, self.url = http, url.rstrip("/")
        self._moment: float | None = None
        self._rules: _Kept[frozenset[str]] = _Kept(clock)
        self._interval: _Kept[str] = _Kept(clock)

    def at(self, moment: float | None) -> "Prometheus":
        """The same one, asked for a moment of the past; None: for now."""
        found = copy(self)
        found._moment = moment
        return found

    async def query(self, text: str) -> list[Sample]:
        """The instant vector of an expression, without what is not a number."""
        when = {} if self._moment is None else {"time": str(self._moment)}
        result = (await self._ask("/api/v1/query", query=text, **when))["result"]
        samples = (Sample(entry["metric"], float(entry["value"][1])) for entry in result)
        return [sample for sample in samples if isfinite(sample.value)]

    async def query_range(self, text: str, begin: float, end: float, step: float) -> list[Series]:
        """The values of an expression every `step` seconds, without what is not a number."""
        span = {"start": str(begin), "end": str(end), "step": str(step)}
        found = []
        for entry in (await self._ask("/api/v1/query_range", query=text, **span))["result"]:
            pairs = ((float(moment), float(value)) for moment, value in entry["values"])
            values = {moment: value for moment, value in pairs if isfinite(value)}
            found.append(Series(entry["metric"], values))
        return found

    async def recorded(self) -> frozenset[str]:
        """Names of the recording rules that are evaluated without errors.

        None for the past, in which they may not have been there.
        """
        if self._moment is not None:
            return frozenset()
        return await self._rules.get(self._ask_rules)

    async def _ask_rules(self) -> frozenset[str]:
        try:
            groups = (await self._ask("/api/v1/rules", type="record"))["groups"]
        except PrometheusError:  # what only speaks its query language may lack this
            return frozenset()
        rules = [rule for group in groups for rule in group["rules"]]
        return frozenset(rule["name"] for rule in rules if rule["health"] == "ok")

    async def scrape_interval(self) -> str:
        """As the configuration says it, such as 10s."""
        return await self._interval.get(self._ask_interval)

    async def _ask_interval(self) -> str:
        text = str((await self._ask("/api/v1/status/config"))["yaml"])
        for line in text.splitlines():
            key, _, value = line.strip().partition(": ")
            if key == "scrape_interval":
                return value
        return "1m"  # Prometheus' own default

    async def _ask(self, path: str, **params: str) -> Json:
        try:
            response = await self._http.get(
                f"{self.url}{path}", params=params, timeout=QUERY_SECONDS
            )
            content = response.json()
        except httpx.TransportError as error:
            cause = str(error) or type(error).__name__
            raise PrometheusError(
                f"Prometheus at {self.url} does not answer: {cause}; is it running?"
            ) from error
        except ValueError as error:
            raise PrometheusError(
                f"Prometheus at {self.url} does not answer: its proxy said {response.status_code}; "
                "is it running?"
            ) from error
        if response.status_code != 200:
            said = content.get("error") or response.status_code
            raise PrometheusError(f"Prometheus at {self.url} refuses: {said}")
        data: Json = content["data"]
        return data
