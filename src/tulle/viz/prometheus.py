"""Questions to Prometheus, by its HTTP API."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

import httpx

Json = dict[str, Any]

QUERY_SECONDS = 10.0


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


class Prometheus:
    """One Prometheus, by the address of its root."""

    def __init__(self, http: httpx.AsyncClient, url: str, moment: float | None = None) -> None:
        self._http, self.url, self._moment = http, url.rstrip("/"), moment

    def at(self, moment: float | None) -> "Prometheus":
        """The same one, asked for a moment of the past; None: for now."""
        return Prometheus(self._http, self.url, moment)

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

    async def scrape_interval(self) -> str:
        """As the configuration says it, such as 10s."""
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
