"""One POST whose answer is a stream of bytes that goes on until either side ends it."""

from collections.abc import AsyncGenerator

import httpx

from tulle.k8s.client import Client, Unreachable, api_error, tls_context


async def post_stream(
    client: Client, path: str, body: bytes, content_type: str
) -> AsyncGenerator[bytes, None]:
    """The answer's chunks as they come. Raises as the client's own requests do."""
    access = client.access
    headers = [*await client.headers(), ("Content-Type", content_type)]
    timeout = httpx.Timeout(None, connect=5.0)
    try:
        async with (
            httpx.AsyncClient(
                base_url=access.server,
                verify=tls_context(access),
                timeout=timeout,
                trust_env=False,
            ) as http,
            http.stream("POST", path, content=body, headers=headers) as response,
        ):
            if response.status_code >= 400:
                raise api_error(response.status_code, await response.aread(), path)
            async for chunk in response.aiter_raw():
                yield chunk
    except httpx.TransportError as error:
        cause = str(error) or type(error).__name__
        raise Unreachable(f"cannot reach the Kubernetes API at {access.server}: {cause}") from error
