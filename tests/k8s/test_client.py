"""The client on a real port: errors become types, pages become one list, streams end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest

from tulle.k8s.client import ApiError, Client, Conflict, Gone, NotFound, Unreachable
from tulle.k8s.kubeconfig import Access

Answer = tuple[int, object]


class Server:
    """Answers each request with what `answers` says for its path and query."""

    def __init__(self) -> None:
        self.answers: Callable[[str], Answer] = lambda path: (404, {})
        self.seen: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.seen.append(head)
        status, content = self.answers(head.split(" ")[1])
        later = "Retry-After: 0\r\n" if status == 429 else ""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n".encode())
        writer.write(f"{later}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, Client]]:
    double = Server()
    listener = await asyncio.start_server(double.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, Client(Access(f"http://127.0.0.1:{port}", token="t")) as client:
        yield double, client


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (409, Conflict), (410, Gone)])
async def test_a_status_becomes_a_type(
    server: tuple[Server, Client], status: int, kind: type[Exception]
) -> None:
    double, client = server
    double.answers = lambda _: (status, {"reason": "R", "message": "the cause"})
    with pytest.raises(kind, match="the cause"):
        await client.get("/api/v1/pods")


async def test_who_is_put_off_comes_again(server: tuple[Server, Client]) -> None:
    double, client = server
    double.answers = lambda _: (429 if len(double.seen) < 3 else 200, {"message": "initializing"})
    await client.get("/api/v1/pods")
    assert len(double.seen) == 3
    double.answers = lambda _: (429, {"message": "initializing"})
    with pytest.raises(ApiError, match="initializing"):
        await client.get("/api/v1/pods")


async def test_pages_are_followed_and_kinds_filled_in(server: tuple[Server, Client]) -> None:
    double, client = server

    def page(path: str) -> Answer:
        last = "continue=more" in path
        meta = {} if last else {"continue": "more"}
        name = "second" if last else "first"
        items = [{"metadata": {"name": name}}]
        return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": items}

    double.answers = page
    pods = await client.list("/api/v1/pods", labelSelector="a=b")
    assert [pod["metadata"]["name"] for pod in pods] == ["first", "second"]
    assert {pod["kind"] for pod in pods} == {"Pod"}
    assert all("labelSelector=a%3Db" in head for head in double.seen)
    assert all("Bearer t" in head for head in double.seen)


async def test_a_stream_gives_each_line_and_ends(server: tuple[Server, Client]) -> None:
    double, client = server
    double.answers = lambda _: (200, b'{"type":"ADDED"}\n\n{"type":"DELETED"}\n')
    seen = [event["type"] async for event in client.stream("/api/v1/pods", watch=True)]
    assert seen == ["ADDED", "DELETED"]
    assert "watch=true" in double.seen[0]


async def test_no_answer_is_unreachable() -> None:
    async with Client(Access("http://127.0.0.1:1")) as client:
        with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1"):
            await client.get("/version")
