"""metrics-api over its HTTP interface."""

import httpx
import pytest
import pytest_asyncio


@pytest_asyncio.fixture
async def api(api_port):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{api_port}") as client:
        yield client


EDGE = {
    "namespace": "shop",
    "dst_namespace": "shop",
    "deployment": "web",
    "dst_deployment": "cart",
    "pod": "web-1",
}
CART = "cart.shop.serviceaccount.identity.tulle.cluster.local"


async def test_edges_tell_both_identities_or_the_reason(api, answers, add, new_pod):
    add(new_pod("web-1"))
    plain = {**EDGE, "dst_deployment": "old", "no_tls_reason": "not_provided_by_service_discovery"}
    answers.samples = {"tcp_open_connections": [({**EDGE, "server_id": CART}, 2), (plain, 1)]}
    found = (await api.get("/api/edges", params={"kind": "deployment", "namespace": "shop"})).json()
    assert found["edges"] == [
        {
            "src": "web", "src_namespace": "shop", "dst": "cart", "dst_namespace": "shop",
            "client_id": "web-1-account.shop", "server_id": "cart.shop", "no_tls_reason": "",
        },
        {
            "src": "web", "src_namespace": "shop", "dst": "old", "dst_namespace": "shop",
            "client_id": "", "server_id": "",
            "no_tls_reason": "Not Provided By Service Discovery",
        },
    ]  # fmt: skip


async def test_edges_have_either_end_in_the_namespace(api, answers, objects):
    scrape = {**EDGE, "namespace": "tulle-viz", "deployment": "prometheus", "server_id": CART}
    elsewhere = {**EDGE, "namespace": "bank", "dst_namespace": "bank", "server_id": CART}
    answers.samples = {"tcp_open_connections": [(scrape, 1), (elsewhere, 1)]}
    found = (await api.get("/api/edges", params={"kind": "deployment", "namespace": "shop"})).json()
    assert [edge["src"] for edge in found["edges"]] == ["prometheus"]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"kind": "link"}, "no metrics of the kind link"),
        ({"kind": "service", "to_kind": "pod"}, "a service sends nothing"),
        ({"kind": "pod", "from_kind": "service"}, "a service sends nothing"),
        ({"kind": "pod", "to_kind": "pod", "from_kind": "pod"}, "not both"),
        ({"kind": "pod", "window": "soon"}, "a duration is a number"),
        ({"kind": "pod", "namespace": "nowhere"}, "the namespace nowhere does not exist"),
    ],
    ids=lambda value: str(value),
)
async def test_a_question_without_sense_is_refused_in_words(api, query, text):
    response = await api.get("/api/stat", params=query)
    assert response.status_code == 400
    assert text in response.json()["error"]


async def test_a_prometheus_that_is_down_is_named(api, answers):
    answers.status = 503
    response = await api.get("/api/stat", params={"kind": "pod"})
    assert response.status_code == 503
    assert "Prometheus at http://prometheus:9090" in response.json()["error"]


async def test_check_compares_meshed_and_scraped(api, answers, add, new_pod):
    add(new_pod("a"))
    add(new_pod("b"))
    add(new_pod("c", meshed=False))
    up = ({"namespace": "shop", "pod": "a"}, 1)
    answers.samples = {r"sum\(up": [up], "issuer_cert_ttl": [({}, 3600.0)]}
    assert (await api.get("/api/check")).json() == {
        "meshed_pods": 2,
        "scraped_proxies": 1,
        "unreached": ["shop/b"],
        "scrape_interval": "10s",
        "issuer_seconds_left": 3600.0,
    }


async def test_targets_are_a_list_as_prometheus_wants_it(api, add, new_pod):
    add(new_pod("a"))
    response = await api.get("/targets")
    assert response.headers["content-type"] == "application/json"
    assert [group["targets"] for group in response.json()] == [["10.1.0.7:4191"]]


async def test_pods_tell_their_owners(api, add, new_pod):
    add(new_pod("a", owner=("StatefulSet", "db")))
    (found,) = (await api.get("/api/pods", params={"namespace": "shop"})).json()["pods"]
    assert found["is_meshed"] is True
    assert found["owners"] == ["statefulset/db"]


async def test_nothing_else_is_served(api):
    assert (await api.get("/api/secrets")).status_code == 404
    assert (await api.post("/api/stat")).status_code == 405
