"""The dashboard over real HTTP, with a metrics-api of the tests' own on a real port behind it."""

import asyncio
import json
import re
from urllib.parse import parse_qs

import httpx
import pytest
import pytest_asyncio

from tulle.serve import admin
from tulle.serve.admin import respond
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.metrics import Metrics

NUMBERS = {
    "success": 0.985,
    "rps": 4.25,
    "latency_ms_p50": 5.2,
    "latency_ms_p95": 18.0,
    "latency_ms_p99": 40.0,
    "tcp_open_connections": 6,
}
EDGE = {
    "src": "ui",
    "src_namespace": "shop",
    "dst": "web",
    "dst_namespace": "shop",
    "client_id": "ui.shop",
    "server_id": "web.shop",
    "no_tls_reason": "",
}


def row(name, numbers=None, **more):
    counts = {"meshed_pods": 1, "running_pods": 2}
    return {"namespace": "shop", "name": name, "numbers": numbers, **counts, **more}


class MetricsApi:
    """Answers by kind, and counts what it was asked."""

    def __init__(self):
        self.rows = {"deployment": [row("web", NUMBERS), row("ui")]}
        self.edges = [EDGE]
        self.routes = []
        self.asked, self.status = [], 200

    async def __call__(self, scope, receive, send):
        asked = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
        self.asked.append((scope["path"], asked))
        content = {"edges": self.edges}
        if scope["path"] == "/api/routes":
            await self._routes(send)
            return
        if scope["path"] == "/api/stat":
            rows = self.rows.get(asked["kind"], [])
            named = [found for found in rows if asked.get("name") in (None, found["name"])]
            content = {"kind": asked["kind"], "rows": named}
        if self.status != 200:
            content = {"error": "Prometheus does not answer"}
        await respond(send, self.status, json.dumps(content).encode(), "application/json")

    async def _routes(self, send):
        content = {"tables": self.routes} if self.routes else {"error": "web has no ServiceProfile"}
        status = 200 if self.routes else 400
        await respond(send, status, json.dumps(content).encode(), "application/json")


class Served:
    def __init__(self, api, port):
        self.api, self.base, self.now = api, f"http://localhost:{port}", 0.0

    async def get(self, path, **options):
        async with httpx.AsyncClient(base_url=self.base, trust_env=False) as http:
            return await http.get(path, **options)


@pytest_asyncio.fixture
async def served():
    stop, api = asyncio.Event(), MetricsApi()
    behind, front = admin.listen("127.0.0.1:0"), admin.listen("127.0.0.1:0")
    found = Served(api, front.getsockname()[1])
    base = f"http://127.0.0.1:{behind.getsockname()[1]}"
    async with (
        httpx.AsyncClient(base_url=base, trust_env=False) as http,
        asyncio.TaskGroup() as tasks,
    ):
        dashboard = Dashboard(
            Metrics(http, clock=lambda: found.now), host_pattern("tulle-viz", "cluster.local")
        )
        tasks.create_task(admin.serve_http(api, behind, stop))
        tasks.create_task(admin.serve_http(dashboard, front, stop))
        yield found
        stop.set()


def cells(page):
    """The text of every cell of a page's tables, row by row."""
    found = re.findall(r"<tr>(.*?)</tr>", page)
    return [re.findall(r"<t[hd][^>]*>(?:<a[^>]*>)?(.*?)(?:</a>)?</t[hd]>", line) for line in found]


async def test_a_list_shows_the_golden_metrics(served):
    answer = await served.get("/namespaces/shop/deployments")
    assert answer.status_code == 200
    assert cells(answer.text) == [
        ["Name", "Meshed", "Success", "RPS", "P50", "P95", "P99", "TCP"],
        ["web", "1/2", "98.50%", "4.2rps", "5ms", "18ms", "40ms", "6"],
        ["ui", "1/2", "-", "-", "-", "-", "-", "-"],
    ]
    assert 'href="/namespaces/shop/deployments/web"' in answer.text
    assert served.api.asked == [("/api/stat", {"kind": "deployment", "namespace": "shop"})]


async def test_an_object_shows_its_peers_and_whether_they_are_secured(served):
    answer = await served.get("/namespaces/shop/deployments/web")
    assert ["ui", "shop", "web", "shop", "√ mutual TLS"] in cells(answer.text)
    assert "Inbound from" in answer.text
    peer = {"from_kind": "deployment", "from_namespace": "shop", "from_name": "ui"}
    assert served.api.asked[-1][1].items() >= {**peer, "name": "web"}.items()


async def test_a_connection_that_is_not_secured_says_why(served):
    served.api.edges = [{**EDGE, "server_id": "", "no_tls_reason": "disabled"}]
    answer = await served.get("/edges")
    assert cells(answer.text)[1] == ["ui", "shop", "web", "shop", "Disabled"]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/namespaces", "namespace"), ("/pods", "pod"), ("/trafficsplits", "trafficsplit")],
)
async def test_an_empty_page_says_so(served, path, kind):
    answer = await served.get(path)
    assert answer.status_code == 200
    assert 'data-state="empty"' in answer.text
    assert served.api.asked[0][1]["kind"] == kind


async def test_a_failure_is_shown_in_words(served):
    served.api.status = 503
    answer = await served.get("/namespaces")
    assert answer.status_code == 502
    assert 'data-state="failed"' in answer.text
    assert "Prometheus does not answer" in answer.text


ROUTE = {
    "route": "GET /todos",
    "authority": "web",
    "effective_success": 1.0,
    "effective_rps": 1.9,
    "latency_ms_p50": 2.0,
    "latency_ms_p95": None,
    "latency_ms_p99": None,
}


async def test_a_service_shows_its_routes_or_why_it_has_none(served):
    served.api.rows = {"service": [row("web")]}
    without = await served.get("/namespaces/shop/services/web")
    assert without.status_code == 200
    assert "web has no ServiceProfile" in without.text
    served.now += 2.0
    served.api.routes = [{"resource": "service/web", "rows": [ROUTE]}]
    for path in ("/namespaces/shop/services/web", "/namespaces/shop/routes"):
        answer = await served.get(path)
        assert "Routes of service/web" in answer.text
        assert cells(answer.text)[-1] == ["GET /todos", "web", "100.00%", "1.9rps", "2ms", "-", "-"]


async def test_names_from_the_cluster_are_text_and_never_markup(served):
    served.api.rows = {"deployment": [row("<script>alert(1)</script>")]}
    answer = await served.get("/deployments")
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;" in answer.text


async def test_numbers_come_as_json_too_and_are_held_for_a_moment(served):
    for _ in range(3):
        answer = await served.get("/api/stat?kind=deployment&namespace=shop")
    assert answer.json()["rows"][0]["numbers"] == NUMBERS
    assert len(served.api.asked) == 1
    served.now += 2.0
    await served.get("/api/stat?kind=deployment&namespace=shop")
    assert len(served.api.asked) == 2


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
    assert (await served.get("/namespaces", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "webxtulle-viz.svc"])
async def test_another_name_is_refused(served, host):
    answer = await served.get("/api/stat?kind=deployment", headers={"Host": host})
    assert answer.status_code == 400
    assert served.api.asked == []


async def test_a_page_may_load_nothing_that_is_not_ours(served):
    answer = await served.get("/namespaces")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"https?://", answer.text) == []
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert (await served.get(path)).status_code == 200


async def test_what_is_no_page_is_not_found_and_nothing_is_written(served):
    for path in ("/nowhere", "/namespaces/shop/secrets", "/namespaces/..%2f", "/static/../app.py"):
        assert (await served.get(path)).status_code == 404, path
    async with httpx.AsyncClient(base_url=served.base, trust_env=False) as http:
        assert (await http.post("/namespaces")).status_code == 405
