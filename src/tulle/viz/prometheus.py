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


class Prometheus:
    """One Prometheus, by the address of its root."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self.url = http, url.rstrip("/")

    async def query(self, text: str) -> list[Sample]:
        """The instant vector of an expression, without what is not a number."""
        result = (await self._ask("/api/v1/query", query=text))["result"]
        samples = (Sample(entry["metric"], float(entry["value"][1])) for entry in result)
        return [sample for sample in samples if isfinite(sample.value)]

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
