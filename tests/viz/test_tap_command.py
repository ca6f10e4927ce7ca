"""`tulle viz tap` as a process, in each of its forms."""

import asyncio
import base64
import datetime
import json
import os
import signal
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tapped import exchange, serving

from tulle.viz.tap.har import MAX_OPEN, Archive

SOURCE = Path(__file__).resolve().parents[2] / "src"
FLOW = "proxy=in  src=10.0.0.1:5000 dst=10.0.0.2:80 tls=true"
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest_asyncio.fixture
async def tap(tmp_path):
    async with serving(tmp_path) as served:
        yield served


@pytest.fixture
def start(tap):
    async def begin(*words):
        environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "KUBECONFIG": str(tap.kubeconfig),
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tulle.cli.main", "viz", "tap", "deploy/web", *words),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return begin


async def test_three_lines_for_each_request(tap, start):
    tap.put(exchange(7, path="/todos", took="0.0015s", sinceResponseInit="0.000100s"))
    tap.events.put_nowait(None)
    process = await start()
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert out.decode() == (
        f"req id=1:7 {FLOW} :method=GET :authority=web.shop:80 :path=/todos\n"
        f"rsp id=1:7 {FLOW} :status=200 latency=1500µs\n"
        f"end id=1:7 {FLOW} duration=100µs response-length=2B\n"
    )


async def test_json_is_one_object_on_each_line(tap, start):
    tap.put(exchange(0, path="/a\nb"), exchange(1))
    tap.events.put_nowait(None)
    out, _ = await (await start("-o", "json")).communicate()
    events = [json.loads(line) for line in out.decode().splitlines()]
    kinds = ["requestInitEvent", "responseInitEvent", "responseEndEvent"]
    assert [next(kind for kind in kinds if kind in event) for event in events] == kinds * 2
    assert events[0]["requestInitEvent"]["path"] == "/a\nb"
    ((_, request),) = tap.asked
    assert request.extract_headers


async def test_a_jsonpath_picks_from_that(tap, start):
    tap.put(exchange(0, path="/a"))
    tap.events.put_nowait(None)
    path = "jsonpath={.requestInitEvent.path} {.source.metadata.pod}"
    out, _ = await (await start("-o", path)).communicate()
    assert out.decode() == "/a ui-1\n ui-1\n ui-1\n"


async def test_it_ends_after_so_many_seconds(tap, start):
    process = await start("--seconds", "1")
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"", b"")


async def test_an_archive_is_written_in_the_end(tap, start):
    tap.put(exchange(1), exchange(2), exchange(3)[:1])
    tap.events.put_nowait(None)
    out, err = await (await start("-o", "har")).communicate()
    entries = json.loads(out)["log"]["entries"]
    assert [entry["request"]["url"] for entry in entries] == ["http://web.shop:80/"] * 2
    assert err == b"2 requests; 1 that had not ended are left out\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_stopped_tap_leaves_a_whole_archive(tap, start, number):
    """By SIGTERM too, which is what `timeout` and scripts send."""
    process = await start("-o", "har")
    async with asyncio.timeout(60):
        await tap.is_asked.wait()
    process.send_signal(number)
    out, err = await process.communicate()
    assert process.returncode == 0, err
    assert json.loads(out)["log"]["entries"] == []
    assert err == b"0 requests\n"


def archived(*exchanges):
    archive = Archive()
    for events in exchanges:
        for event in events:
            archive.add(event, NOW)
    return archive.document()["log"]


def header(name, value):
    return {"name": name, "value": base64.b64encode(value.encode()).decode()}


def test_an_archive_has_what_har_asks_for():
    """Every field that HAR 1.2 requires, by its own list, with the types that it names."""
    log = archived(
        exchange(
            1,
            path="/todos",
            status=301,
            answered="0.0100s",
            took="0.0145s",
            headers=[header("host", "web.shop:80")],
            response_headers=[header("location", "/x"), header("content-type", "text/html")],
        )
    )
    assert log["version"] == "1.2"
    assert set(log["creator"]) == {"name", "version"}
    (entry,) = log["entries"]
    required = {"startedDateTime", "time", "request", "response", "cache", "timings"}
    assert required <= set(entry)
    assert all(key.startswith("_") for key in set(entry) - required - {"serverIPAddress"})
    assert set(entry["request"]) == {
        *("method", "url", "httpVersion", "cookies", "headers", "queryString"),
        *("headersSize", "bodySize"),
    }
    assert set(entry["response"]) == {
        *("status", "statusText", "httpVersion", "cookies", "headers", "content"),
        *("redirectURL", "headersSize", "bodySize"),
    }
    assert entry["startedDateTime"] == "2026-01-01T00:00:00.000+00:00"
    assert entry["request"]["url"] == "http://web.shop:80/todos"
    assert entry["request"]["headers"] == [{"name": "host", "value": "web.shop:80"}]
    response = entry["response"]
    assert (response["status"], response["redirectURL"]) == (301, "/x")
    assert response["content"] == {"size": 2, "mimeType": "text/html"}
    timings = entry["timings"]
    assert entry["time"] == pytest.approx(14.5)
    assert entry["time"] == sum(timings.values())
    assert (timings["wait"], timings["receive"]) == (10.0, pytest.approx(4.5))


def test_http2_is_known_by_its_pseudo_headers():
    (entry,) = archived(exchange(1, headers=[header(":method", "GET")]))["entries"]
    assert entry["request"]["httpVersion"] == entry["response"]["httpVersion"] == "HTTP/2"


def test_a_request_without_an_answer_says_why():
    request, _, end = exchange(1, eos={"resetErrorCode": 8})
    (entry,) = archived([request, end])["entries"]
    assert (entry["response"]["status"], entry["_error"]) == (0, "reset: 8")
    assert entry["time"] == entry["timings"]["wait"] == 2.0


def test_requests_that_never_end_do_not_pile_up():
    archive = Archive()
    for number in range(MAX_OPEN + 5):
        archive.add(exchange(number)[0], NOW)
    assert archive.unfinished == MAX_OPEN
