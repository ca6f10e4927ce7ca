"""The dashboard over real HTTP: who may ask, its files, and what its pages are told."""

import gzip
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from served_dashboard import NOW, Served, serving

WEB = "/api/workloads/deployment/shop/web"


@pytest_asyncio.fixture
async def served(tmp_path):
    async with serving(Served(tmp_path)) as found:
        yield found


def names(rows):
    return [row["name"] for row in rows]


# --- who may ask ---


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8084",
        "127.0.0.1",
        "[::1]:50750",
        "web.tulle-viz.svc",
        "web.tulle-viz.svc.cluster.local:8084",
    ],
)
async def test_it_answers_to_its_own_names(served, host):
    assert (await served.get("/api/namespaces", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "webxtulle-viz.svc"])
async def test_another_name_is_refused(served, host):
    for path in ("/api/workloads", "/", "/assets/x.js", "/api/tap?kind=deployment&namespace=shop"):
        answer = await served.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "--enforced-host" in answer.json()["hint"]
    assert served.shop.asked == []


async def test_nothing_is_written_but_profiles(served):
    assert (await served.request("POST", "/api/workloads")).status_code == 405
    assert (await served.request("PUT", "/api/workloads")).status_code == 405
    assert (await served.request("DELETE", "/api/profiles/shop/web")).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api/nothing",
        "/api/workloads/secret/shop/x",
        "/namespaces/shop/secrets",
        "/namespaces/..%2f",
        "/namespaces/shop/pods/x/y",
        "/assets/../app.py",
        "/assets/%2e%2e/app.py",
        "/assets/.hidden.js",
        "/index.htm.json",
    ],
)
async def test_what_is_nothing_is_not_found(served, path):
    (served.folder / "index.html").write_text("<title>Tulle</title>")
    assert (await served.get(path)).status_code == 404


# --- files ---


async def test_without_the_files_a_page_says_how_to_build_them(served):
    answer = await served.get("/topology")
    assert answer.status_code == 503
    assert "make web" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/topology", "/namespaces", "/namespaces/shop", "/deployments", "/top", "/tap"),
        *("/edges", "/routes", "/namespaces/shop/deployments"),
        "/namespaces/shop/deployments/web",
    ],
)
async def test_every_page_is_one_file_that_may_load_only_ours(served, path):
    (served.folder / "index.html").write_text("<title>Tulle</title>")
    answer = await served.get(path)
    assert (answer.status_code, answer.text) == (200, "<title>Tulle</title>")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


async def test_assets_are_kept_for_ever_and_sent_as_they_were_packed(served):
    folder = served.folder / "assets"
    folder.mkdir()
    (folder / "page-1a2b.js").write_text("plain")
    (folder / "page-1a2b.js.gz").write_bytes(gzip.compress(b"zipped"))
    (folder / "page-1a2b.js.br").write_bytes(b"brotli")
    path = "/assets/page-1a2b.js"
    plain = await served.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.text == "plain"
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
    zipped = await served.get(path, headers={"Accept-Encoding": "gzip"})
    assert (zipped.text, zipped.headers["vary"]) == ("zipped", "accept-encoding")
    better = await served.request("HEAD", path, headers={"Accept-Encoding": "gzip, br;q=1.0"})
    assert better.headers["content-encoding"] == "br"
    assert (await served.get(f"{path}.gz")).status_code == 404


# --- workloads ---


async def test_rows_carry_golden_metrics_and_null_where_nothing_is_known(served):
    rows = (await served.json("/api/workloads", kind="deployment", namespace="shop"))["rows"]
    assert names(rows) == ["cart", "legacy", "ui", "web"]
    web, legacy = rows[3], rows[1]
    assert (web["success"], web["rps"], web["p99"], web["tcp"]) == (0.985, 30.0, 25.0, 2)
    assert (web["pods"], web["meshed"], web["readBytes"]) == (3, 3, 27000.0)
    assert (legacy["rps"], legacy["p50"], legacy["meshed"]) == (None, None, 0)
    assert web["spark"] is None


async def test_sparklines_are_of_the_last_ten_minutes(served):
    await served.samples(6)
    rows = (await served.json("/api/workloads", namespace="shop"))["rows"]
    spark = rows[3]["spark"]
    assert spark["stepSeconds"] == 20
    assert spark["rps"] == [None] * 27 + [30.0] * 3
    assert len(spark["p99"]) == len(spark["success"]) == 30
    without = await served.json("/api/workloads", namespace="shop", spark="0")
    assert without["rows"][3]["spark"] is None


async def test_splits_pods_and_namespaces_have_their_own_fields(served):
    splits = (await served.json("/api/workloads", kind="trafficsplit"))["rows"]
    assert [(row["apex"], row["leaf"], row["weight"]) for row in splits] == [
        ("cart", "cart-v1", "90"),
        ("cart", "cart-v2", "10"),
    ]
    pods = (await served.json("/api/pods", namespace="infra"))["rows"]
    assert [(row["name"], row["status"]) for row in pods] == [
        ("logs-0", "Running"),
        ("ingress-0", "Running"),
    ]
    spaces = (await served.json("/api/namespaces"))["rows"]
    assert [(row["namespace"], row["name"]) for row in spaces] == [("", "infra"), ("", "shop")]


async def test_one_workload_tells_all_of_its_page(served):
    found = await served.json(WEB)
    assert found["row"]["rps"] == 30.0
    assert {row["name"]: row["rps"] for row in found["inbound"]} == {"report": 0.2, "ui": 30.0}
    assert {row["name"]: row["rps"] for row in found["outbound"]} == {"cart": 8.0, "legacy": 3.0}
    assert names(found["pods"]) == ["web-0", "web-1", "web-2"]
    assert [route["route"] for route in found["routes"]] == ["GET /items", "POST /orders"]
    assert (found["routes"][0]["service"], found["routes"][0]["namespace"]) == ("web", "shop")
    certificate = found["certificates"][0]
    assert certificate["notAfter"] == NOW + 20 * 3600
    assert certificate["state"] == "ok"
    assert certificate["proxyVersion"] == "0.1.0"
    identity = "default.shop.serviceaccount.identity.tulle.cluster.local"
    assert certificate["identity"] == identity
    plain = next(edge for edge in found["edges"] if edge["dst"]["name"] == "legacy")
    assert (plain["secured"], plain["serverId"]) == (False, "")
    assert plain["reason"] == "Not Provided By Service Discovery"


async def test_a_workload_without_routes_says_why_and_names_unmeshed_callers(served):
    found = await served.json("/api/workloads/deployment/shop/ui")
    assert found["routes"] == []
    assert "no ServiceProfile" in found["routesNotes"][0]
    assert found["unmeshedSources"][0]["reason"] == "no_tls_from_remote"


async def test_a_service_shows_who_calls_it_and_its_leaves(served):
    found = await served.json("/api/workloads/service/shop/cart")
    assert names(found["inbound"]) == ["web"]
    assert [row["leaf"] for row in found["leaves"]] == ["cart-v1", "cart-v2"]
    assert found["certificates"] == []


async def test_what_is_not_there_is_404(served):
    answer = await served.get("/api/workloads/deployment/shop/none")
    assert answer.status_code == 404
    assert "no deployment none" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/api/workloads?kind=secret", "kind"),
        ("/api/workloads?window=yesterday", "duration"),
        ("/api/workloads?at=noon", "Unix seconds"),
        ("/api/workloads?namespace=UP", "name of an object"),
        ("/api/history?kind=deployment&namespace=shop", "name the object"),
        ("/api/history?kind=edge&src=x&dst=y", "ID"),
        ("/api/history?kind=deployment&name=web&from=9e9&to=1", "before"),
        ("/api/tap?kind=service&namespace=shop", "API server"),
    ],
)
async def test_a_question_without_sense_is_refused_in_words(served, path, word):
    answer = await served.get(path)
    assert answer.status_code in (400, 503)
    assert word in answer.json()["error"]


async def test_without_metrics_api_every_answer_says_so(served):
    served.shop.state = "failing"
    for path in ("/api/workloads", WEB, "/api/edges", "/topology.json", "/api/search?q=web"):
        answer = await served.get(path)
        assert answer.status_code == 502
        assert "metrics-api does not answer" in answer.json()["error"]
    assert (await served.get("/api/session")).status_code == 200


async def test_every_page_answers_its_data_at_its_path(served):
    table = await served.json("/namespaces/shop/deployments.json")
    assert names(table["rows"]) == ["cart", "legacy", "ui", "web"]
    assert (await served.json("/namespaces/shop/deployments/web.json"))["row"]["name"] == "web"
    assert "health" in await served.json("/index.json")
    assert (await served.json("/topology.json", namespace="infra"))["nodes"]
    assert (await served.json("/edges.json"))["edges"]
    assert (await served.json("/routes.json"))["rows"]
    space = await served.json("/namespaces/shop.json")
    assert names(space["kinds"]["statefulset"]) == ["db"]
    assert "daemonset" not in space["kinds"]
    assert len(space["edges"]) == 6


async def test_routes_of_a_namespace_or_why_there_are_none(served):
    found = await served.json("/api/routes", namespace="shop", to="shop/web")
    assert [row["route"] for row in found["rows"]] == ["GET /items", "POST /orders"]
    assert served.shop.asked[-1][1]["to_name"] == "web"
    none = await served.json("/api/routes", namespace="infra")
    assert (none["rows"], len(none["notes"])) == ([], 1)


async def test_search_finds_by_words_kinds_and_namespaces(served):
    async def found(text):
        results = (await served.json("/api/search", q=text))["results"]
        return [f"{item['kind']}/{item['namespace']}/{item['name']}" for item in results]

    assert (await found("we"))[:2] == ["deployment/shop/web", "service/shop/web"]
    assert await found("svc cart") == ["service/shop/cart"]
    assert await found("infra/ ing") == ["deployment/infra/ingress", "pod/infra/ingress-0"]
    assert await found("deploy ui") == ["deployment/shop/ui"]
    assert await found("") == []
    assert len([path for path, _ in served.shop.asked if path == "/api/names"]) == 1


async def test_the_session_tells_what_may_be_done(served):
    found = await served.json("/api/session")
    assert found["can"] == {"tap": False, "editProfiles": False}
    assert found["scrapeSeconds"] == 10.0
    assert found["history"]["from"] is None
    await served.samples(2)
    assert (await served.json("/api/session"))["history"]["series"] == 17


async def test_long_answers_are_zipped_for_those_who_can_read_it(served):
    zipped = await served.get("/api/pods", headers={"Accept-Encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    plain = await served.get("/api/pods", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == zipped.json()
