"""`tulle viz dashboard` goes on when web's pod is replaced. The API server is real, and so are its
port-forwards; the kubelet that it dials is played, as no node runs here."""

import asyncio
import contextlib
import os
import signal
import ssl
import struct
import sys
import time
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.server import serve

from tulle import names
from tulle.k8s.client import Conflict, NotFound
from tulle.k8s.portforward import DATA, ERROR, PROTOCOL

pytestmark = pytest.mark.apiserver

SOURCE = Path(__file__).resolve().parents[2] / "src"
NAMESPACE, NODE = "followed", "played"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
SECONDS = 60


class Kubelet:
    """Each pod's web answers with the pod's name; /wait is never answered."""

    async def __call__(self, connection):
        pod = connection.request.path.partition("?")[0].rpartition("/")[2]
        for channel in (DATA, ERROR):
            await connection.send(bytes([channel]) + struct.pack("<H", names.WEB_PORT))
        async for message in connection:
            if b" /wait " not in message:
                head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(pod)
                await connection.send(bytes([DATA]) + head + pod.encode())


@pytest_asyncio.fixture
async def kubelet(api, api_server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(api_server.pki / "kubelet.crt", api_server.pki / "kubelet.key")
    options = {"subprotocols": [PROTOCOL], "ssl": context}
    async with serve(Kubelet(), "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        await api.create("/api/v1/nodes", named(NODE))
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        await api.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
        yield
        await api.delete(f"/api/v1/nodes/{NODE}")


@pytest_asyncio.fixture
async def web(api, account, kubelet):
    """viz as far as the command sees it: a Service and one ready pod."""
    with contextlib.suppress(Conflict):
        await api.create("/api/v1/namespaces", named(NAMESPACE))
    await account(NAMESPACE, "default")
    port = {"port": names.WEB_PORT}
    selector = {names.VIZ_COMPONENT_LABEL: names.WEB}
    await api.create(
        SERVICES, {**named(names.WEB), "spec": {"ports": [port], "selector": selector}}
    )
    await start(api, "web-1")
    yield
    for path in (*(f"{PODS}/web-{number}" for number in (1, 2)), f"{SERVICES}/{names.WEB}"):
        with contextlib.suppress(NotFound):
            await api.delete(path, gracePeriodSeconds=0)


def named(name, labels=None):
    return {"metadata": {"name": name, "labels": labels or {}}}


async def start(api, name):
    container = {"name": "web", "image": "web"}
    labels = {names.VIZ_COMPONENT_LABEL: names.WEB}
    pod = {**named(name, labels), "spec": {"nodeName": NODE, "containers": [container]}}
    await api.create(PODS, pod)
    await become(api, name, ready=True)


async def become(api, name, *, ready):
    condition = {"type": "Ready", "status": str(ready)}
    status = {"phase": "Running", "conditions": [condition]}
    await api.patch(f"{PODS}/{name}/status", {"status": status}, "strategic")


class Dashboard:
    """The command, as a user runs it."""

    def __init__(self, process):
        self._process = process
        self.address = ""

    async def line(self):
        """The next one of its standard error."""
        async with asyncio.timeout(SECONDS):
            return (await self._process.stderr.readline()).decode().strip()

    async def begin(self):
        async with asyncio.timeout(SECONDS):
            told = (await self._process.stdout.readline()).decode()
        self.address = told.rpartition(" ")[2].strip()
        assert await self.line() == "press Ctrl-C to end"

    async def ask(self):
        async with httpx.AsyncClient(base_url=self.address, trust_env=False) as http:
            return (await http.get("/", timeout=SECONDS)).text

    async def end(self):
        async with asyncio.timeout(SECONDS):
            return await self._process.wait()

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)


@pytest_asyncio.fixture
async def dashboard(web, api_server):
    words = ["viz", "dashboard", "--show", "url", "-p", "0", "--address", "127.0.0.1"]
    words += ["--viz-namespace", NAMESPACE, "--kubeconfig", str(api_server.kubeconfig)]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tulle.cli.main",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    found = Dashboard(process)
    await found.begin()
    yield found
    if process.returncode is None:
        process.kill()
        await process.wait()


async def test_it_goes_on_with_the_next_pod_at_the_same_address(api, dashboard):
    assert await dashboard.ask() == "web-1"
    await start(api, "web-2")
    assert await dashboard.ask() == "web-1"  # which is as good as it was
    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(wait_for_ever(dashboard.address))
        await waiting_is_sent(dashboard)
        await api.delete(f"{PODS}/web-1", gracePeriodSeconds=0)
    assert waiting.result() == "ended"
    assert await dashboard.line() == (
        "the pod web-2 takes the place of web-1; the dashboard goes on at the same address"
    )
    assert await dashboard.ask() == "web-2"
    dashboard.interrupt()
    assert await dashboard.end() == 0


async def test_it_waits_for_a_pod_that_is_ready_again(api, dashboard):
    assert await dashboard.ask() == "web-1"
    await become(api, "web-1", ready=False)
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(until_told(dashboard))
        await become(api, "web-1", ready=True)
    assert asked.result() == "web-1"
    assert await dashboard.line() == (
        "the pod web-1 is ready again; the dashboard goes on at the same address"
    )


async def test_it_ends_when_its_service_is_gone(api, dashboard):
    assert await dashboard.ask() == "web-1"
    await api.delete(f"{SERVICES}/{names.WEB}")
    assert await dashboard.line() == (
        f"Error: the Service web in the namespace {NAMESPACE} is gone, and the dashboard with it; "
        "install it anew: tulle viz install | kubectl apply -f -"
    )
    assert await dashboard.end() == 1


async def wait_for_ever(address):
    async with httpx.AsyncClient(base_url=address, trust_env=False) as http:
        try:
            return (await http.get("/wait", timeout=None)).text
        except httpx.TransportError:
            return "ended"


async def waiting_is_sent(dashboard):
    """What was asked later has been answered."""
    for _ in range(3):
        await dashboard.ask()


async def until_told(dashboard):
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return await dashboard.ask()
        except httpx.TransportError:
            assert time.monotonic() < deadline
