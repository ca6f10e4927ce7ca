"""AdmissionReviews, as the API server sends them to a webhook and wants them answered."""

import json
from typing import Any

from tulle.serve.asgi import Receive

Json = dict[str, Any]

API_VERSION = "admission.k8s.io/v1"
MAX_BODY_BYTES = 8 * 1024 * 1024  # etcd's limit for an object is 1.5 MiB


class NotAReview(Exception):
    """A request body that is no AdmissionReview; the message says what is missing."""


async def read(receive: Receive) -> Json:
    """The review's request, which has a uid."""
    body = await _body(receive)
    try:
        review = json.loads(body)
    except ValueError as error:
        raise NotAReview(f"the body is not JSON: {error}") from error
    request = review.get("request") if isinstance(review, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise NotAReview("the body is no AdmissionReview: it has no request with a uid")
    return request


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise NotAReview("the request ended early")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY_BYTES:
            raise NotAReview("the request is larger than any Kubernetes object")
        if not message.get("more_body"):
            return b"".join(parts)


def answer(request: Json, **response: Any) -> bytes:
    """The object is let in unless `response` says otherwise."""
    content = {"uid": request["uid"], "allowed": True, **response}
    review = {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": content}
    return json.dumps(review).encode()
