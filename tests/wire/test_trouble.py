"""Discovery when its connection to the API server breaks, and readers that do not read."""

import asyncio
import contextlib

import pytest
import yaml
from discovery import running

pytestmark = pytest.mark.apiserver


class Relay:
    """A TCP relay to the API server whose connections can be cut."""

    def __init__(self, host, port):
        self.target = host, port
        self.is_open = True
        self._writers = set()

    async def serve(self, reader, writer):
        if not self.is_open:
            writer.close()
            return
        onward = await asyncio.open_connection(*self.target)
        self._writers |= {writer, onward[1]}
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._copy(reader, onward[1]))
                tasks.create_task(self._copy(onward[0], writer))

    @staticmethod
    async def _copy(reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self):
        self.is_open = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@contextlib.asynccontextmanager
async def relayed(kubeconfig, folder):
    """A kubeconfig that leads through a relay."""
    content = yaml.safe_load(kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    host, _, port = cluster["server"].removeprefix("https://").rpartition(":")
    relay = Relay(host, int(port))
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    cluster["server"] = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    path = folder / "relayed.kubeconfig"
    path.write_text(yaml.safe_dump(content))
    try:
        yield relay, path
    finally:
        relay.cut()
        server.close()


PORTS = [{"name": "http", "port": 8080, "protocol": "TCP"}]


async def test_what_changed_while_the_watch_was_broken_is_told_after(cluster, api_server, tmp_path):
    await cluster.service("web", [{"name": "http", "port": 80}])
    await cluster.pod("web-1", "10.3.0.1")
    await cluster.pod("web-2", "10.3.0.2")
    await cluster.slice("web", PORTS, [cluster.endpoint("web-1", "10.3.0.1")])
    async with (
        relayed(api_server.kubeconfig, tmp_path) as (relay, kubeconfig),
        running(kubeconfig) as discovery,
    ):
        stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
        await stream.until(lambda update: len(update.add.addrs) == 1)
        relay.cut()
        await cluster.slice("web", PORTS, [cluster.endpoint("web-2", "10.3.0.2")])
        relay.is_open = True
        added, removed = await stream.next(), await stream.next()
    assert added.add.addrs[0].metric_labels["pod"] == "web-2"
    assert len(removed.remove.addrs) == 1


async def test_a_reader_that_does_not_read_delays_nobody_and_catches_up(cluster, discovery):
    await cluster.service("web", [{"name": "http", "port": 80}])
    for number in range(1, 9):
        await cluster.pod(f"web-{number}", f"10.4.0.{number}")
    name = f"web.{cluster.namespace}.svc.cluster.local:80"
    slow, quick = discovery.get(name), discovery.get(name)
    await quick.next()
    held = set()

    def hear(update):
        held.update(entry.metric_labels["pod"] for entry in update.add.addrs)

    for number in range(1, 9):
        endpoints = [cluster.endpoint(f"web-{n}", f"10.4.0.{n}") for n in range(1, number + 1)]
        await cluster.slice("web", PORTS, endpoints)
        await quick.until(
            lambda update, name=f"web-{number}": any(
                entry.metric_labels["pod"] == name for entry in update.add.addrs
            )
        )
    while len(held) < 8:
        hear(await slow.next())
