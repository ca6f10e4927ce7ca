"""The graph of all workloads, from what proxies counted and which pods there are."""

import asyncio
import json
import subprocess

import httpx
import pytest

from tests.viz.histogram import buckets

UI = {"namespace": "shop", "deployment": "ui"}
TO_WEB = {"dst_namespace": "shop", "dst_deployment": "web"}


async def ask(port, path, **query):
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://127.0.0.1:{port}{path}", params=query)
        return answer.status_code, answer.json()


@pytest.fixture
def shop(add, new_pod, answers):
    """A meshed ui asks a meshed web; a cache without a proxy is asked too."""
    for name, meshed in (("ui", True), ("web", True), ("cache", False)):
        owner = ("Deployment", name)
        add(new_pod(f"{name}-1", owner=owner, meshed=meshed))
    to_cache = {"dst_namespace": "shop", "dst_deployment": "cache"}
    reason = {"no_tls_reason": "not_provided_by_service_discovery"}
    answers.samples = {
        r"response_total\{direction=.outbound": [
            ({**UI, **TO_WEB, "classification": "success", "tls": "true"}, 540.0),
            ({**UI, **TO_WEB, "classification": "failure", "tls": "true"}, 60.0),
            ({**UI, **to_cache, "classification": "success", "tls": "no_identity", **reason}, 6.0),
        ],
        r"response_total\{direction=.inbound": [
            (
                {
                    "namespace": "shop",
                    "deployment": "web",
                    "classification": "success",
                    "tls": "true",
                },
                600.0,
            )
        ],
        r"latency_ms_bucket\{direction=.outbound": buckets({**UI, **TO_WEB}, 5, 10, 25),
        r"tcp_open_connections\{direction=.outbound": [
            ({**UI, **TO_WEB, "server_id": "web-account.shop.serviceaccount.identity.tulle"}, 3.0)
        ],
    }


def by_ref(entries):
    return {entry["ref"][2]: entry for entry in entries}


def by_ends(entries):
    return {(entry["src"][2], entry["dst"][2]): entry for entry in entries}


@pytest.mark.usefixtures("shop")
async def test_edges_carry_rate_success_latency_and_security(api_port):
    status, found = await ask(api_port, "/api/graph")
    assert status == 200
    edges = by_ends(found["edges"])
    secured = edges["ui", "web"]
    assert secured["numbers"]["rps"] == pytest.approx(10.0)
    assert secured["numbers"]["success"] == pytest.approx(0.9)
    assert secured["numbers"]["latency_ms_p99"] == 25.0
    assert secured["numbers"]["tcp_open_connections"] == 3
    assert secured["numbers"]["secured"] == 1.0
    assert (secured["client_id"], secured["server_id"]) == ("ui-1-account.shop", "web-account.shop")
    plain = edges["ui", "cache"]
    assert plain["numbers"]["secured"] == 0.0
    assert plain["no_tls_reason"] == "Not Provided By Service Discovery"


@pytest.mark.usefixtures("shop")
async def test_nodes_are_all_that_pods_or_proxies_name(api_port):
    _, found = await ask(api_port, "/api/graph")
    nodes = by_ref(found["nodes"])
    assert set(nodes) == {"ui", "web", "cache"}
    assert nodes["web"]["numbers"]["rps"] == pytest.approx(10.0)
    assert nodes["ui"]["numbers"]["rps"] is None
    assert (nodes["cache"]["pods"], nodes["cache"]["meshed_pods"]) == (1, 0)


async def test_bare_pods_are_nodes_and_cost_questions_only_when_there_are_any(
    api_port, add, new_pod, answers
):
    await ask(api_port, "/api/graph")
    assert not any(" or " in text for text in answers.asked)
    add(new_pod("curl"))
    _, found = await ask(api_port, "/api/graph")
    assert by_ref(found["nodes"])["curl"]["ref"] == ["pod", "shop", "curl"]
    assert any(' or sum(increase(response_total{direction="outbound"' in q for q in answers.asked)


async def test_prometheus_reads_every_question(api_port, add, new_pod, answers, promtool, tmp_path):
    add(new_pod("curl"))
    target = {"kind": "deployment", "namespace": "shop", "name": "web"}
    for namespace in ("", "shop"):
        await ask(api_port, "/api/graph", totals="1", namespace=namespace)
    for path in ("/api/around", "/api/unmeshed", "/api/proxies"):
        await ask(api_port, path, **target)
    await ask(api_port, "/api/around", kind="service", namespace="shop", name="web")
    await ask(api_port, "/api/series", **target, **{"from": 100, "to": 130, "step": 10})
    rules = [{"record": f"q{number}", "expr": text} for number, text in enumerate(answers.asked)]
    file = tmp_path / "questions.json"
    file.write_text(json.dumps({"groups": [{"name": "questions", "rules": rules}]}))
    command = [promtool, "check", "rules", file]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


async def test_a_moment_of_the_past_is_asked_of_prometheus(api_port, answers):
    await ask(api_port, "/api/graph", at="1700000000")
    assert set(answers.moments) == {"1700000000.0"}
    status, found = await ask(api_port, "/api/graph", at="yesterday")
    assert status == 400
    assert "Unix seconds" in found["error"]


@pytest.mark.usefixtures("shop")
async def test_peers_of_one_object_are_told_by_their_side(api_port, answers):
    answers.samples = {
        r"response_total\{direction=.outbound.,dst_namespace=.shop.,dst_deployment=.web": [
            ({**UI, "classification": "success", "tls": "true"}, 60.0)
        ],
    }
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    _, found = await ask(api_port, "/api/around", **query)
    assert [(edge["src"], edge["dst"]) for edge in found["edges"]] == [
        (["deployment", "shop", "ui"], ["deployment", "shop", "web"])
    ]


async def test_a_span_has_as_many_values_as_moments(api_port, answers):
    answers.ranges = {
        "response_total": [({"classification": "success"}, {100: 30.0, 120: 60.0})],
        r"0\.95": [({}, {120: 7.0})],
    }
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    _, found = await ask(api_port, "/api/series", **query, **{"from": 100, "to": 130, "step": 10})
    assert found["times"] == [100, 110, 120, 130]
    assert found["series"]["rps"] == [0.5, None, 1.0, None]
    assert found["series"]["success"] == [1.0, None, 1.0, None]
    assert found["series"]["p95"] == [None, None, 7.0, None]
    status, refused = await ask(
        api_port, "/api/series", **query, **{"from": 0, "to": 1e6, "step": 1}
    )
    assert status == 400
    assert "longer step" in refused["error"]


@pytest.mark.usefixtures("shop")
async def test_proxies_tell_when_their_certificates_end(api_port, answers):
    answers.samples["identity_cert_expiration"] = [({"namespace": "shop", "pod": "web-1"}, 2e9)]
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    _, found = await ask(api_port, "/api/proxies", **query)
    assert [(entry["pod"], entry["expires"]) for entry in found["proxies"]] == [("web-1", 2e9)]
    _, every = await ask(api_port, "/api/proxies")
    assert [entry["pod"] for entry in every["proxies"]] == ["ui-1", "web-1"]


async def test_unproven_callers_are_told_apart_by_reason_and_port(api_port, answers):
    source = {"no_tls_reason": "no_tls_from_remote", "target_port": "8080"}
    answers.samples = {
        "response_total": [({**source, "classification": "success"}, 30.0)],
        "tcp_open_connections": [(source, 2.0)],
    }
    query = {"kind": "deployment", "namespace": "shop", "name": "web"}
    _, found = await ask(api_port, "/api/unmeshed", **query)
    assert found["sources"] == [
        {"reason": "no_tls_from_remote", "port": "8080", "tcp": 2, "rps": 0.5, "success": 1.0}
    ]


async def test_names_are_of_pods_and_of_what_the_cluster_lists(api_port, add, new_pod, objects):
    add(new_pod("web-1", owner=("Deployment", "web")))
    objects.lists["/api/v1/services"] = [{"metadata": {"namespace": "shop", "name": "web"}}]
    _, found = await ask(api_port, "/api/names")
    assert found["names"] == [
        ["deployment", "shop", "web"],
        ["pod", "shop", "web-1"],
        ["service", "shop", "web"],
    ]
