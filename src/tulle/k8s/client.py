"""One asynchronous client of the Kubernetes API: requests, typed errors, streams of JSON lines."""

import asyncio
import contextlib
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx

from tulle.k8s.kubeconfig import Access, KubeconfigError, discover, private_file

Json = dict[str, Any]

LONGEST_PATIENCE = 10  # how often an answer may be put off; the API server names a second each time
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(Exception):
    """The API server's refusal of one request."""

    def __init__(self, status: int, reason: str, message: str, path: str) -> None:
        super().__init__(f"{message or reason} ({status} on {path})")
        self.status, self.reason, self.message, self.path = status, reason, message, path


class NotFound(ApiError):
    """404: no such object, or the server has no such kind."""


class Conflict(ApiError):
    """409: it exists already, or someone else wrote it meanwhile."""


class Forbidden(ApiError):
    """403: RBAC or an admission plugin said no."""


class Unauthorized(ApiError):
    """401: the server does not know who we are."""


class Gone(ApiError):
    """410: the resourceVersion is too old to resume from."""


class Unreachable(Exception):
    """No answer from the API server at all."""


ERRORS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
}


def api_error(status: int, body: bytes, path: str) -> ApiError:
    """The exception for an answer's status and its `Status` object."""
    try:
        content = json.loads(body)
    except ValueError:
        content = {}
    if not isinstance(content, dict):
        content = {}
    reason = str(content.get("reason", ""))
    message = str(content.get("message") or body[:300].decode(errors="replace"))
    return ERRORS.get(status, ApiError)(status, reason, message, path)


@contextlib.contextmanager
def _key_pair(access: Access) -> Iterator[tuple[str, str] | None]:
    if access.client_certificate is None or access.client_key is None:
        yield None
        return
    names = private_file(access.client_certificate), private_file(access.client_key)
    try:
        yield names
    finally:
        for name in names:
            Path(name).unlink()


def tls_context(access: Access) -> ssl.SSLContext:
    """Verifies the server by the access' CA and carries its client certificate, if it has one."""
    authority = access.ca_data.decode() if access.ca_data else None
    context = ssl.create_default_context(cadata=authority)
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with _key_pair(access) as pair:
        if pair:
            context.load_cert_chain(*pair)
    return context


async def _exec_token(plugin: Json) -> str:
    """The bearer token that a kubeconfig's credential plugin prints."""
    environment = dict(os.environ)
    environment.update({item["name"]: item["value"] for item in plugin.get("env") or []})
    request: Json = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential", "spec": {}}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(request)
    command = [plugin["command"], *(plugin.get("args") or [])]
    try:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise KubeconfigError(f"cannot run the credential plugin {command[0]}: {error}") from error
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise KubeconfigError(f"the credential plugin {command[0]} exited {process.returncode}")
    token = (json.loads(output).get("status") or {}).get("token")
    if not token:
        raise KubeconfigError(f"the credential plugin {command[0]} gave no token")
    return str(token)


class Client:
    """Requests to one API server. Paths are those of the API: `/api/v1/namespaces/x/pods`."""

    def __init__(self, access: Access, *, timeout_seconds: float = 30.0) -> None:
        self.access = access
        self._http = httpx.AsyncClient(
            base_url=access.server,
            verify=tls_context(access),
            timeout=httpx.Timeout(timeout_seconds, connect=5.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
            trust_env=False,
        )
        self._plugin_token: str | None = None

    @classmethod
    async def from_environment(
        cls,
        kubeconfig: str | None = None,
        context: str | None = None,
        *,
        impersonate_user: str | None = None,
        impersonate_groups: tuple[str, ...] = (),
    ) -> Self:
        access = discover(kubeconfig, context)
        return cls(
            replace(
                access, impersonate_user=impersonate_user, impersonate_groups=impersonate_groups
            )
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def headers(self) -> list[tuple[str, str]]:
        """Who we are: bearer token and impersonation, as HTTP headers."""
        access = self.access
        token = access.token
        if access.token_file is not None:
            token = access.token_file.read_text().strip()
        elif access.exec_plugin is not None:
            self._plugin_token = self._plugin_token or await _exec_token(access.exec_plugin)
            token = self._plugin_token
        found = [("Authorization", f"Bearer {token}")] if token else []
        if access.impersonate_user:
            found.append(("Impersonate-User", access.impersonate_user))
        found.extend(("Impersonate-Group", group) for group in access.impersonate_groups)
        return found

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        content_type: str = "application/json",
        params: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """One request; raises ApiError for a status of 400 and above, Unreachable for no answer.

        Who is told to come again later does: the storage of a kind that was just defined, say.
        """
        headers = [*await self.headers(), ("Accept", "application/json")]
        content = None if body is None else json.dumps(body, separators=(",", ":"))
        if content is not None:
            headers.append(("Content-Type", content_type))
        for attempt in range(LONGEST_PATIENCE + 1):
            try:
                response = await self._http.request(
                    method, path, content=content, params=_params(params), headers=headers
                )
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            later = response.headers.get("Retry-After", "")
            if response.status_code != 429 or not later.isdecimal() or attempt == LONGEST_PATIENCE:
                break
            await asyncio.sleep(int(later))
        if response.status_code >= 400:
            raise api_error(response.status_code, response.content, path)
        return response

    def _unreachable(self, error: Exception) -> Unreachable:
        cause = str(error) or type(error).__name__
        return Unreachable(f"cannot reach the Kubernetes API at {self.access.server}: {cause}")

    async def get(self, path: str, **params: Any) -> Json:
        response = await self.request("GET", path, params=params)
        content: Json = response.json()
        return content

    async def text(self, path: str, **params: Any) -> str:
        """An answer that is not JSON: logs, `/readyz`, a proxied page."""
        return (await self.request("GET", path, params=params)).text

    async def list(self, path: str, **params: Any) -> list[Json]:
        """All items of a collection, page by page. Their kind and apiVersion are filled in."""
        items: list[Json] = []
        token: str | None = None
        while True:
            page = await self.get(path, limit=500, **{"continue": token}, **params)
            kind = str(page.get("kind", "")).removesuffix("List")
            for item in page.get("items") or []:
                item.setdefault("kind", kind)
                item.setdefault("apiVersion", page.get("apiVersion"))
                items.append(item)
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return items

    async def create(self, path: str, body: Json, **params: Any) -> Json:
        content: Json = (await self.request("POST", path, body=body, params=params)).json()
        return content

    async def replace(self, path: str, body: Json, **params: Any) -> Json:
        content: Json = (await self.request("PUT", path, body=body, params=params)).json()
        return content

    async def patch(self, path: str, body: object, kind: str = "merge", **params: Any) -> Json:
        response = await self.request(
            "PATCH", path, body=body, content_type=PATCH_TYPES[kind], params=params
        )
        content: Json = response.json()
        return content

    async def delete(self, path: str, **params: Any) -> Json:
        content: Json = (await self.request("DELETE", path, params=params)).json()
        return content

    async def stream(self, path: str, **params: Any) -> AsyncIterator[Json]:
        """The JSON objects of a watch, one per line, until the server ends it. No read time-out."""
        headers = [*await self.headers(), ("Accept", "application/json")]
        timeout = httpx.Timeout(None, connect=5.0)
        try:
            async with self._http.stream(
                "GET", path, params=_params(params), headers=headers, timeout=timeout
            ) as response:
                if response.status_code >= 400:
                    raise api_error(response.status_code, await response.aread(), path)
                async for line in response.aiter_lines():
                    if line:
                        yield json.loads(line)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error


def _params(params: dict[str, Any] | None) -> dict[str, str]:
    """Query parameters as the API wants them: None left out, booleans in lower case."""
    given = {key: value for key, value in (params or {}).items() if value is not None}
    return {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in given.items()}
