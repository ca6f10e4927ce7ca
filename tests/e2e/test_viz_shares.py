"""What viz says where one name has several ends: the leaves of a split, the routes of a profile."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster, script_pod

NAMESPACE = "shared"
RATE = 20.0  # requests per second, every second one a POST
PORT = 8000
WEIGHTS = {"blue": 3, "green": 1}

SERVER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    do_POST = do_GET
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""
CLIENT = f"""
import http.client, time
connection = http.client.HTTPConnection("blue.{NAMESPACE}", {PORT})
began, number = time.monotonic(), 0
while True:
    number += 1
    time.sleep(max(0, began + number / {RATE} - time.monotonic()))
    connection.request("POST" if number % 2 else "GET", "/items", body=b"x")
    connection.getresponse().read()
"""


@pytest.fixture(scope="module")
def load(viz: Cluster) -> Iterator[Cluster]:
    """A client of blue; a test says what becomes of its requests."""
    viz.namespace(NAMESPACE)
    for name in WEIGHTS:
        viz.apply(script_pod(name, NAMESPACE, SERVER, port=PORT))
        viz.rollout(f"deployment/{name}", NAMESPACE)
    viz.apply(script_pod("client", NAMESPACE, CLIENT))
    viz.rollout("deployment/client", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def answer(cluster: Cluster, *words: str) -> Any:
    found = cluster.tulle("viz", *words, "-n", NAMESPACE, "-t", "30s", "-o", "json", check=False)
    return json.loads(found.out) if found.code == 0 else None


def about(value: float | None, expected: float) -> bool:
    """Within a fifth: which request goes where is chance."""
    return value is not None and abs(value - expected) < expected / 5


def test_routes_tell_each_its_own_rate(load: Cluster) -> None:
    condition = {"pathRegex": "/items"}
    routes = [
        {"name": f"{m} /items", "condition": {**condition, "method": m}} for m in ("GET", "POST")
    ]
    load.apply(
        {
            "apiVersion": "linkerd.io/v1alpha2",
            "kind": "ServiceProfile",
            "metadata": {"name": f"blue.{NAMESPACE}.svc.cluster.local", "namespace": NAMESPACE},
            "spec": {"routes": routes},
        }
    )

    def holds() -> bool:
        tables = answer(load, "routes", "service/blue") or {}
        rates = {row["route"]: row["rps"] for row in tables.get("service/blue", ())}
        return all(about(rates.get(f"{method} /items"), RATE / 2) for method in ("GET", "POST"))

    try:
        load.until(holds, "each route has half of the requests", 90)
    finally:
        load.kubectl("-n", NAMESPACE, "delete", "serviceprofile", "--all")


def test_leaves_of_a_split_tell_their_shares(load: Cluster) -> None:
    load.apply(
        {
            "apiVersion": "split.smi-spec.io/v1alpha2",
            "kind": "TrafficSplit",
            "metadata": {"name": "canary", "namespace": NAMESPACE},
            "spec": {
                "service": "blue",
                "backends": [{"service": k, "weight": w} for k, w in WEIGHTS.items()],
            },
        }
    )
    total = sum(WEIGHTS.values())

    def holds() -> bool:
        rows = answer(load, "stat", "trafficsplits") or []
        rates = {row["leaf"]: row["rps"] for row in rows}
        return all(about(rates.get(k), RATE * w / total) for k, w in WEIGHTS.items())

    load.until(holds, "the leaves have their shares", 90)
    found = load.tulle("viz", "stat", "ts", "-n", NAMESPACE).out.splitlines()
    assert found[0].split()[:4] == ["NAME", "APEX", "LEAF", "WEIGHT"]
    assert [line.split()[:4] for line in found[1:]] == [
        ["canary", "blue", "blue", "3"],
        ["canary", "blue", "green", "1"],
    ]
