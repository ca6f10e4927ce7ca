"""Weights of splits, read and moved on a real API server by the right of whoever asks."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

sys.path.insert(0, str(Path(__file__).parent))

import contextlib

from served_dashboard import Served, serving

from tulle.install import charts
from tulle.install.viz_web import RULES
from tulle.k8s.client import ApiError, Client, Conflict
from tulle.local import gateway
from tulle.local.paths import caches
from tulle.viz.web import weights

pytestmark = pytest.mark.apiserver

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
SPACE = "weighed"
ROUTES = "httproutes.gateway.networking.k8s.io"
POLICY = "httproutes.policy.linkerd.io"
SMI = "trafficsplits.split.smi-spec.io"
VERSIONS = {ROUTES: "v1", POLICY: "v1beta3", SMI: "v1alpha4"}
PARENT = {"group": "", "kind": "Service", "name": "web", "port": 80}
OLD, NEW = ({"name": name, "port": 80, "weight": 1} for name in ("web-v1", "web-v2"))


def path_of(resource, name=""):
    plural, _, group = resource.partition(".")
    found = f"/apis/{group}/{VERSIONS[resource]}/namespaces/{SPACE}/{plural}"
    return f"{found}/{name}" if name else found


def route(name, *rules, parent=PARENT):
    return {
        "apiVersion": "",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {"parentRefs": [parent], "rules": list(rules)},
    }


async def define(api):
    if await are_defined(api):
        return
    text = gateway.manifest(caches()).read_text()
    items = [*charts.resource_definitions(), *yaml.safe_load_all(text)]
    wanted = {*VERSIONS, "grpcroutes.gateway.networking.k8s.io"}
    for item in items:
        if item and item["metadata"]["name"] in wanted:
            try:
                await api.create(CRDS, item)
            except Conflict:
                continue
    while not await are_defined(api):  # 404 first, then 429 while their storage starts
        continue


async def are_defined(api):
    try:
        for resource, version in VERSIONS.items():
            plural, _, group = resource.partition(".")
            await api.get(f"/apis/{group}/{version}/{plural}")
    except ApiError:
        return False
    return True


@pytest_asyncio.fixture
async def space(api):
    """Three ways to split what is sent to `web`, and one of another Service's."""
    await define(api)
    with contextlib.suppress(Conflict):
        await api.create("/api/v1/namespaces", {"metadata": {"name": SPACE}})
    made = {
        ROUTES: route(
            "rollout",
            {"backendRefs": [OLD]},
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/api"}, "method": "GET"}],
                "backendRefs": [{**OLD, "weight": 90}, {**NEW, "weight": 10}],
            },
        ),
        POLICY: route("older", {"backendRefs": [OLD, NEW]}),
        SMI: {
            "kind": "TrafficSplit",
            "metadata": {"name": "smi"},
            "spec": {
                "service": f"web.{SPACE}.svc.cluster.local",
                "backends": [
                    {"service": "web-v1", "weight": "1500m"},
                    {"service": "web-v2", "weight": 1},
                ],
            },
        },
    }
    for resource, item in made.items():
        await api.create(path_of(resource), with_version(resource, item))
    other = route("other", {"backendRefs": [OLD, NEW]}, parent={**PARENT, "name": "cart"})
    await api.create(path_of(ROUTES), with_version(ROUTES, other))
    yield
    for resource in VERSIONS:
        await api.delete(path_of(resource))


def with_version(resource, item):
    return {**item, "apiVersion": f"{resource.partition('.')[2]}/{VERSIONS[resource]}"}


@pytest_asyncio.fixture
async def served(space, kubeconfig_of, tmp_path, request):
    """The dashboard with the rights that its installation gives it, and no more."""
    mine = await kubeconfig_of(f"web-{abs(hash(request.node.name))}", RULES)
    async with (
        await Client.from_environment(str(mine)) as client,
        serving(Served(tmp_path, api=client)) as found,
    ):
        yield found


@pytest.fixture
def token_with(kubeconfig_of, request):
    """The token of a new account that may do so much with splits."""

    async def make(*verbs):
        name = f"user-{abs(hash(request.node.name))}-{'-'.join(verbs) or 'none'}"
        groups = [resource.partition(".")[2] for resource in VERSIONS]
        plurals = [resource.partition(".")[0] for resource in VERSIONS]
        rule = {"apiGroups": groups, "resources": plurals, "verbs": list(verbs)}
        path = await kubeconfig_of(name, [rule] if verbs else [])
        return yaml.safe_load(path.read_text())["users"][0]["user"]["token"]

    return make


async def splits(served):
    found = await served.json(f"/api/splits/{SPACE}/web")
    assert found["notes"] == []
    return {split["name"]: split for split in found["splits"]}


async def put(served, split, weights, token, *, rule=None, **query):
    body = {
        "rule": split["rule"] if rule is None else rule,
        "generation": split["generation"],
        "weights": weights,
    }
    path = f"/api/splits/{SPACE}/{split['resource']}/{split['name']}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await served.request("PUT", path, json=body, headers=headers, params=query)


def weights_of(split):
    return [backend["weight"] for backend in split["backends"]]


async def test_each_kind_of_split_is_shown_with_its_shares(served):
    found = await splits(served)
    assert set(found) == {"rollout", "older", "smi"}
    rollout = found["rollout"]
    assert (rollout["resource"], rollout["rule"], rollout["matches"]) == (ROUTES, 1, "GET /api/*")
    assert [backend["share"] for backend in rollout["backends"]] == [0.9, 0.1]
    assert found["older"]["matches"] == ""
    assert [backend["share"] for backend in found["older"]["backends"]] == [0.5, 0.5]
    assert weights_of(found["smi"]) == ["1500m", "1"]
    assert [backend["share"] for backend in found["smi"]["backends"]] == [0.6, 0.4]


async def test_numbers_stand_beside_each_backend(served):
    served.shop.backends = [
        {
            "route_group": "gateway.networking.k8s.io",
            "route_kind": "HTTPRoute",
            "route_namespace": SPACE,
            "route_name": "rollout",
            "backend_namespace": SPACE,
            "backend_name": "web-v2",
            "backend_port": "80",
            "success": 0.5,
            "rps": 3.0,
            "latency_ms_p50": 1.0,
            "latency_ms_p95": 2.0,
            "latency_ms_p99": 4.0,
        }
    ]
    old, new = (await splits(served))["rollout"]["backends"]
    assert (new["success"], new["rps"], new["p99"]) == (0.5, 3.0, 4.0)
    assert (old["success"], old["rps"]) == (None, None)
    older = (await splits(served))["older"]["backends"]
    assert [backend["rps"] for backend in older] == [None, None]


@pytest.mark.parametrize("name", ["rollout", "older", "smi"])
async def test_weights_are_tried_moved_and_moved_back(served, api, token_with, name):
    token = await token_with("patch")
    split = (await splits(served))[name]
    before = weights_of(split)
    tried = await put(served, split, [0, 100], token, dryRun="true")
    assert (tried.status_code, tried.json()["after"]) == (200, ["0", "100"])
    assert weights_of((await splits(served))[name]) == before
    moved = await put(served, split, [0, 100], token)
    assert moved.json()["before"] == before
    now = (await splits(served))[name]
    assert weights_of(now) == ["0", "100"]
    assert [backend["share"] for backend in now["backends"]] == [0.0, 1.0]
    assert moved.json()["generation"] == now["generation"]
    was = [int(text) if text.isdecimal() else text for text in before]
    undone = await put(served, now, was, token)
    assert (undone.json()["before"], undone.json()["after"]) == (["0", "100"], before)
    stored = await api.get(path_of(split["resource"], name))
    if name == "rollout":
        assert stored["spec"]["rules"][0]["backendRefs"] == [
            {**OLD, "group": "", "kind": "Service"}
        ]


async def test_who_may_not_is_told_verb_resource_and_namespace(served, token_with):
    split = (await splits(served))["rollout"]
    assert (await put(served, split, [1, 1], None)).status_code == 401
    assert (await put(served, split, [1, 1], "not.a.token")).status_code == 401
    refused = await put(served, split, [1, 1], await token_with("get"))
    assert refused.status_code == 403
    assert 'cannot patch resource "httproutes"' in refused.json()["error"]
    assert f'in the namespace "{SPACE}"' in refused.json()["error"]
    assert weights_of((await splits(served))["rollout"]) == ["90", "10"]


async def test_what_another_changed_meanwhile_is_not_overwritten(served, api, token_with):
    token = await token_with("patch")
    split = (await splits(served))["rollout"]
    change = [{"op": "add", "path": "/spec/rules/1/backendRefs/1/weight", "value": 20}]
    await api.patch(path_of(ROUTES, "rollout"), change, "json")
    refused = await put(served, split, [50, 50], token)
    assert refused.status_code == 409
    assert "somebody else changed the HTTPRoute rollout meanwhile" in refused.json()["error"]
    assert weights_of((await splits(served))["rollout"]) == ["90", "20"]


async def test_a_change_of_the_status_alone_is_no_change(served, api, token_with):
    token = await token_with("patch")
    split = (await splits(served))["rollout"]
    parents = [{"parentRef": PARENT, "controllerName": "linkerd.io/policy-controller"}]
    said = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    conditions = [{**said, "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    status = {"status": {"parents": [{**parents[0], "conditions": conditions}]}}
    await api.patch(f"{path_of(ROUTES, 'rollout')}/status", status)
    assert (await put(served, split, [50, 50], token)).status_code == 200


async def test_the_api_server_itself_refuses_an_old_version(served, api, token_with, monkeypatch):
    """As if another wrote between each of our looks and the patch that follows it."""
    token = await token_with("patch")
    split, made = (await splits(served))["rollout"], weights._patch
    old = (await api.get(path_of(ROUTES, "rollout")))["metadata"]["resourceVersion"]
    await api.patch(path_of(ROUTES, "rollout"), {"metadata": {"labels": {"by": "another"}}})

    def late(before, wanted):
        return made(replace(before, version=old), wanted)

    monkeypatch.setattr(weights, "_patch", late)
    refused = await put(served, split, [50, 50], token)
    assert refused.status_code == 409
    assert "the object has been modified" in refused.json()["error"]
    assert weights_of((await splits(served))["rollout"]) == ["90", "10"]


@pytest.mark.parametrize(
    ("wanted", "rule", "status", "word"),
    [
        ([0, 0], None, 422, "every request would fail"),
        ([1], None, 422, "has 2 backends, and 1 weights"),
        ([1, -1], None, 422, "whole number"),
        ([1, True], None, 422, "whole number"),
        ([1, 1_000_001], None, 422, "whole number"),
        ([1, 1], 0, 409, "no split at rule 0"),
        ([1, 1], "1", 400, "the body is JSON"),
        (["1", "1"], None, 422, "whole number"),
        ("1", None, 400, "the body is JSON"),
    ],
)
async def test_weights_that_cannot_be_are_refused_in_words(served, wanted, rule, status, word):
    split = (await splits(served))["rollout"]
    refused = await put(served, split, wanted, "any", rule=rule)
    assert refused.status_code == status
    assert word in refused.json()["error"]


async def test_what_is_not_there_or_not_written_here(served):
    split = {**(await splits(served))["rollout"], "name": "nobody"}
    assert (await put(served, split, [1, 1], "any")).status_code == 404
    path = f"/api/splits/{SPACE}/services/web"
    assert (await served.request("PUT", path, json={})).status_code == 405
    foreign = {"Origin": "https://evil.example"}
    path = f"/api/splits/{SPACE}/{ROUTES}/rollout"
    assert (await served.request("PUT", path, json={}, headers=foreign)).status_code == 403


async def test_what_a_token_may_do_is_told_before_it_is_tried(served, token_with):
    path = f"/api/can/splits/{SPACE}"
    headers = {"Authorization": f"Bearer {await token_with('patch')}"}
    found = (await served.get(path, headers=headers)).json()
    assert {found[resource] for resource in VERSIONS} == {True}
    headers = {"Authorization": f"Bearer {await token_with('get')}"}
    assert set((await served.get(path, headers=headers)).json().values()) == {False}
    assert set((await served.json(path)).values()) == {False}
