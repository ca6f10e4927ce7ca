"""The mutating webhook: AdmissionReview in, AdmissionReview with a JSON patch out, over HTTPS."""

import base64
import json
from typing import Any, Protocol

from tulle.injector import metrics
from tulle.injector.admission import Answer, Namespace, answer_pod, answer_service
from tulle.injector.owners import Owners, Reference
from tulle.injector.source import Source
from tulle.k8s.client import ApiError, Json, Unreachable
from tulle.k8s.events import Recorder, Subject
from tulle.serve.admin import Message, Receive, Send, respond
from tulle.serve.logs import Log

log = Log("injector")

API_VERSION = "admission.k8s.io/v1"
MAX_BODY_BYTES = 8 * 1024 * 1024  # etcd's limit for an object is 1.5 MiB


class NotAReview(Exception):
    """A request body that is no AdmissionReview; the message says what is missing."""


class Api(Protocol):
    async def get(self, path: str, **params: Any) -> Json: ...


class Webhook:
    """An ASGI application. Every path answers, so that any path may be configured."""

    def __init__(self, api: Api, source: Source, owners: Owners, events: Recorder) -> None:
        self._api, self._source, self._owners, self._events = api, source, owners, events

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await respond(send, 405, b"this is an admission webhook: POST an AdmissionReview\n")
            return
        try:
            request = _request(await _body(receive))
            answer = await self._answer(request)
        except NotAReview as error:
            await respond(send, 400, f"{error}\n".encode())
        except (ApiError, Unreachable) as error:
            log.error("cannot answer an admission request", reason=error)
            await respond(send, 500, f"{error}\n".encode())
        else:
            content = json.dumps(_review(request, answer)).encode()
            await respond(send, 200, content, "application/json")

    async def _answer(self, request: Json) -> Answer:
        kind = (request.get("kind") or {}).get("kind")
        content = request.get("object")
        if kind not in ("Pod", "Service") or not isinstance(content, dict):
            return Answer([])
        namespace = await self._namespace(str(request.get("namespace", "")))
        if kind == "Service":
            answer = answer_service(content, namespace, self._source.settings)
            metrics.count(answer, "", namespace.name, {})
            return answer
        owner = await self._owners.of(content, namespace.name)
        answer = answer_pod(
            content, namespace, self._source.settings, owner.owner if owner else None
        )
        self._tell(answer, content, owner, namespace.name, is_dry_run=bool(request.get("dryRun")))
        return answer

    async def _namespace(self, name: str) -> Namespace:
        """Asked anew each time: who annotates a namespace expects the next pod to be meshed."""
        found = (await self._api.get(f"/api/v1/namespaces/{name}")).get("metadata") or {}
        return Namespace(name, found.get("annotations") or {}, found.get("labels") or {})

    def _tell(
        self,
        answer: Answer,
        pod: Json,
        owner: Reference | None,
        namespace: str,
        *,
        is_dry_run: bool,
    ) -> None:
        metadata = pod.get("metadata") or {}
        kind = owner.kind if owner else "Pod"
        metrics.count(answer, kind, namespace, metadata.get("annotations") or {})
        name = owner.name if owner else metadata.get("name") or metadata.get("generateName", "")
        if answer.is_injected:
            form = "native sidecar" if answer.native else "sidecar"
            reason, text = "Injected", f"put the proxy in as a {form}"
        elif answer.skip is not None:
            reason, text = "InjectionSkipped", f"put no proxy in: {answer.skip.sentence}"
        else:
            return
        if answer.warnings:
            text += "; " + "; ".join(answer.warnings)
        log.info("answered", decision=reason, kind=kind, name=name, namespace=namespace, why=text)
        if owner is not None and not is_dry_run:
            subject = Subject(owner.api_version, owner.kind, namespace, owner.name, owner.uid)
            warning = bool(answer.warnings)
            self._events.record(subject, reason, text, kind="Warning" if warning else "Normal")


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


def _request(body: bytes) -> Json:
    try:
        review = json.loads(body)
    except ValueError as error:
        raise NotAReview(f"the body is not JSON: {error}") from error
    request = review.get("request") if isinstance(review, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise NotAReview("the body is no AdmissionReview: it has no request with a uid")
    return request


def _review(request: Json, answer: Answer) -> Json:
    response: Json = {"uid": request["uid"], "allowed": True}
    if answer.patch:
        patch = json.dumps(answer.patch, separators=(",", ":")).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    return {"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response}
