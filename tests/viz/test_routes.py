"""Routes of ServiceProfiles, over the HTTP interface and as the command prints them."""

import json

import httpx
import pytest

from tests.viz.histogram import buckets

CART = "cart.shop.svc.cluster.local"
SERVICE = {"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"selector": {"app": "cart"}}}


@pytest.fixture
def shop(objects, add, new_pod):
    """The Service cart with a profile of two routes, and a pod behind it."""
    routes = [{"name": "GET /items"}, {"name": "POST /items"}]
    profile = {"metadata": {"name": CART, "namespace": "shop"}, "spec": {"routes": routes}}
    objects.lists["/apis/linkerd.io/v1alpha2/serviceprofiles"] = [profile]
    objects.lists["/api/v1/namespaces/shop/services"] = [SERVICE]
    owner, mark = ("ReplicaSet", "cart-abc"), {"pod-template-hash": "abc", "app": "cart"}
    add(new_pod("cart-abc-1", owner=owner, **mark))


@pytest.fixture
def counted(answers):
    """Half of the attempts fail and are tried again, so that every answer is a success."""
    key = {"rt_route": "GET /items", "dst": f"{CART}:8080"}
    answers.samples = {
        r"increase\(route_response_total": [({**key, "classification": "success"}, 60)],
        r"increase\(route_actual_response_total": [
            ({**key, "classification": "success"}, 60),
            ({**key, "classification": "failure"}, 60),
        ],
        "latency_ms_bucket": buckets(key, 12, 20, 30),
    }


@pytest.fixture
def ask(api_port):
    async def run(**params):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}") as client:
            return await client.get("/api/routes", params={"namespace": "shop", **params})

    return run


async def test_a_service_is_counted_by_its_clients(shop, counted, answers, ask):
    (found,) = (await ask(kind="service", name="cart")).json()["tables"]
    assert found["resource"] == "service/cart"
    assert [row["route"] for row in found["rows"]] == ["GET /items", "POST /items", "[DEFAULT]"]
    first, second, _ = found["rows"]
    assert (first["effective_success"], first["effective_rps"]) == (1.0, 1.0)
    assert (first["actual_success"], first["actual_rps"]) == (0.5, 2.0)
    assert first["latency_ms_p50"] == 12
    assert second["effective_rps"] is None
    assert all('direction="outbound"' in query for query in answers.asked)


async def test_a_workload_is_counted_by_itself_under_its_services_names(shop, answers, ask):
    (found,) = (await ask(kind="deployment", name="cart")).json()["tables"]
    assert [row["authority"] for row in found["rows"]] == [CART] * 3
    query = next(query for query in answers.asked if "route_response_total" in query)
    assert 'direction="inbound"' in query
    assert 'deployment="cart"' in query
    assert 'dst=~"(cart\\\\.shop' in query


async def test_to_is_counted_at_the_source(shop, answers, ask):
    found = await ask(
        kind="deployment", name="web", to_kind="service", to_name="cart", to_namespace="shop"
    )
    assert found.status_code == 200
    assert 'direction="outbound"' in answers.asked[0]
    assert 'deployment="web"' in answers.asked[0]


async def test_all_of_a_kind_are_those_with_a_profile(shop, objects, ask):
    other = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {}}
    objects.lists["/api/v1/namespaces/shop/services"] = [SERVICE, other]
    tables = (await ask(kind="service")).json()["tables"]
    assert [item["resource"] for item in tables] == ["service/cart"]


async def test_without_a_profile_it_says_how_to_make_one(objects, ask):
    found = await ask(kind="service", name="cart")
    assert found.status_code == 400
    assert f"there is no ServiceProfile of {CART}" in found.json()["error"]
    assert "tulle profile" in found.json()["error"]


@pytest.fixture
def gateway(objects, answers):
    """An HTTPRoute from another namespace and a GRPCRoute on cart; no ServiceProfile."""
    objects.lists["/api/v1/namespaces/shop/services"] = [SERVICE]
    parents = {
        "httproutes": {"kind": "Service", "group": "core", "name": "cart", "namespace": "shop"},
        "grpcroutes": {"kind": "Service", "group": "", "name": "cart"},
    }
    for plural, parent in parents.items():
        namespace = "web" if plural == "httproutes" else "shop"
        other = {"kind": "Gateway", "name": "cart"}
        items = [
            {"metadata": {"name": name, "namespace": namespace}, "spec": {"parentRefs": refs}}
            for name, refs in ((plural[:4], [parent]), ("foreign", [other]))
        ]
        objects.lists[f"/apis/gateway.networking.k8s.io/v1/{plural}"] = items
    key = {"parent_namespace": "shop", "parent_name": "cart", "route_kind": "HTTPRoute"}
    key["route_name"] = "http"
    answers.samples = {
        r"increase\(outbound_http_route_request_statuses": [({**key, "http_status": "200"}, 60)],
        r"increase\(outbound_http_route_backend_response": [
            ({**key, "http_status": "200"}, 60),
            ({**key, "http_status": "500"}, 60),
        ],
        "outbound_http_route_request_duration": buckets(key, 12, 20, 30, unit=1000.0),
        r"increase\(response_total": [
            (
                {
                    "srv_name": "web-http",
                    "route_kind": "HTTPRoute",
                    "route_name": "read",
                    "classification": "success",
                },
                120,
            )
        ],
    }


async def test_routes_of_the_gateway_api(gateway, viz, ask):
    code, out, _ = await viz("routes", "deploy/web", "--to", "svc/cart", "-n", "shop", "-o", "wide")
    assert code == 0
    assert out == (
        "ROUTE   SERVICE   EFFECTIVE_SUCCESS   EFFECTIVE_RPS   ACTUAL_SUCCESS   ACTUAL_RPS"
        "   LATENCY_P50   LATENCY_P95   LATENCY_P99\n"
        "grpc    cart                      -               -                -            -"
        "             -             -             -\n"
        "http    cart                100.00%          1.0rps           50.00%       2.0rps"
        "          12ms          20ms          30ms\n"
    )
    (found,) = (await ask(kind="service", name="cart")).json()["tables"]
    assert [row["kind"] for row in found["rows"]] == ["GRPCRoute", "HTTPRoute"]
    assert {row["authority"] for row in found["rows"]} == {CART}


async def test_routes_of_servers_are_counted_where_they_arrive(gateway, viz):
    _, out, _ = await viz("routes", "deploy/web", "-n", "shop")
    assert out.splitlines()[1].split() == [
        *("read", "server/web-http", "100.00%", "2.0rps", "-", "-", "-"),
    ]


async def test_a_profile_and_routes_stand_together(shop, gateway, ask):
    (found,) = (await ask(kind="service", name="cart")).json()["tables"]
    assert [(row["route"], row["kind"]) for row in found["rows"]] == [
        ("GET /items", "ServiceProfile"),
        ("POST /items", "ServiceProfile"),
        ("[DEFAULT]", "ServiceProfile"),
        ("grpc", "GRPCRoute"),
        ("http", "HTTPRoute"),
    ]


async def test_the_table_and_its_wide_form(shop, counted, viz):
    code, out, _ = await viz("routes", "svc/cart", "-n", "shop")
    header, row, *_ = out.splitlines()
    assert code == 0
    assert header.split() == [
        "ROUTE", "SERVICE", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99",
    ]  # fmt: skip
    assert row.split()[2:] == ["cart", "100.00%", "1.0rps", "12ms", "20ms", "30ms"]
    _, wide, _ = await viz("routes", "deploy/web", "--to", "svc/cart", "-n", "shop", "-o", "wide")
    assert wide.splitlines()[1].split()[3:7] == ["100.00%", "1.0rps", "50.00%", "2.0rps"]


async def test_json_is_a_map_of_objects(shop, counted, viz):
    _, out, _ = await viz("routes", "svc/cart", "-n", "shop", "-o", "json")
    first = json.loads(out)["service/cart"][0]
    assert first == {
        "route": "GET /items",
        "authority": CART,
        "success": 1.0,
        "rps": 1.0,
        "latency_ms_p50": 12,
        "latency_ms_p95": 20,
        "latency_ms_p99": 30,
    }


async def test_wide_needs_to(viz):
    code, _, err = await viz("routes", "svc/cart", "-o", "wide")
    assert code == 1
    assert "give --to" in err


async def test_dashes_say_where_the_numbers_are(shop, viz):
    code, out, err = await viz("routes", "deploy/cart", "-n", "shop")
    assert code == 0
    assert out.count("\n") == 4
    assert "ask for a Service" in err
