"""What discovery may cost: memory at rest and per stream, and the time of one update."""

import statistics
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.apiserver, pytest.mark.slow]

STREAMS = 500
UPDATES = 21
PORTS = [{"name": "http", "port": 8080, "protocol": "TCP"}]


def anonymous_kib(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1])
    raise AssertionError("the kernel tells no RssAnon")


async def test_memory_at_rest_and_for_each_stream(cluster, discovery):
    await cluster.service("web", [{"name": "http", "port": 80}])
    await cluster.pod("web-1", "10.5.0.1")
    await cluster.slice("web", PORTS, [cluster.endpoint("web-1", "10.5.0.1")])
    name = f"web.{cluster.namespace}.svc.cluster.local:80"
    await discovery.get(name).until(lambda update: update.add.addrs)
    before = anonymous_kib(discovery.pid)
    assert before <= 45 * 1024
    streams = [discovery.get(name) for _ in range(STREAMS)]
    for stream in streams:
        await stream.next()
    assert (anonymous_kib(discovery.pid) - before) / STREAMS <= 32


async def test_an_update_reaches_a_stream_at_once(cluster, discovery):
    await cluster.service("web", [{"name": "http", "port": 80}])
    pods = [(f"web-{number}", f"10.6.0.{number}") for number in range(1, 11)]
    for pod, address in pods:
        await cluster.pod(pod, address)
    endpoints = [cluster.endpoint(*pod) for pod in pods]
    await cluster.slice("web", PORTS, endpoints)
    stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
    await stream.until(lambda update: len(update.add.addrs) == len(pods))
    delays = []
    for number in range(UPDATES):
        await cluster.slice("web", PORTS, endpoints[: -1 if number % 2 == 0 else None])
        accepted = time.monotonic()
        await stream.next()
        delays.append((time.monotonic() - accepted) * 1000)
    assert statistics.median(delays) <= 15
