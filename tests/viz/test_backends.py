"""What each backend of a Service's routes answered, as metrics-api tells the dashboard."""

import asyncio
import json
import urllib.request

import pytest

from tests.viz.histogram import buckets

PARENT = {"route_group": "gateway.networking.k8s.io", "route_kind": "HTTPRoute"}
ROUTE = {**PARENT, "route_namespace": "shop", "route_name": "rollout"}
OLD = {"backend_namespace": "shop", "backend_name": "web-v1", "backend_port": "80"}
NEW = {**OLD, "backend_name": "web-v2"}


@pytest.fixture
def counted(answers):
    answers.samples = {
        r"increase\(outbound_http_route_backend_response_statuses": [
            ({**ROUTE, **OLD, "http_status": "200", "error": ""}, 54),
            ({**ROUTE, **NEW, "http_status": "200", "error": ""}, 3),
            ({**ROUTE, **NEW, "http_status": "503", "error": ""}, 3),
        ],
        "outbound_http_route_backend_response_duration": buckets(
            {**ROUTE, **NEW}, 200, 500, 900, unit=1000.0
        ),
    }
    return answers


def asked_of(port):
    address = f"http://127.0.0.1:{port}/api/backends?namespace=shop&name=web&window=60s"
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)["rows"]


async def test_each_backend_has_its_own_numbers(counted, api_port):
    old, new = await asyncio.to_thread(asked_of, api_port)
    assert (old["backend_name"], old["success"], old["rps"]) == ("web-v1", 1.0, 0.9)
    assert old["latency_ms_p99"] is None
    assert (new["backend_name"], new["success"], new["rps"]) == ("web-v2", 0.5, 0.1)
    assert new["latency_ms_p99"] == pytest.approx(900)
    assert {(row["route_kind"], row["route_name"]) for row in (old, new)} == {
        ("HTTPRoute", "rollout")
    }


async def test_only_the_routes_of_the_service_are_asked_for(counted, api_port):
    await asyncio.to_thread(asked_of, api_port)
    for query in counted.asked:
        assert 'parent_namespace="shop",parent_name="web"' in query
