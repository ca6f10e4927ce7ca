"""From an EndpointSlice's change at the API server to its arrival on Destination.Get streams.

Usage: python bench/convergence.py [--changes N] [--subscribers N]; on the cluster of the current
kubeconfig, whose pods this machine must reach (as with `tulle local`). A Service without selector
gets a slice of ours, so no controller but ours takes part. The clock starts when the API server
has answered our write. Prints one JSON object, milliseconds.
"""

import argparse
import asyncio
import datetime as dt
import json
import statistics
import time
from typing import Any

import grpc

from tulle.k8s.client import Client
from tulle.proto import destination_pb2, destination_pb2_grpc

NAMESPACE = "bench-convergence"
SLICES = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "moving"},
    "spec": {"ports": [{"port": 80}]},
}


def slice_with(last: int) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "moving-1", "labels": {"kubernetes.io/service-name": "moving"}},
        "addressType": "IPv4",
        "ports": [{"port": 8080, "protocol": "TCP", "name": ""}],
        "endpoints": [{"addresses": [f"10.255.0.{last}"], "conditions": {"ready": True}}],
    }


class Subscriber:
    """One Get stream, which notes when each address was added."""

    def __init__(self) -> None:
        self.added: dict[int, float] = {}
        self.changed = asyncio.Event()

    async def follow(self, channel: grpc.aio.Channel) -> None:
        stub = destination_pb2_grpc.DestinationStub(channel)
        request = destination_pb2.GetDestination(
            scheme="k8s", path=f"moving.{NAMESPACE}.svc.cluster.local:80"
        )
        async for update in stub.Get(request):
            now = time.monotonic()
            for address in update.add.addrs:
                self.added[address.addr.ip.ipv4 & 0xFF] = now
            self.changed.set()

    async def until(self, last: int) -> float:
        while last not in self.added:
            self.changed.clear()
            await self.changed.wait()
        return self.added[last]


async def destination_address(client: Client) -> str:
    pods = await client.list(
        "/api/v1/namespaces/tulle/pods",
        labelSelector="linkerd.io/control-plane-component=destination",
    )
    return f"{pods[0]['status']['podIP']}:8086"


async def measure(client: Client, changes: int, subscribers: int) -> dict[str, Any]:
    await client.create(f"/api/v1/namespaces/{NAMESPACE}/services", SERVICE)
    await client.create(SLICES, slice_with(1))
    followers = [Subscriber() for _ in range(subscribers)]
    delays: list[float] = []
    async with grpc.aio.insecure_channel(await destination_address(client)) as channel:
        tasks = [asyncio.ensure_future(follower.follow(channel)) for follower in followers]
        for follower in followers:
            await asyncio.wait_for(follower.until(1), 10)
        for number in range(2, changes + 2):
            await client.patch(f"{SLICES}/moving-1", {"endpoints": slice_with(number)["endpoints"]})
            written = time.monotonic()
            for follower in followers:
                seen = await asyncio.wait_for(follower.until(number), 10)
                delays.append(max(0.0, seen - written) * 1000)
        for task in tasks:
            task.cancel()
    delays.sort()
    return {
        "changes": changes,
        "subscribers": subscribers,
        "p50": round(statistics.median(delays), 1),
        "p99": round(delays[int(len(delays) * 0.99) - 1], 1),
        "max": round(delays[-1], 1),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--subscribers", type=int, default=20)
    options = parser.parse_args()
    async with await Client.from_environment() as client:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await client.create("/api/v1/namespaces", namespace)
        try:
            result = await measure(client, options.changes, options.subscribers)
        finally:
            await client.delete(f"/api/v1/namespaces/{NAMESPACE}")
    print(json.dumps({"at": dt.datetime.now(dt.UTC).isoformat(), "milliseconds": result}, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
