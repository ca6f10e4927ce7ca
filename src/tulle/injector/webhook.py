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
from tulle.serve import review
from tulle.serve.asgi import Message, Receive, Send, respond
from tulle.serve.logs import Log

log = Log("injector")


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
            request = await review.read(receive)
            answer = await self._answer(request)
        except review.NotAReview as error:
            await respond(send, 400, f"{error}\n".encode())
        except (ApiError, Unreachable) as error:
            log.error("cannot answer an admission request", reason=error)
            await respond(send, 500, f"{error}\n".encode())
        else:
            await respond(send, 200, _review(request, answer), "application/json")

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


def _review(request: Json, answer: Answer) -> bytes:
    response: Json = {}
    if answer.patch:
        patch = json.dumps(answer.patch, separators=(",", ":")).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
    if answer.warnings:
        response["warnings"] = list(answer.warnings)
    return review.answer(request, **response)
