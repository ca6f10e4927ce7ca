"""The admin port over a real socket."""

import asyncio
import contextlib

import httpx
import pytest

from tulle.serve import admin


@contextlib.asynccontextmanager
async def running(not_ready):
    stop = asyncio.Event()
    listener = admin.listen("127.0.0.1:0")
    host, port = listener.getsockname()[:2]
    async with (
        asyncio.TaskGroup() as tasks,
        httpx.AsyncClient(base_url=f"http://{host}:{port}") as c,
    ):
        tasks.create_task(admin.serve(not_ready, listener, stop))
        yield c
        stop.set()


async def test_ready_says_why_it_is_not():
    reasons = ["pods were never listed", None]
    async with running(lambda: reasons[0]) as client:
        refused = await client.get("/ready")
        reasons.pop(0)
        allowed = await client.get("/ready")
    assert (refused.status_code, refused.text) == (503, "not ready: pods were never listed\n")
    assert allowed.status_code == 200


async def test_ping_live_metrics_and_the_rest():
    async with running(lambda: None) as client:
        paths = "/ping", "/live", "/metrics", "/other"
        answers = [await client.get(path) for path in paths]
        posted = await client.post("/ping")
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404]
    assert "process_resident_memory_bytes" in answers[2].text
    assert posted.status_code == 405


@pytest.mark.parametrize(
    ("text", "address"),
    [(":8086", ("", 8086)), ("[::1]:1", ("::1", 1)), ("127.0.0.1:2", ("127.0.0.1", 2))],
)
def test_addresses(text, address):
    assert admin.split_address(text) == address


def test_an_address_without_a_port_is_refused():
    with pytest.raises(ValueError, match="give \\[HOST\\]:PORT"):
        admin.split_address("localhost")


async def test_a_connection_is_kept_and_ends_with_the_component():
    async with running(lambda: None) as client:
        reached = []
        for path in ("/ping", "/live"):
            answer = await client.get(path)
            stream = answer.extensions["network_stream"]
            reached.append(stream.get_extra_info("client_addr"))
        assert reached[0] == reached[1]
        head = await client.head("/ping")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")


async def test_what_is_no_http_is_refused_and_the_connection_closed():
    stop, listener = asyncio.Event(), admin.listen("127.0.0.1:0")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(admin.serve(lambda: None, listener, stop))
        reader, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        stop.set()
