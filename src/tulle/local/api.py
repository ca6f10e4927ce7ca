"""A tiny client of one API server for the launcher: JSON in, JSON out, server-side apply."""

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

Json = dict[str, Any]
FIELD_MANAGER = "tulle-local"
PLURALS = {"Gateway": "gateways", "GatewayClass": "gatewayclasses", "APIService": "apiservices"}


class ApiFailed(Exception):
    """The API server refused a request, or gave no answer (`status` 0)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """A connection by kubeconfig; use it as a context manager."""

    def __init__(self, kubeconfig: Path, timeout_seconds: float = 10.0) -> None:
        document = yaml.safe_load(kubeconfig.read_text())
        cluster = document["clusters"][0]["cluster"]
        user = document["users"][0]["user"]
        self._http = httpx.Client(
            base_url=cluster["server"],
            verify=_tls(cluster, user),
            timeout=timeout_seconds,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **params: str) -> Json:
        return self._send("GET", path, params=params)

    def is_ok(self, path: str) -> bool:
        """True when the path answers 200; a server that is not there yet counts as no."""
        try:
            return self._http.get(path, timeout=2.0).status_code == 200
        except httpx.TransportError:
            return False

    def await_change(self, path: str, version: str, seconds: int) -> None:
        """Return at the first change of the collection after `version`, or when time is up."""
        params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(seconds)}
        try:
            with self._http.stream("GET", path, params=params, timeout=seconds + 10.0) as stream:
                for _ in stream.iter_raw():
                    return
        except httpx.TransportError as error:
            raise ApiFailed(0, f"the watch of {path} broke off: {error}") from error

    def patch(self, path: str, body: Json) -> Json:
        return self._send("PATCH", path, json=body, kind="application/merge-patch+json")

    def apply(self, document: Json) -> Json:
        """Server-side apply; we own what we name and take it from whoever had it."""
        return self._send(
            "PATCH",
            path_of(document),
            content=yaml.safe_dump(document).encode(),
            kind="application/apply-patch+yaml",
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
        )

    def _send(self, method: str, path: str, kind: str | None = None, **request: Any) -> Json:
        headers = {"Content-Type": kind} if kind else {}
        try:
            response = self._http.request(method, path, headers=headers, **request)
        except httpx.TransportError as error:
            raise ApiFailed(0, f"no answer from {self._http.base_url}: {error}") from error
        if response.is_error:
            raise ApiFailed(response.status_code, f"{method} {path}: {response.text[:300]}")
        answer: Json = response.json()
        return answer


def path_of(document: Json) -> str:
    """The path of an object, from its apiVersion, kind, namespace and name."""
    version, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
    root = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    plural = PLURALS.get(kind) or _plural(kind.lower())
    scope = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{scope}/{plural}/{metadata['name']}"


def documents(text: str, values: Mapping[str, str]) -> Sequence[Json]:
    """The documents of a manifest, after `@KEY@` is replaced by each value."""
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return [document for document in yaml.safe_load_all(text) if document]


def _plural(singular: str) -> str:
    if singular.endswith("y"):
        return f"{singular[:-1]}ies"
    return f"{singular}es" if singular.endswith("s") else f"{singular}s"


def _tls(cluster: Json, user: Json) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # `load_cert_chain` takes files only; this one is readable by us alone and gone at once.
    descriptor, name = tempfile.mkstemp(prefix="tulle-")
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64decode(user["client-certificate-data"]))
        file.write(base64.b64decode(user["client-key-data"]))
    try:
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
    return context
