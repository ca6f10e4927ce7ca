"""The component as it runs in a pod, called by a real API server, which checks what it makes."""

import asyncio
import base64
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml

from tulle.k8s.client import Client

pytestmark = pytest.mark.apiserver

RULES = [
    {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get"]},
    {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


def webhook(name: str, namespace: str, port: int, certificate: bytes) -> dict:
    """The webhook of one namespace alone, refusing pods when it fails."""
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods", "services"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "linkerd-proxy-injector.linkerd.io",
                "clientConfig": {
                    "url": f"https://127.0.0.1:{port}/",
                    "caBundle": base64.b64encode(certificate).decode(),
                },
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "NoneOnDryRun",
                "admissionReviewVersions": ["v1"],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            }
        ],
    }


class Shop:
    """A namespace whose pods the component answers for."""

    def __init__(self, api: Client, namespace: str) -> None:
        self.api, self.name = api, namespace

    async def create(self, kind: str, body: dict, group: str = "api/v1") -> dict:
        return await self.api.create(f"/{group}/namespaces/{self.name}/{kind}", body)

    async def pod(self, name: str, annotations: dict | None = None, **spec) -> dict:
        containers = [{"name": "app", "image": "shop/web:1", "ports": [{"containerPort": 80}]}]
        metadata = {"name": name, "annotations": annotations or {}}
        if owner := spec.pop("owner", None):
            metadata["ownerReferences"] = [owner]
        return await self.create(
            "pods", {"metadata": metadata, "spec": {"containers": containers, **spec}}
        )

    async def event(self, reason: str) -> dict:
        path = f"/api/v1/namespaces/{self.name}/events"
        async with asyncio.timeout(20):
            async for change in self.api.stream(path, watch=True, fieldSelector=f"reason={reason}"):
                return change["object"]
        raise AssertionError(reason)


@pytest_asyncio.fixture
async def shop(api, account, kubeconfig_of, run_component, write_serving_pair, tmp_path):
    name = f"shop-{uuid4().hex[:8]}"
    certificate = write_serving_pair(tmp_path / "tls")
    (tmp_path / "values").write_text(yaml.safe_dump({"proxyInit": {"skipSubnets": ""}}))
    (tmp_path / "roots").write_text("-----BEGIN CERTIFICATE-----\n")
    running = run_component(
        "tulle.injector",
        *("--kubeconfig", await kubeconfig_of(f"i-{name}", RULES), "--tls", tmp_path / "tls"),
        *("--values", tmp_path / "values", "--trust-roots", tmp_path / "roots"),
        *("--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"),
    )
    await api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    await account(name, "default")
    body = webhook(name, name, running.ports["https"], certificate)
    await api.create(CONFIGURATIONS, body)
    found = Shop(api, name)
    await _until_called(found)
    yield found
    await api.delete(f"{CONFIGURATIONS}/{name}")


async def _until_called(shop: Shop) -> None:
    """The API server takes a moment to heed a new webhook; a Service shows when it does."""
    body = {"metadata": {"generateName": "probe-"}, "spec": {"ports": [{"port": 3306}]}}
    async with asyncio.timeout(20):
        while not (await shop.create("services", body))["metadata"].get("annotations"):
            continue


async def annotate(shop: Shop, **annotations: str) -> None:
    keys = {f"linkerd.io/{key}": value for key, value in annotations.items()}
    await shop.api.patch(
        f"/api/v1/namespaces/{shop.name}", {"metadata": {"annotations": keys}}, kind="merge"
    )


async def test_the_pod_right_after_the_annotation_is_meshed(shop) -> None:
    before = await shop.pod("before")
    assert [c["name"] for c in before["spec"]["containers"]] == ["app"]
    assert "initContainers" not in before["spec"]
    await annotate(shop, inject="enabled")
    after = await shop.pod("after")
    initial = after["spec"]["initContainers"]
    assert [c["name"] for c in initial] == ["tulle-init", "tulle-proxy"]
    assert initial[1]["restartPolicy"] == "Always"
    assert after["metadata"]["annotations"]["linkerd.io/inject"] == "enabled"


@pytest.mark.parametrize(
    "annotations",
    [
        {"config.linkerd.io/proxy-enable-native-sidecar": "false"},
        {
            "config.linkerd.io/proxy-cpu-request": "100m",
            "config.linkerd.io/proxy-memory-limit": "250Mi",
            "config.linkerd.io/proxy-ephemeral-storage-limit": "1Gi",
            "config.linkerd.io/proxy-gid": "3000",
            "config.linkerd.io/close-wait-timeout": "30s",
            "config.linkerd.io/proxy-wait-before-exit-seconds": "5",
            "config.linkerd.io/enable-debug-sidecar": "true",
            "config.linkerd.io/proxy-additional-env": '[{"name": "A", "value": "1"}]',
        },
    ],
)
async def test_the_api_server_takes_every_form(shop, annotations) -> None:
    pod = await shop.pod("web", {"linkerd.io/inject": "enabled", **annotations})
    every = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    assert {"tulle-init", "tulle-proxy", "app"} <= {container["name"] for container in every}
    assert pod["metadata"]["labels"]["linkerd.io/workload-ns"] == shop.name


async def test_events_say_what_was_done_and_what_not(shop) -> None:
    body = {
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "app", "image": "x"}]},
            },
        },
    }
    deployment = await shop.create("deployments", body, "apis/apps/v1")
    above = reference(deployment, "Deployment")
    body["metadata"] = {"name": "web-1", "ownerReferences": [above]}
    replica_set = await shop.create("replicasets", body, "apis/apps/v1")
    owner = reference(replica_set, "ReplicaSet")
    pod = await shop.pod("web-1-a", {"linkerd.io/inject": "enabled"}, owner=owner)
    assert pod["metadata"]["labels"]["linkerd.io/proxy-deployment"] == "web"
    event = await shop.event("Injected")
    assert event["involvedObject"]["uid"] == deployment["metadata"]["uid"]
    await shop.pod("web-1-b", {"linkerd.io/inject": "yes"}, owner=owner)
    skipped = await shop.event("InjectionSkipped")
    assert "the pod has linkerd.io/inject: 'yes'" in skipped["message"]


def reference(found: dict, kind: str) -> dict:
    metadata = found["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
