"""Tap and top in a browser: the form, the stream, and who may read it."""

import asyncio
import json

import httpx
import pytest
import pytest_asyncio

from tulle.k8s.client import Forbidden
from tulle.serve import admin
from tulle.viz.tap.tally import Row, RowKey
from tulle.viz.tap.target import Target
from tulle.viz.web.app import Dashboard, host_pattern
from tulle.viz.web.live import BadQuery, Wanted, top_cells
from tulle.viz.web.metrics import Metrics

WEB = "/api/tap?namespace=shop&kind=deployment&name=web"


class Taps:
    """Hands out what it is told to, and notices when it is left."""

    def __init__(self):
        self.wanted, self.refusal, self.left = [], None, asyncio.Event()

    async def tap(self, wanted):
        self.wanted.append(wanted)
        if self.refusal:
            raise self.refusal
        try:
            yield "req id=0:0 </script>"
            yield "end id=0:0"
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def top(self, wanted):
        self.wanted.append(wanted)
        yield [["ui", "web", "GET", "/", "1", "1ms", "1ms", "1ms", "100.00%"]]


@pytest_asyncio.fixture
async def served():
    stop, taps = asyncio.Event(), Taps()
    listener = admin.listen("127.0.0.1:0")
    base = f"http://localhost:{listener.getsockname()[1]}"
    async with (
        httpx.AsyncClient(base_url=base, trust_env=False) as http,
        asyncio.TaskGroup() as tasks,
    ):
        hosts = host_pattern("tulle-viz", "cluster.local")
        dashboard = Dashboard(Metrics(http), hosts, taps)
        tasks.create_task(admin.serve_http(dashboard, listener, stop))
        yield taps, http
        stop.set()


async def events(http, path, count):
    """The first events of a stream: kind and content."""
    found, kind = [], ""
    async with http.stream("GET", path) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                found.append((kind, json.loads(value)))
            if len(found) == count:
                break
    return found


async def test_events_reach_the_browser_and_end_when_it_leaves(served):
    taps, http = served
    assert await events(http, WEB, 3) == [
        ("open", None),
        ("message", "req id=0:0 </script>"),
        ("message", "end id=0:0"),
    ]
    async with asyncio.timeout(10):
        await taps.left.wait()
    assert taps.wanted[0].target == Target("shop", "deployment", "web")


async def test_top_sends_rows_and_says_when_it_ends(served):
    _, http = served
    found = await events(http, "/api/top?namespace=shop&kind=deployment", 3)
    assert found[1][1][0][:2] == ["ui", "web"]
    assert found[2] == ("failed", "the tap ended")


async def test_a_refusal_is_told_in_the_stream(served):
    taps, http = served
    taps.refusal = Forbidden(403, "Forbidden", "web may not tap", "/")
    assert (await events(http, WEB, 2))[1] == ("failed", "web may not tap")


@pytest.mark.parametrize("query", ["", "?namespace=shop", "?namespace=shop&kind=service"])
async def test_what_cannot_be_tapped_is_refused(served, query):
    taps, http = served
    assert (await http.get(f"/api/tap{query}")).status_code == 400
    assert taps.wanted == []


async def test_another_name_reads_no_stream(served):
    taps, http = served
    answer = await http.get(WEB, headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert taps.wanted == []


async def test_the_page_shows_the_same_command_and_keeps_what_was_typed(served):
    _, http = served
    empty = await http.get("/tap")
    assert 'id="live"' not in empty.text
    typed = {"namespace": "shop", "kind": "statefulset", "name": "db", "path": "/<b>&x"}
    page = (await http.get("/top", params=typed)).text
    assert "tulle viz top statefulset/db -n shop --path &#x27;/&lt;b&gt;&amp;x&#x27;" in page
    assert "<option selected>statefulset</option>" in page
    assert 'value="/&lt;b&gt;&amp;x"' in page
    assert 'data-stream="/api/top"' in page


def test_a_namespace_is_its_own_name():
    assert Wanted.of({"kind": "namespace", "namespace": "shop"}).target == Target(
        "shop", "namespace", "shop"
    )
    with pytest.raises(BadQuery):
        Wanted.of({"kind": "deployment"})


def test_cells_of_top_read_as_in_a_terminal():
    row = Row(RowKey("ui", "web", "GET", "/a"), 4, 900, 2500, 1_000_000, 3)
    assert top_cells(row) == ["ui", "web", "GET", "/a", "4", "900µs", "2ms", "1s", "75.00%"]
