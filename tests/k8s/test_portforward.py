"""Forwarded ports against a kubelet's protocol, spoken by a server of the test on a real port."""

import asyncio
import struct

import httpx
import pytest
from websockets.asyncio.server import serve

from tulle.k8s.client import Client, NotFound
from tulle.k8s.kubeconfig import Access
from tulle.k8s.portforward import PROTOCOL, forwarded


class Kubelet:
    """Answers each forwarded HTTP request with its own path; port 1 is closed."""

    def __init__(self):
        self.ports = []

    async def __call__(self, connection):
        port = int(connection.request.path.rpartition("=")[2])
        self.ports.append(port)
        for channel in (0, 1):
            await connection.send(bytes([channel]) + struct.pack("<H", port))
        async for message in connection:
            assert message[0] == 0
            if port == 1:
                await connection.send(b"\x01connection refused")
                continue
            path = message[1:].split()[1]
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(path)
            await connection.send(b"\x00" + head)
            await connection.send(b"\x00" + path)


@pytest.fixture
def kubelet():
    return Kubelet()


@pytest.fixture
async def client(kubelet):
    def only_known_pods(connection, request):
        known = request.path.startswith("/api/v1/namespaces/shop/pods/web/portforward?")
        return None if known else connection.respond(404, '{"message": "pods not found"}')

    async with serve(
        kubelet, "127.0.0.1", 0, subprotocols=[PROTOCOL], process_request=only_known_pods
    ) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(Access(f"http://127.0.0.1:{port}")) as made:
            yield made


async def test_requests_reach_the_pod(client, kubelet):
    async with (
        forwarded(client, "shop", "web", 4191) as forward,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{forward.port}", trust_env=False) as http,
    ):
        answers = await asyncio.gather(*(http.get(f"/{number}") for number in range(5)))
    assert [answer.text for answer in answers] == [f"/{number}" for number in range(5)]
    assert set(kubelet.ports) == {4191}


async def test_a_closed_port_says_why(client):
    async with forwarded(client, "shop", "web", 1) as forward:
        async with httpx.AsyncClient(trust_env=False) as http:
            with pytest.raises(httpx.HTTPError):
                await http.get(f"http://127.0.0.1:{forward.port}/")
        assert forward.failure == "connection refused"


async def test_a_pod_that_is_not_there(client):
    with pytest.raises(NotFound, match="pods not found"):
        async with forwarded(client, "shop", "nobody", 4191):
            pass


async def test_the_block_ends_although_a_connection_is_open(client):
    async with forwarded(client, "shop", "web", 4191) as forward:
        reader, writer = await asyncio.open_connection("127.0.0.1", forward.port)
        writer.write(b"GET /a HTTP/1.1\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    while await reader.read(100):
        pass
    writer.close()
