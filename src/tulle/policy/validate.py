"""The webhook that refuses policies which no proxy could follow, with sentences that say why.

It looks at one object and at the index, and never waits for anybody.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tulle.index.index import Reader
from tulle.index.views import Views
from tulle.policy import validate_policies, validate_profiles, validate_routes
from tulle.routes import GATEWAY_GROUP, POLICY_GROUP
from tulle.serve import review
from tulle.serve.asgi import Message, Receive, Send, respond
from tulle.serve.logs import Log

Json = dict[str, Any]
Judge = Callable[[Json, Reader], Iterator[str]]

log = Log("policy.validate")

PROFILE_GROUP = "linkerd.io"
JUDGES: dict[tuple[str, str], Judge] = {
    (POLICY_GROUP, "Server"): validate_policies.server,
    (POLICY_GROUP, "ServerAuthorization"): validate_policies.server_authorization,
    (POLICY_GROUP, "AuthorizationPolicy"): validate_policies.authorization_policy,
    (POLICY_GROUP, "MeshTLSAuthentication"): validate_policies.mesh_tls_authentication,
    (POLICY_GROUP, "NetworkAuthentication"): validate_policies.network_authentication,
    (POLICY_GROUP, "HTTPLocalRateLimitPolicy"): validate_policies.rate_limit,
    (POLICY_GROUP, "EgressNetwork"): validate_policies.egress_network,
    (POLICY_GROUP, "HTTPRoute"): validate_routes.http,
    (GATEWAY_GROUP, "HTTPRoute"): validate_routes.http,
    (GATEWAY_GROUP, "GRPCRoute"): validate_routes.grpc,
    (GATEWAY_GROUP, "TLSRoute"): validate_routes.stream,
    (GATEWAY_GROUP, "TCPRoute"): validate_routes.stream,
    (PROFILE_GROUP, "ServiceProfile"): validate_profiles.service_profile,
}


def refusals(group: str, kind: str, item: Json, reader: Reader) -> list[str]:
    """Why the object cannot be followed; empty: it can, or it is not for us to say."""
    judge = JUDGES.get((group, kind))
    is_going = bool(item["metadata"].get("deletionTimestamp"))  # only finalizers change then
    return [] if judge is None or is_going else list(judge(item, reader))


class Validator:
    """An ASGI application; every path answers."""

    def __init__(self, views: Views) -> None:
        self._views = views

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await respond(send, 405, b"this is an admission webhook: POST an AdmissionReview\n")
            return
        try:
            request = await review.read(receive)
        except review.NotAReview as error:
            await respond(send, 400, f"{error}\n".encode())
            return
        await respond(send, 200, self._answer(request), "application/json")

    def _answer(self, request: Json) -> bytes:
        kind, item = request.get("kind") or {}, request.get("object")
        if not isinstance(item, dict):
            return review.answer(request)
        item = {**item, "metadata": {"namespace": request.get("namespace"), **item["metadata"]}}
        group, name = kind.get("group", ""), kind.get("kind", "")
        found = self._views.look(partial(refusals, group, name, item))
        if not found:
            return review.answer(request)
        what = f"{name} {item['metadata']['namespace']}/{item['metadata'].get('name', '')}"
        log.info("refused", object=what, why=found)
        status = {"code": 422, "reason": "Invalid", "message": f"{what}: {'; '.join(found)}"}
        return review.answer(request, allowed=False, status=status)
