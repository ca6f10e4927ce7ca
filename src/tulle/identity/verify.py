"""Who holds a token: asked of the API server by TokenReview."""

import re
from dataclasses import dataclass
from typing import Any, Protocol

from tulle import names
from tulle.k8s.client import Json

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class InvalidToken(Exception):
    """A token that is no service account's, or that the API server cannot read."""


class NotAuthenticated(Exception):
    """A token that the API server does not vouch for."""


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    namespace: str
    name: str


class Api(Protocol):
    async def create(self, path: str, body: Json, **params: Any) -> Json: ...


async def service_account(api: Api, token: str) -> ServiceAccount:
    """The account that the token proves. Its audience is ours, or else the API server's own."""
    status = await _review(api, token, [names.IDENTITY_AUDIENCE])
    if "token audiences" in status.get("error", ""):
        status = await _review(api, token, None)
    if status.get("error"):
        raise InvalidToken(str(status["error"]))
    if not status.get("authenticated"):
        raise NotAuthenticated("the API server does not know the token")
    return _parsed(str((status.get("user") or {}).get("username", "")))


async def _review(api: Api, token: str, audiences: list[str] | None) -> Json:
    spec: Json = {"token": token}
    if audiences:
        spec["audiences"] = audiences
    body: Json = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {},
        "spec": spec,
    }
    status = (await api.create(PATH, body)).get("status")
    return status if isinstance(status, dict) else {}


def _parsed(username: str) -> ServiceAccount:
    system, *rest = username.split(":")
    if system != "system" or rest[:1] != ["serviceaccount"] or len(rest) != 3:
        raise InvalidToken(f"the token is of {username!r}, which is no service account")
    namespace, name = rest[1:]
    for part in (namespace, name):
        if not _LABEL.fullmatch(part):
            raise InvalidToken(
                f"{part!r} cannot be part of an identity: use letters, digits and dashes only"
            )
    return ServiceAccount(namespace, name)
