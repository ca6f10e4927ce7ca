"""The webhook over real HTTPS; only the API server behind it is stood in for."""

import asyncio
import base64
import contextlib
import json
import ssl

import httpx
import pytest
import yaml

from tulle.injector.owners import Owners
from tulle.injector.source import Source
from tulle.injector.webhook import Webhook
from tulle.k8s.client import NotFound, Unreachable
from tulle.k8s.events import Recorder
from tulle.serve import admin, asgi
from tulle.serve.certs import ServingCertificate

ENABLED = {"linkerd.io/inject": "enabled"}
REPLICA_SET = {
    "apiVersion": "apps/v1",
    "kind": "ReplicaSet",
    "name": "web-5d4f8",
    "uid": "rs-1",
    "controller": True,
}
DEPLOYMENT = {**REPLICA_SET, "kind": "Deployment", "name": "web", "uid": "deploy-1"}


class Api:
    """Namespaces and ReplicaSets by path, what was asked for, and the events written."""

    def __init__(self) -> None:
        self.objects = {
            "/api/v1/namespaces/shop": {"metadata": {"annotations": ENABLED}},
            "/api/v1/namespaces/plain": {"metadata": {}},
            "/apis/apps/v1/namespaces/shop/replicasets/web-5d4f8": {
                "metadata": {"ownerReferences": [DEPLOYMENT]}
            },
        }
        self.asked: list[str] = []
        self.events: asyncio.Queue[dict] = asyncio.Queue()
        self.reachable = True

    async def get(self, path, **_):
        self.asked.append(path)
        if not self.reachable:
            raise Unreachable("cannot reach the Kubernetes API")
        if path not in self.objects:
            raise NotFound(404, "NotFound", "not found", path)
        return self.objects[path]

    async def create(self, path, body, **_):
        assert path == f"/api/v1/namespaces/{body['metadata']['namespace']}/events"
        await self.events.put(body)
        return body


class Served:
    def __init__(self, api, port, folder) -> None:
        self.api, self.folder, self.url = api, folder, f"https://127.0.0.1:{port}/"

    def client(self) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.folder / "tls.crt"))
        return httpx.AsyncClient(verify=context, base_url=self.url)

    async def review(self, content, *, namespace="shop", kind="Pod", **more):
        request = {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": kind},
            "namespace": namespace,
            "operation": "CREATE",
            "object": content,
            **more,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        async with self.client() as http:
            answer = await http.post("/", json={**review, "request": request})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        assert found["response"]["uid"] == "u-1"
        assert found["response"]["allowed"] is True
        return found["response"]

    async def event(self) -> dict:
        async with asyncio.timeout(10):
            return await self.api.events.get()


def patch_of(response) -> list[dict]:
    assert response["patchType"] == "JSONPatch"
    return json.loads(base64.b64decode(response["patch"]))


@pytest.fixture
async def served(tmp_path, write_serving_pair):
    write_serving_pair(tmp_path / "tls", 1)
    (tmp_path / "values").write_text(yaml.safe_dump({"proxy": {"image": {"version": "4"}}}))
    (tmp_path / "roots").write_text("-----BEGIN CERTIFICATE-----\n")
    source = Source(
        tmp_path / "values",
        tmp_path / "roots",
        control_namespace="tulle",
        kubernetes_version=None,
        check_every_seconds=0.01,
    )
    api = Api()
    events = Recorder(api, "tulle-proxy-injector")
    certificate = ServingCertificate(tmp_path / "tls", check_every_seconds=0.01)
    stop, listener = asyncio.Event(), admin.listen("127.0.0.1:0")
    app = Webhook(api, source, Owners(api), events)
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(events.run(lambda error: None))
        for follower in (source, certificate):
            tasks.create_task(follower.follow(stop))
        tasks.create_task(asgi.serve(app, listener, stop, tls=certificate.context))
        yield Served(api, listener.getsockname()[1], tmp_path / "tls")
        stop.set()
        recording.cancel()


def owned(pod):
    pod["metadata"]["ownerReferences"] = [REPLICA_SET]
    return pod


async def test_a_pod_of_a_meshed_namespace_gets_its_proxy(served, pod) -> None:
    patch = patch_of(await served.review(owned(pod)))
    (initial,) = [item for item in patch if item["path"] == "/spec/initContainers"]
    names = [container["name"] for container in initial["value"]]
    assert names == ["tulle-init", "tulle-proxy"]
    assert initial["value"][1]["image"].endswith(":4")
    label = {"op": "add", "path": "/metadata/labels/linkerd.io~1proxy-deployment", "value": "web"}
    assert label in patch
    event = await served.event()
    assert event["reason"] == "Injected"
    assert event["involvedObject"]["name"] == "web"
    assert event["involvedObject"]["uid"] == "deploy-1"


async def test_why_a_pod_got_none_is_an_event_of_its_owner(served, pod) -> None:
    pod["spec"]["hostNetwork"] = True
    response = await served.review(owned(pod))
    assert "patch" not in response
    event = await served.event()
    assert event["reason"] == "InjectionSkipped"
    assert "hostNetwork is enabled" in event["message"]


async def test_a_mistake_is_a_warning_of_kubectl(served, annotated) -> None:
    response = await served.review(annotated({"_proxy-cpu-request": "lots"}))
    assert patch_of(response)
    (warning,) = response["warnings"]
    assert "config.linkerd.io/proxy-cpu-request cannot be 'lots'" in warning


async def test_the_namespace_is_asked_each_time_and_the_replica_set_once(served, pod) -> None:
    await served.review(owned(pod))
    served.api.objects["/api/v1/namespaces/shop"] = {"metadata": {}}
    assert "patch" not in await served.review(owned(pod))
    asked = served.api.asked
    assert asked.count("/api/v1/namespaces/shop") == 2
    assert asked.count("/apis/apps/v1/namespaces/shop/replicasets/web-5d4f8") == 1


async def test_an_unreadable_replica_set_is_told_by_the_pod_s_hash(served, pod) -> None:
    served.api.objects.pop("/apis/apps/v1/namespaces/shop/replicasets/web-5d4f8")
    pod["metadata"]["labels"]["pod-template-hash"] = "5d4f8"
    patch = patch_of(await served.review(owned(pod)))
    assert {item["path"]: item.get("value") for item in patch}[
        "/metadata/labels/linkerd.io~1proxy-deployment"
    ] == "web"


async def test_a_dry_run_leaves_no_event(served, pod) -> None:
    assert patch_of(await served.review(owned(pod), dryRun=True))
    pod["spec"]["hostNetwork"] = True
    await served.review(pod | {"metadata": {**pod["metadata"]}})
    assert (await served.event())["reason"] == "InjectionSkipped"


async def test_services_get_their_opaque_ports(served) -> None:
    service = {"metadata": {"name": "db"}, "spec": {"ports": [{"port": 3306}]}}
    patch = patch_of(await served.review(service, namespace="plain", kind="Service"))
    annotation = {"config.linkerd.io/opaque-ports": "3306"}
    assert patch == [{"op": "add", "path": "/metadata/annotations", "value": annotation}]


async def test_what_it_does_not_know_is_let_through(served) -> None:
    assert "patch" not in await served.review({"metadata": {}}, kind="ConfigMap")


async def test_the_control_plane_s_own_pods_are_let_through(served, pod) -> None:
    pod["metadata"]["labels"]["linkerd.io/control-plane-component"] = "identity"
    assert "patch" not in await served.review(pod)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"request": {}}', b"not json"])
async def test_bodies_that_are_no_review(served, body) -> None:
    async with served.client() as http:
        answer = await http.post("/", content=body)
    assert answer.status_code == 400


async def test_without_an_api_server_the_answer_is_an_error(served, pod) -> None:
    served.api.reachable = False
    review = {"request": {"uid": "u", "kind": {"kind": "Pod"}, "namespace": "shop", "object": pod}}
    async with served.client() as http:
        answer = await http.post("/", json=review)
    assert answer.status_code == 500
    assert "cannot reach the Kubernetes API" in answer.text


async def test_a_renewed_certificate_is_served_at_once(served, write_serving_pair) -> None:
    write_serving_pair(served.folder, 2)  # clients trust the new one alone from here on
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                async with served.client() as http:
                    assert (await http.get("/")).status_code == 405
                    return


async def test_new_values_hold_for_the_next_pod(served, pod) -> None:
    (served.folder.parent / "values").write_text("proxy: {image: {version: '5'}}")
    async with asyncio.timeout(10):
        while ":5" not in json.dumps(patch_of(await served.review(pod))):
            continue


async def test_what_happened_is_counted(served, pod) -> None:
    from prometheus_client import REGISTRY

    def count(**wanted: str) -> float:
        name = "proxy_inject_admission_responses_total"
        return sum(
            sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == name and wanted.items() <= sample.labels.items()
        )

    wanted = {"namespace": "plain", "skip": "true", "owner_kind": "pod"}
    reason = {"skip_reason": "injection_enable_annotation_absent"}
    before = count(**wanted, **reason)
    await served.review(pod, namespace="plain")
    assert count(**wanted, **reason) == before + 1
