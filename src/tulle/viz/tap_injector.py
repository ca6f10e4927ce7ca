"""The webhook that tells new proxies who may tap them: `python -m tulle.viz.tap_injector`.

RBAC: `get` on namespaces; to renew its certificate `get`, `patch` on its Secret and its webhook
configuration. It runs after the injector, whose proxy it looks for. Mounts: Secret at --tls.
"""

import argparse
import asyncio
import base64
import copy
import json
import signal
from pathlib import Path
from typing import Any, Protocol

from tulle import names
from tulle.injector.patch import difference
from tulle.k8s.client import ApiError, Client, Json, Unreachable
from tulle.k8s.kubeconfig import KubeconfigError
from tulle.serve import admin, asgi, logs
from tulle.serve.asgi import Message, Receive, Send, respond
from tulle.serve.certs import CertificateError, ServingCertificate
from tulle.serve.renewal import WEBHOOKS, Renewal, Served

log = logs.Log("viz.tap_injector")

MAX_BODY_BYTES = 8 * 1024 * 1024


class NotAReview(Exception):
    """A request body that is no AdmissionReview."""


class Api(Protocol):
    async def get(self, path: str, **params: Any) -> Json: ...


def with_tap(pod: Json, client: str) -> Json:
    """The pod with tap allowed to one identity; unchanged if it has no proxy or wants no tap."""
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    if names.TAP_DISABLED_ANNOTATION in annotations:
        return pod
    found = copy.deepcopy(pod)
    spec = found.get("spec") or {}
    proxies = [
        container
        for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
        if container.get("name") == names.PROXY_CONTAINER
    ]
    if not proxies:
        return pod
    metadata = found.setdefault("metadata", {})
    metadata["annotations"] = {**annotations, names.TAP_ENABLED_ANNOTATION: "true"}
    for proxy in proxies:
        others = [
            item for item in proxy.get("env") or [] if item.get("name") != names.TAP_CLIENT_VARIABLE
        ]
        proxy["env"] = [*others, {"name": names.TAP_CLIENT_VARIABLE, "value": client}]
    return found


class TapWebhook:
    """An ASGI application; `client` is the identity of tap."""

    def __init__(self, api: Api, client: str) -> None:
        self._api, self._client = api, client

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await respond(send, 405, b"this is an admission webhook: POST an AdmissionReview\n")
            return
        try:
            request = await _request(receive)
            patch = await self._patch(request)
        except NotAReview as error:
            await respond(send, 400, f"{error}\n".encode())
        except (ApiError, Unreachable) as error:
            log.error("cannot answer an admission request", reason=error)
            await respond(send, 500, f"{error}\n".encode())
        else:
            content = json.dumps(_review(str(request["uid"]), patch)).encode()
            await respond(send, 200, content, "application/json")

    async def _patch(self, request: Json) -> list[Json]:
        pod = request.get("object")
        if (request.get("kind") or {}).get("kind") != "Pod" or not isinstance(pod, dict):
            return []
        wanted = with_tap(pod, self._client)
        if wanted is pod:
            return []
        found = await self._api.get(f"/api/v1/namespaces/{request.get('namespace', '')}")
        annotations = (found.get("metadata") or {}).get("annotations") or {}
        if names.TAP_DISABLED_ANNOTATION in annotations:
            return []
        return difference(pod, wanted)


async def _request(receive: Receive) -> Json:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise NotAReview("the request ended early")
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise NotAReview("the request is larger than any Kubernetes object")
        more = bool(message.get("more_body"))
    try:
        review = json.loads(body)
    except ValueError as error:
        raise NotAReview(f"the body is not JSON: {error}") from error
    request = review.get("request") if isinstance(review, dict) else None
    if not isinstance(request, dict) or "uid" not in request:
        raise NotAReview("the body is no AdmissionReview: it has no request with a uid")
    return request


def _review(uid: str, patch: list[Json]) -> Json:
    response: Json = {"uid": uid, "allowed": True}
    if patch:
        text = json.dumps(patch, separators=(",", ":")).encode()
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(text).decode()}
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="tap-injector", description="lets tap into new pods")
    found.add_argument("--tap-identity", required=True, help="the only identity that may tap")
    found.add_argument("--tls", type=Path, default=Path(names.SERVING_TLS_DIR))
    found.add_argument("--renew-certificate-in", metavar="NAMESPACE", help="where its Secret is")
    found.add_argument("--addr", default=f":{names.TAP_INJECTOR_HTTPS_PORT}")
    found.add_argument("--admin-addr", default=f":{names.TAP_INJECTOR_ADMIN_PORT}")
    found.add_argument("--kubeconfig")
    found.add_argument("--log-level", choices=sorted(logs.LEVELS), default="info")
    found.add_argument("--log-format", choices=logs.FORMATS, default="plain")
    return found


async def serve(options: argparse.Namespace, stop: asyncio.Event) -> None:
    async with await Client.from_environment(options.kubeconfig) as api:
        certificate = ServingCertificate(options.tls)
        webhook = TapWebhook(api, options.tap_identity)
        listener = admin.listen(options.addr)
        admin_listener = admin.listen(options.admin_addr)
        ports = [held.getsockname()[1] for held in (listener, admin_listener)]
        log.info("serving", https=ports[0], admin=ports[1])
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(certificate.follow(stop))
            if space := options.renew_certificate_in:
                tasks.create_task(Renewal(api, certificate_served(space)).follow(stop))
            tasks.create_task(admin.serve(lambda: None, admin_listener, stop))
            await asgi.serve(webhook, listener, stop, tls=certificate.context)


def certificate_served(namespace: str) -> Served:
    trust = f"{WEBHOOKS}/{names.TAP_INJECTOR_WEBHOOK_CONFIG}"
    host = f"{names.TAP_INJECTOR}.{namespace}.svc"
    return Served(namespace, names.TAP_INJECTOR_TLS_SECRET, trust, host)


async def _run(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(options, stop)


def main() -> None:
    options = parser().parse_args()
    logs.configure(options.log_level, options.log_format)
    try:
        asyncio.run(_run(options))
    except (ApiError, CertificateError, KubeconfigError, OSError, Unreachable) as error:
        raise SystemExit(f"tap-injector: {error}") from error


if __name__ == "__main__":
    main()
