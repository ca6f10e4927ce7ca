"""Tap and top in a browser: the stream, what it says, and who may read it."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from served_dashboard import Served, serving

from tulle.k8s.client import Forbidden
from tulle.proto import tap_pb2
from tulle.viz.tap.tally import Row, RowKey
from tulle.viz.tap.target import Target
from tulle.viz.web.http import Query, Refused
from tulle.viz.web.live import Live, Wanted, top_row

WEB = "/api/tap?namespace=shop&kind=deployment&name=web"
REQUEST = {"requestInitEvent": {"path": "/</script>"}}


class Taps:
    """Hands out what it is told to, and notices when it is left."""

    def __init__(self):
        self.wanted, self.refusal, self.left = [], None, asyncio.Event()

    async def tap(self, wanted):
        self.wanted.append(wanted)
        if self.refusal:
            raise self.refusal
        try:
            yield REQUEST
            yield {"responseEndEvent": {}}
            await asyncio.Event().wait()
        finally:
            self.left.set()

    async def top(self, wanted):
        self.wanted.append(wanted)
        yield [{"source": "ui", "count": 1}]


@pytest_asyncio.fixture
async def served(tmp_path):
    taps = Taps()
    async with (
        serving(Served(tmp_path, live=taps)) as found,
        httpx.AsyncClient(base_url=found.base, trust_env=False) as http,
    ):
        yield taps, http


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
        ("message", REQUEST),
        ("message", {"responseEndEvent": {}}),
    ]
    async with asyncio.timeout(10):
        await taps.left.wait()
    assert taps.wanted[0].target == Target("shop", "deployment", "web")


async def test_top_sends_rows_and_says_when_it_ends(served):
    _, http = served
    for path in ("/api/top?namespace=shop&kind=deployment", "/top.json?namespace=shop&kind=pod"):
        found = await events(http, path, 3)
        assert found[1][1] == [{"source": "ui", "count": 1}]
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


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
async def test_another_sites_page_reads_no_stream(served, headers, status):
    taps, http = served
    assert (await http.get(WEB, headers=headers)).status_code == status
    assert taps.wanted == []


async def test_our_own_page_does(served):
    _, http = served
    own = {"Origin": str(http.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    async with http.stream("GET", WEB, headers=own) as response:
        assert response.status_code == 200


def test_a_form_becomes_what_proxies_match():
    wanted = Wanted.of(
        Query(
            {
                "kind": "deployment",
                "namespace": "shop",
                "toKind": "deployment",
                "toNamespace": "shop",
                "toName": "cart",
                "method": "GET",
                "maxRps": "5000",
                "headers": "true",
            }
        )
    )
    assert wanted.filters.to == ("deployment", "cart")
    assert wanted.filters.max_rps == 100.0
    assert wanted.has_headers
    space = Wanted.of(Query({"kind": "namespace", "namespace": "shop"}))
    assert space.target == Target("shop", "namespace", "shop")
    with pytest.raises(Refused):
        Wanted.of(Query({"kind": "deployment"}))


def test_a_row_of_top_is_in_milliseconds():
    row = Row(RowKey("ui", "web", "GET", "/a"), 4, 900, 2500, 1_000_000, 3)
    assert top_row(row) == {
        "source": "ui",
        "destination": "web",
        "method": "GET",
        "path": "/a",
        "count": 4,
        "best": 0.9,
        "worst": 2.5,
        "last": 1000.0,
        "success": 0.75,
    }


def request(number):
    """The beginning and the end of one request, as a proxy tells them."""
    begin = tap_pb2.TapEvent(proxy_direction=tap_pb2.TapEvent.INBOUND)
    begin.http.request_init.id.stream = number
    begin.http.request_init.path = "/a"
    end = tap_pb2.TapEvent(proxy_direction=tap_pb2.TapEvent.INBOUND)
    end.http.response_end.id.stream = number
    end.http.response_end.since_request_init.nanos = 4_000_000
    return begin, end


class Recorded(Live):
    """Plays events, then waits until it is left."""

    def __init__(self, played, goes_on):
        self.played, self.goes_on = played, goes_on

    async def _events(self, wanted):
        for event in self.played:
            yield event
        if self.goes_on:
            await asyncio.Event().wait()


WANTED = Wanted(Target("shop", "deployment", "web"), None)


async def test_the_last_requests_of_a_burst_are_shown_though_no_other_follows():
    played = [event for number in range(5) for event in request(number)]
    async with asyncio.timeout(30):
        async for rows in Recorded(played, goes_on=True).top(WANTED):
            if rows and rows[0]["count"] == 5:
                break
    assert rows[0]["last"] == 4.0


async def test_top_ends_with_its_tap():
    shown = [rows async for rows in Recorded(list(request(1)), goes_on=False).top(WANTED)]
    assert len(shown) <= 2
