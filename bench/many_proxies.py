"""How long viz takes to answer when Prometheus knows 500 proxies.

Usage: PYTHONPATH=src python bench/many_proxies.py [--workloads 100] [--replicas 5] [--rounds 7]
Writes bench/results/many_proxies.json.

The pods are objects of a real API server, and their /metrics are served on loopback with the
series that a proxy of a pod with clients and servers of its own has. Prometheus, metrics-api and
`tulle` are the real ones; Prometheus finds and relabels its targets as in a cluster. Needs the
image `prometheus` (python tools/images.py prometheus) and Kubernetes' binaries. Beside the seconds
that pass stand those of CPU that Prometheus spent meanwhile, scrapes included: on a machine with
other work they say more.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import yaml

from tulle.install.plan import Given
from tulle.install.viz import values_from
from tulle.install.viz_objects import Viz, VizPlace
from tulle.install.viz_scrape import CONFIG_FILE, RULES_FILE, configuration
from tulle.k8s.client import Client
from tulle.local.apiserver import ApiServer
from tulle.viz.recorded import rule_file

NAMESPACE = "fleet"
RESULT = Path(__file__).resolve().parent / "results" / "many_proxies.json"
BUCKETS = [d * m for m in (1, 10, 100, 1000, 10000) for d in (1, 2, 3, 4, 5)] + ["+Inf"]
CALLED = 3  # other workloads that each one calls
SETTLE_SECONDS = 80  # eight scrapes: a window of a minute is full
REST_SECONDS = 30  # in which nobody asks: scrapes, and every recording rule once

Json = dict[str, Any]
QUESTIONS: dict[str, tuple[float, list[str]]] = {  # seconds that are wanted at most
    "stat deployments -A": (1.0, ["stat", "deployments", "-A"]),
    "stat deployments -n": (1.0, ["stat", "deployments", "-n", NAMESPACE]),
    "stat pods -A": (1.0, ["stat", "pods", "-A"]),
    "stat namespaces": (1.0, ["stat", "namespaces"]),
    "stat services -n": (1.0, ["stat", "services", "-n", NAMESPACE]),
    "stat deployments --to": (
        1.0,
        ["stat", "deployments", "-n", NAMESPACE, "--to", "deployment/w001"],
    ),
    "edges deployments -n": (2.0, ["edges", "deployments", "-n", NAMESPACE]),
    "edges pods -n": (2.0, ["edges", "pods", "-n", NAMESPACE]),
}


class Fleet:
    """Pods by their loopback addresses, and what each one's proxy counts as time goes by."""

    def __init__(self, workloads: int, replicas: int) -> None:
        self.names = [f"w{number:03}" for number in range(workloads)]
        self.replicas = replicas
        self.began = time.monotonic()
        self.pages: dict[str, list[tuple[str, float]]] = {}
        for index, name in enumerate(self.names):
            for replica in range(replicas):
                self.pages[self.address(index, replica)] = self._page(index, name)

    def pod(self, index: int, replica: int) -> str:
        return f"{self.names[index]}-7d9f-{replica}"

    def address(self, index: int, replica: int) -> str:
        number = index * self.replicas + replica
        return f"127.1.{number // 200}.{number % 200 + 1}"

    def _page(self, index: int, name: str) -> list[tuple[str, float]]:
        """Series, and by how much each grows in a second (a negative one is a gauge)."""
        rng, page = random.Random(index), []
        identity = f"{name}.{NAMESPACE}.serviceaccount.identity.tulle.cluster.local"
        for other in rng.sample(range(len(self.names)), CALLED):
            callee = self.names[other]
            account = f"{callee}.{NAMESPACE}.serviceaccount.identity.tulle.cluster.local"
            client = identity.replace(name, callee, 1)
            page += _series(
                f'direction="inbound",target_port="8080",tls="true",client_id="{client}",'
                'srv_kind="default",srv_name="all-unauthenticated",route_kind="default",'
                'route_name="default",authz_kind="default",authz_name="all-unauthenticated"',
                "src",
                rng.uniform(1, 5),
            )
            for replica in range(self.replicas):
                page += _series(
                    f'direction="outbound",authority="{callee}.{NAMESPACE}.svc.cluster.local:80",'
                    f'tls="true",server_id="{account}",dst_namespace="{NAMESPACE}",'
                    f'dst_service="{callee}",dst_deployment="{callee}",'
                    f'dst_pod="{self.pod(other, replica)}",dst_serviceaccount="{callee}"',
                    "dst",
                    rng.uniform(0.2, 1),
                )
        return page

    def text(self, address: str) -> str:
        seconds = time.monotonic() - self.began
        return "\n".join(
            f"{series} {-growth if growth < 0 else int(growth * seconds)}"
            for series, growth in self.pages[address]
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                body = (self.text(address) + "\n").encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}"
                writer.write(head.encode() + b"\r\n\r\n" + body)
                await writer.drain()
        writer.close()


def _series(labels: str, peer: str, rps: float) -> list[tuple[str, float]]:
    found = [
        (f'response_total{{{labels},status_code="200",classification="success"}}', rps * 0.98),
        (f'response_total{{{labels},status_code="503",classification="failure"}}', rps * 0.02),
        (f'tcp_open_connections{{{labels},peer="{peer}"}}', -1.0),
        (f'tcp_read_bytes_total{{{labels},peer="{peer}"}}', rps * 400),
        (f'tcp_write_bytes_total{{{labels},peer="{peer}"}}', rps * 900),
    ]
    for number, bound in enumerate(BUCKETS):
        share = min(1.0, number / 10)
        found.append((f'response_latency_ms_bucket{{{labels},le="{bound}"}}', rps * share))
    return found


async def populate(client: Client, fleet: Fleet, port: int) -> None:
    await client.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    base = f"/api/v1/namespaces/{NAMESPACE}"
    await client.create(f"{base}/serviceaccounts", {"metadata": {"name": "default"}})
    limit = asyncio.Semaphore(16)

    async def workload(index: int, name: str) -> None:
        async with limit:
            labels = {"app": name}
            spec = {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}
            metadata = {"name": name}
            await client.create(f"{base}/services", {"metadata": metadata, "spec": spec})
            template = {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "x"}]},
            }
            deployment = {"selector": {"matchLabels": labels}, "template": template}
            path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
            await client.create(path, {"metadata": metadata, "spec": deployment})
            for replica in range(fleet.replicas):
                await _pod(client, fleet, index, replica, port)

    async with asyncio.TaskGroup() as tasks:
        for index, name in enumerate(fleet.names):
            tasks.create_task(workload(index, name))


async def _pod(client: Client, fleet: Fleet, index: int, replica: int, port: int) -> None:
    name, owner = fleet.pod(index, replica), fleet.names[index]
    labels = {
        "app": owner,
        "pod-template-hash": "7d9f",
        "linkerd.io/control-plane-ns": "tulle",
        "linkerd.io/workload-ns": NAMESPACE,
        "linkerd.io/proxy-deployment": owner,
    }
    reference = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"{owner}-7d9f",
        "uid": "00000000-0000-0000-0000-000000000000",
        "controller": True,
    }
    proxy = {"name": "tulle-proxy", "image": "x"}
    proxy["ports"] = [{"name": "linkerd-admin", "containerPort": port}]  # type: ignore[assignment]
    body = {
        "metadata": {"name": name, "labels": labels, "ownerReferences": [reference]},
        "spec": {"containers": [{"name": "app", "image": "x"}, proxy], "nodeName": "none"},
    }
    path = f"/api/v1/namespaces/{NAMESPACE}/pods"
    await client.create(path, body)
    address = fleet.address(index, replica)
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    await client.patch(f"{path}/{name}/status", {"status": status})


def unpacked_prometheus(folder: Path) -> Path:
    """The binary of our own image."""
    cache = Path(os.environ.get("TULLE_CACHE", Path.home() / ".cache" / "tulle"))
    with tarfile.open(cache / "images" / "prometheus.tar") as image:
        for member in image.getmembers():
            if not member.isfile() or member.size < 10_000_000:
                continue
            with tarfile.open(fileobj=image.extractfile(member)) as layer:
                layer.extract("usr/bin/prometheus", folder, filter="data")
                return folder / "usr" / "bin" / "prometheus"
    raise SystemExit("many_proxies: pack the image first: python tools/images.py prometheus")


def prometheus_configuration(folder: Path, api_port: int, port: int) -> None:
    """As it is rendered for a cluster, but for the addresses."""
    values = values_from(Given(settings=("prometheus.scrapeInterval=10s",)), {})
    text = yaml.safe_dump(configuration(Viz(VizPlace("tulle-viz", "bench"), values)))
    text = text.replace("metrics-api.tulle-viz.svc.cluster.local:8085", f"127.0.0.1:{api_port}")
    text = text.replace("localhost:9090", f"127.0.0.1:{port}")
    (folder / CONFIG_FILE).write_text(text)
    (folder / RULES_FILE).write_text(yaml.safe_dump(rule_file("10s")))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@contextlib.contextmanager
def started(*command: str | Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as sink:
        process = subprocess.Popen(list(map(str, command)), stdout=sink, stderr=sink)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


@contextlib.asynccontextmanager
async def served(fleet: Fleet) -> AsyncIterator[int]:
    server = await asyncio.start_server(fleet.serve, "0.0.0.0", 0, backlog=1000)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def until_scraped(http: httpx.AsyncClient, address: str, wanted: int) -> None:
    async with asyncio.timeout(180):
        while True:
            with contextlib.suppress(httpx.TransportError, KeyError, IndexError):
                found = await http.get(f"{address}/api/v1/query", params={"query": "sum(up)"})
                if int(found.json()["data"]["result"][0]["value"][1]) >= wanted:
                    return
            await asyncio.sleep(1)


async def value(http: httpx.AsyncClient, address: str, query: str) -> float:
    found = await http.get(f"{address}/api/v1/query", params={"query": query}, timeout=60)
    return float(found.json()["data"]["result"][0]["value"][1])


async def typed(words: list[str], api_port: int) -> tuple[float, str]:
    """Seconds of one command as a user types it, and what came of it."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tulle.cli.main", "viz", *words),
        f"--api-addr=127.0.0.1:{api_port}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    lines = out.count(b"\n")
    found = f"{lines} lines" if process.returncode == 0 else err.decode().strip()
    return time.monotonic() - began, found


async def asked(http: httpx.AsyncClient, path: str) -> tuple[float, str]:
    began = time.monotonic()
    answer = await http.get(path, timeout=60)
    return time.monotonic() - began, f"status {answer.status_code}"


async def measure(http: httpx.AsyncClient, api_port: int, pid: int, rounds: int) -> Json:
    graph = f"http://127.0.0.1:{api_port}/api/graph?namespace={NAMESPACE}"
    asking: dict[str, tuple[float, Callable[[], Awaitable[tuple[float, str]]]]] = {
        name: (wanted, functools.partial(typed, words, api_port))
        for name, (wanted, words) in QUESTIONS.items()
    }
    asking["graph of a namespace"] = 2.0, functools.partial(asked, http, graph)
    found: Json = {}
    for name, (wanted, ask) in asking.items():
        before = cpu_seconds(pid)
        runs = [await ask() for _ in range(rounds)]
        seconds = [spent for spent, _ in runs]
        found[name] = {
            "median_seconds": round(statistics.median(seconds), 3),
            "max_seconds": round(max(seconds), 3),
            "wanted_seconds": wanted,
            "prometheus_cpu_seconds": round((cpu_seconds(pid) - before) / rounds, 3),
            "answer": runs[-1][1],
        }
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(options: argparse.Namespace, folder: Path) -> Json:
    fleet = Fleet(options.workloads, options.replicas)
    program = unpacked_prometheus(folder)
    with ApiServer(folder / "api") as server:
        async with (
            await Client.from_environment(str(server.kubeconfig)) as client,
            httpx.AsyncClient(trust_env=False) as http,
            served(fleet) as port,
        ):
            await populate(client, fleet, port)
            api_port, prometheus_port = free_port(), free_port()
            address = f"http://127.0.0.1:{prometheus_port}"
            prometheus_configuration(folder, api_port, prometheus_port)
            component = (
                *(sys.executable, "-OO", "-m", "tulle.viz.metrics_api"),
                *("--kubeconfig", server.kubeconfig, "--prometheus-url", address),
                *(f"--addr=127.0.0.1:{api_port}", "--admin-addr=127.0.0.1:0"),
                "--grpc-addr=127.0.0.1:0",
            )
            command = (
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{prometheus_port}",
            )
            with (
                started(*component, log=folder / "metrics-api.log"),
                started(*command, log=folder / "prometheus.log") as prometheus,
            ):
                await until_scraped(http, address, len(fleet.pages))
                await asyncio.sleep(SETTLE_SECONDS)
                before = cpu_seconds(prometheus.pid)
                await asyncio.sleep(REST_SECONDS)
                at_rest = (cpu_seconds(prometheus.pid) - before) / REST_SECONDS
                return {
                    "proxies": len(fleet.pages),
                    "series": await value(http, address, "prometheus_tsdb_head_series"),
                    "prometheus_mib": _resident_mib(prometheus.pid),
                    "prometheus_cores_at_rest": round(at_rest, 2),
                    "load_average": round(os.getloadavg()[0], 1),
                    "questions": await measure(http, api_port, prometheus.pid, options.rounds),
                }


def _resident_mib(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description="viz with many proxies")
    parser.add_argument("--workloads", type=int, default=100)
    parser.add_argument("--replicas", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(options, Path(folder)))
    found = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **found}
    text = json.dumps(found, indent=2)
    print(text)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
