"""Who asks, and whether they may: the API server's word for the first, RBAC for the second."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

from tulle import names
from tulle.k8s.client import Json
from tulle.viz.tap.target import PLURALS, Target

CONFIG_PATH = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
REVIEW_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
Headers = Iterable[tuple[bytes, bytes]]


class NotTheApiServer(Exception):
    """A connection that did not prove to come from the API server."""


class NotAllowed(Exception):
    """RBAC refused; the message says what right is missing."""


class BadAuthentication(Exception):
    """The cluster does not say how its API server proves itself."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FrontProxy:
    """How the API server proves itself, and in which headers it names the user."""

    authorities: str = field(repr=False)  # PEM
    allowed_names: frozenset[str]  # empty: any that the authorities signed
    user_headers: tuple[str, ...]
    group_headers: tuple[str, ...]
    extra_prefixes: tuple[str, ...]

    @classmethod
    def from_config_map(cls, item: Json) -> "FrontProxy":
        data = item.get("data") or {}
        if not data.get("requestheader-client-ca-file"):
            raise BadAuthentication(
                "the ConfigMap kube-system/extension-apiserver-authentication has no "
                "requestheader-client-ca-file: the API server runs without its aggregation layer"
            )

        def listed(key: str) -> tuple[str, ...]:
            return tuple(str(part) for part in json.loads(data.get(f"requestheader-{key}") or "[]"))

        return cls(
            data["requestheader-client-ca-file"],
            frozenset(listed("allowed-names")),
            listed("username-headers"),
            listed("group-headers"),
            listed("extra-headers-prefix"),
        )

    def user(self, peer: Mapping[str, Any] | None, headers: Headers) -> User:
        """Headers count only from a peer whose certificate the TLS library verified."""
        if not peer:
            raise NotTheApiServer("only the API server may ask: no client certificate was shown")
        if self.allowed_names and not self.allowed_names & _names(peer):
            raise NotTheApiServer("only the API server may ask: the client certificate is another")
        given = [(key.decode("latin-1").lower(), value.decode()) for key, value in headers]
        wanted = {name.lower() for name in self.user_headers}
        name = next((value for key, value in given if key in wanted), "")
        if not name:
            raise NotTheApiServer("the API server named no user")
        groups = {name.lower() for name in self.group_headers}
        extra: dict[str, tuple[str, ...]] = {}
        for key, value in given:
            for prefix in self.extra_prefixes:
                if key.startswith(prefix.lower()):
                    found = unquote(key[len(prefix) :])
                    extra[found] = (*extra.get(found, ()), value)
        return User(name, tuple(value for key, value in given if key in groups), extra)


def _names(peer: Mapping[str, Any]) -> set[str]:
    """The common name and the DNS names of a verified certificate, as `getpeercert` has them."""
    common = {
        value for part in peer.get("subject", ()) for key, value in part if key == "commonName"
    }
    return common | {value for kind, value in peer.get("subjectAltName", ()) if kind == "DNS"}


class Api(Protocol):
    async def create(self, path: str, body: Json, **params: Any) -> Json: ...


async def authorize(api: Api, user: User, target: Target) -> None:
    """Raises NotAllowed unless the user may `watch` the target's `tap`."""
    plural = PLURALS[target.kind]
    attributes = {
        "verb": "watch",
        "group": names.TAP_GROUP,
        "version": names.TAP_VERSION,
        "resource": plural,
        "subresource": "tap",
        "namespace": target.namespace,
        "name": target.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user.name,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra.items()},
            "resourceAttributes": attributes,
        },
    }
    status = (await api.create(REVIEW_PATH, review)).get("status") or {}
    if status.get("allowed") is not True:
        raise NotAllowed(
            f"{user.name} may not tap {target} in the namespace {target.namespace}: grant the verb "
            f"watch on {plural}/tap in the group {names.TAP_GROUP}, "
            "as the ClusterRole of viz whose name ends in -tap-admin does"
        )
