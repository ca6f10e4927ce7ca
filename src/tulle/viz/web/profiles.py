"""ServiceProfiles: read by the dashboard's account, written only with the token of whoever asks."""

import json
from typing import Any

import yaml

from tulle.k8s.client import ApiError, Client, NotFound, Unreachable
from tulle.viz.web.callers import NO_TOKEN, TOKEN_HINT, allows, as_user, refusal
from tulle.viz.web.http import Refused
from tulle.viz.web.profile_rules import TEMPLATE, judged
from tulle.viz.web.sources import Sources

Json = dict[str, Any]

GROUP, VERSION, PLURAL = "linkerd.io", "v1alpha2", "serviceprofiles"
SHOWN = ("labels", "annotations", "name", "namespace")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def _path(namespace: str, name: str = "") -> str:
    found = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
    return f"{found}/{name}" if name else found


class Profiles:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def _name(self, namespace: str, service: str) -> str:
        return f"{service}.{namespace}.svc.{self._sources.place.cluster_domain}"

    def _api(self) -> Client:
        if self._sources.api is None:
            raise Refused(503, "the dashboard has no API server to ask")
        return self._sources.api

    async def read(self, namespace: str, service: str) -> Json:
        name = self._name(namespace, service)
        try:
            found = await self._api().get(_path(namespace, name))
        except NotFound:
            template = TEMPLATE.format(name=name, namespace=namespace)
            return {"exists": False, "profile": None, "suggested": template}
        except (ApiError, Unreachable) as error:
            raise refusal(error) from error
        text = shown(found)
        return {"exists": True, "profile": text, "suggested": text}

    def judge(self, namespace: str, service: str, body: bytes) -> tuple[Json, list[Json]]:
        try:
            content = json.loads(body)
            text = content["profile"]
        except (ValueError, TypeError, KeyError):
            raise Refused(400, 'the body is JSON such as {"profile": "YAML"}') from None
        if not isinstance(text, str):
            raise Refused(400, "`profile` is a text in YAML")
        found, problems = judged(text, self._name(namespace, service), namespace)
        return found, [problem.as_json() for problem in problems]

    async def write(self, namespace: str, service: str, body: bytes, token: str) -> Json:
        """By the rights of the token, never by ours."""
        if not token:
            raise Refused(401, NO_TOKEN, TOKEN_HINT)
        wanted, problems = self.judge(namespace, service, body)
        if problems:
            count = len(problems)
            sentence = f"the profile has {count} problem{'s' if count > 1 else ''}"
            raise Refused(422, sentence, problems=problems)
        wanted["metadata"].setdefault("namespace", namespace)
        try:
            async with as_user(self._api(), token) as client:
                created, stored = await _stored(client, namespace, wanted)
        except (ApiError, Unreachable) as error:
            raise refusal(error) from error
        return {"created": created, "profile": shown(stored)}

    async def may(self, namespace: str, token: str) -> Json:
        """What RBAC lets the token do with profiles of a namespace."""
        if not token:
            return {"create": False, "update": False}
        try:
            async with as_user(self._api(), token) as client:
                return {
                    verb: await allows(client, verb, namespace, GROUP, PLURAL)
                    for verb in ("create", "update")
                }
        except (ApiError, Unreachable) as error:
            raise refusal(error) from error


async def _stored(client: Client, namespace: str, wanted: Json) -> tuple[bool, Json]:
    name = wanted["metadata"]["name"]
    try:
        before = await client.get(_path(namespace, name))
    except NotFound:
        return True, await client.create(_path(namespace), wanted)
    wanted["metadata"].setdefault("resourceVersion", before["metadata"]["resourceVersion"])
    return False, await client.replace(_path(namespace, name), wanted)


def shown(found: Json) -> str:
    """As a person would write it: without what the API server adds."""
    metadata = {word: found["metadata"][word] for word in SHOWN if found["metadata"].get(word)}
    if annotations := dict(metadata.get("annotations") or {}):
        annotations.pop(LAST_APPLIED, None)
        metadata["annotations"] = annotations
        if not annotations:
            del metadata["annotations"]
    kept = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ServiceProfile", "metadata": metadata}
    return yaml.safe_dump({**kept, "spec": found.get("spec") or {}}, sort_keys=False)
