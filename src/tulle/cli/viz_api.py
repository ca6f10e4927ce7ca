"""Asks metrics-api, by a port-forward through the API server, and says why it cannot."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import httpx

from tulle import names
from tulle.cli.followed import is_ready
from tulle.cli.target import Failure, Target
from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.k8s.portforward import Forward, forwarded

Json = dict[str, Any]
Result = TypeVar("Result")

ANSWER_SECONDS = 30.0
FORWARD_SECONDS = 10.0
INSTALL = "tulle viz install | kubectl apply -f -"


async def viz_namespace(client: Client, given: str | None = None) -> str:
    """Where viz is: its namespace carries the extension's label."""
    if given:
        return given
    label = f"{names.EXTENSION_LABEL}={names.VIZ_EXTENSION}"
    found = await client.list("/api/v1/namespaces", labelSelector=label)
    if not found:
        raise Failure(f"viz is not installed in this cluster; install it with: {INSTALL}")
    return str(found[0]["metadata"]["name"])


async def running_pod(client: Client, namespace: str, component: str) -> str:
    """A pod of a component that can answer."""
    selector = f"{names.VIZ_COMPONENT_LABEL}={component}"
    pods = await client.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
    for pod in pods:
        if is_ready(pod):
            return str(pod["metadata"]["name"])
    state = "has no pod that is ready" if pods else "has no pod"
    raise Failure(
        f"{component} in the namespace {namespace} {state}, so it cannot be asked; look at: "
        f"kubectl -n {namespace} describe deploy/{component}"
    )


class MetricsApi:
    """One open forward to metrics-api."""

    def __init__(self, http: httpx.AsyncClient, forward: Forward) -> None:
        self._http, self._forward = http, forward

    async def get(self, path: str, params: Mapping[str, str | None]) -> Json:
        given = {key: value for key, value in params.items() if value is not None}
        try:
            response = await self._http.get(
                f"http://127.0.0.1:{self._forward.port}{path}", params=given
            )
            content: Json = response.json()
        except httpx.TransportError as error:
            cause = self._forward.failure or str(error) or type(error).__name__
            raise Failure(f"metrics-api does not answer: {cause}") from error
        except ValueError as error:
            raise Failure(f"metrics-api does not answer as it should: {error}") from error
        if response.status_code != 200:
            raise Failure(str(content.get("error", response.status_code)))
        return content


async def with_metrics_api(
    place: Target,
    namespace: str | None,
    ask: Callable[[MetricsApi], Awaitable[Result]],
) -> Result:
    """Runs `ask` with an open forward; with --api-addr straight to that address."""
    async with httpx.AsyncClient(trust_env=False, timeout=ANSWER_SECONDS) as http:
        if place.api_addr:
            port = int(place.api_addr.rpartition(":")[2])
            return await ask(MetricsApi(http, Forward(port)))
        async with await place.client() as client:
            space = await viz_namespace(client, namespace)
            pod = await running_pod(client, space, names.METRICS_API)
            return await _forwarded(client, space, pod, http, ask)


async def _forwarded(
    client: Client,
    namespace: str,
    pod: str,
    http: httpx.AsyncClient,
    ask: Callable[[MetricsApi], Awaitable[Result]],
) -> Result:
    opening = forwarded(client, namespace, pod, names.METRICS_API_PORT)
    try:
        async with asyncio.timeout(FORWARD_SECONDS):
            forward = await opening.__aenter__()
    except (ApiError, Unreachable, TimeoutError) as error:
        cause = str(error) or "no answer in time"
        raise Failure(f"cannot forward a port to {namespace}/{pod}: {cause}") from error
    try:
        return await ask(MetricsApi(http, forward))
    finally:
        await opening.__aexit__(None, None, None)
