"""What is done at the API server by the right of whoever asks, and how its refusals read."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from tulle.k8s.client import ApiError, Client, Unreachable
from tulle.viz.web.http import Refused

Json = dict[str, Any]

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
NO_TOKEN = "a change is made with your own token; give it as Authorization: Bearer TOKEN"
TOKEN_HINT = "kubectl create token ACCOUNT"


@contextlib.asynccontextmanager
async def as_user(api: Client, token: str) -> AsyncIterator[Client]:
    """A client that carries this token and nothing of ours."""
    access = replace(
        api.access,
        token=token,
        token_file=None,
        exec_plugin=None,
        client_certificate=None,
        client_key=None,
        impersonate_user=None,
        impersonate_groups=(),
    )
    async with Client(access) as client:
        yield client


async def allows(client: Client, verb: str, namespace: str, group: str, resource: str) -> bool:
    """For whoever the client is; `*` of a resource asks for all that it has below it."""
    resource, _, subresource = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource}
    spec = {"resourceAttributes": {**attributes, "namespace": namespace}}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": spec,
    }
    return bool((await client.create(REVIEWS, body))["status"]["allowed"])


def refusal(error: ApiError | Unreachable) -> Refused:
    """The API server's own words, and its status where it is the caller's to mend."""
    if isinstance(error, Unreachable):
        return Refused(502, str(error))
    status = error.status if error.status in (400, 401, 403, 404, 409, 422) else 502
    hints = {
        401: "the token may have ended; make another: kubectl create token ACCOUNT",
        403: "ask who administers the cluster for the right, as RBAC names it above",
        409: "somebody else changed it meanwhile; read it again",
    }
    return Refused(status, error.message or error.reason or str(error), hints.get(status, ""))
