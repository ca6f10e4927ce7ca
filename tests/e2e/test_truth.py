"""What the commands say of live traffic, beside what is known of it from elsewhere."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import TULLE, Cluster, samples, script_pod

NAMESPACE = "truth"
HTTP_PORT, TCP_PORT = 8000, 9000
COUNT = 60

SERVER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(503 if self.path == "/steady/fail" else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("", {HTTP_PORT}), Handler).serve_forever()
"""
# It speaks first, and nothing of HTTP.
GREETER = f"""
import socketserver, time
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while True:
            self.request.sendall(b"hello\\n")
            time.sleep(1)
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("", {TCP_PORT}), Handler).serve_forever()
"""
# Ten requests a second, every fifth of which fails, and one held connection to the greeter.
CLIENT = f"""
import http.client, socket, threading, time
def hold():
    while True:
        try:
            held = socket.create_connection(("greeter.{NAMESPACE}", {TCP_PORT}))
            while held.recv(64):
                pass
        except OSError:
            time.sleep(1)
threading.Thread(target=hold, daemon=True).start()
connection = http.client.HTTPConnection("server.{NAMESPACE}", {HTTP_PORT})
number = 0
while True:
    time.sleep(0.1)
    number += 1
    try:
        connection.request("GET", "/steady/fail" if number % 5 == 0 else f"/steady/{{number}}")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        connection.close()
"""
BURST = f"""
import http.client, time
connection = http.client.HTTPConnection("server.{NAMESPACE}", {HTTP_PORT})
for number in range({COUNT}):
    connection.request("GET", f"/counted/{{number}}")
    assert connection.getresponse().read() == b"ok"
    time.sleep(0.02)
"""
ROUTE = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "HTTPRoute",
    "metadata": {"name": "steady", "namespace": NAMESPACE},
    "spec": {
        "parentRefs": [{"group": "core", "kind": "Service", "name": "server", "port": HTTP_PORT}],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "server", "port": HTTP_PORT}],
            }
        ],
    },
}


@pytest.fixture(scope="module")
def talking(viz: Cluster) -> Iterator[Cluster]:
    for name in ("tap", "tap-injector"):
        viz.rollout(f"deployment/{name}", "tulle-viz")
    viz.kubectl("wait", "--for=condition=Available", "apiservice/v1alpha1.tap.linkerd.io")
    viz.namespace(NAMESPACE)
    viz.apply(script_pod("server", NAMESPACE, SERVER, port=HTTP_PORT))
    viz.apply(script_pod("greeter", NAMESPACE, GREETER, port=TCP_PORT))
    viz.apply(ROUTE)
    for name in ("server", "greeter"):
        viz.rollout(f"deployment/{name}", NAMESPACE)
    viz.apply(script_pod("client", NAMESPACE, CLIENT))
    viz.rollout("deployment/client", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def pod_process(cluster: Cluster, name: str) -> int:
    """A process of the pod, as this machine numbers it: the way into its network."""
    pod = cluster.get("pods", "-n", NAMESPACE, "-l", f"app={name}")["items"][0]
    address = pod["status"]["podIP"]
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if b"ThreadingHTTPServer" not in (path / "cmdline").read_bytes():
                continue
        except OSError:  # it has ended
            continue
        shown = subprocess.run(
            ["nsenter", "-t", path.name, "-n", "ip", "-o", "-4", "address"],
            capture_output=True,
            text=True,
        )
        if f" {address}/" in shown.stdout:
            return int(path.name)
    raise AssertionError(f"no process here has the address {address}")


def start(cluster: Cluster, *arguments: str) -> subprocess.Popen[str]:
    context = ["--context", cluster.context] if cluster.context else []
    command = [str(TULLE), *arguments, *context, "--kubeconfig", str(cluster.kubeconfig)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_tap_tells_what_a_capture_counts(talking: Cluster, node_pid: int, tmp_path: Path) -> None:
    """Between the proxy and the application bytes are plain, so a capture can count there."""
    inside = ["nsenter", "-t", str(pod_process(talking, "server")), "-n"]
    dump = [*inside, "tcpdump", "-i", "lo", "-n", "-U", "--immediate-mode", "-w", "-"]
    asked = ("viz", "tap", "deploy/server", "-n", NAMESPACE, "-o", "json", "--max-rps", "1000")
    file = tmp_path / "capture"

    def captured() -> list[bytes]:
        return re.findall(rb"GET /counted/(\d+) HTTP", file.read_bytes())

    with (
        file.open("wb") as out,
        start(talking, *asked) as tap,
        subprocess.Popen(
            [*dump, f"tcp dst port {HTTP_PORT}"], stdout=out, stderr=subprocess.PIPE
        ) as capture,
    ):
        assert tap.stdout is not None
        assert capture.stderr is not None
        try:
            while b"listening on" not in capture.stderr.readline():
                pass
            events = [json.loads(tap.stdout.readline())]  # of the steady client: the tap is open
            shell = ("-n", NAMESPACE, "exec", "-i", "deploy/client", "-c", "script", "--")
            talking.kubectl(*shell, "python3", "-", stdin=BURST)
            until = time.monotonic() + 60
            while count(events, "responseEndEvent") < COUNT and time.monotonic() < until:
                events.append(json.loads(tap.stdout.readline()))
            talking.until(lambda: len(captured()) >= COUNT, "the capture has all of the burst")
        finally:
            tap.terminate()
            capture.terminate()
    assert sorted(map(int, captured())) == list(range(COUNT))
    for kind in ("requestInitEvent", "responseInitEvent", "responseEndEvent"):
        assert count(events, kind) == COUNT


def identity(event: dict[str, Any]) -> tuple[Any, ...]:
    part = next(event[kind] for kind in event if kind.endswith("Event"))
    source = event["source"]
    return (source["ip"], source["port"], part["id"]["base"], part["id"]["stream"])


def count(events: list[dict[str, Any]], kind: str) -> int:
    """Of the burst's requests alone, which their first event names by path."""
    ours = {
        identity(event)
        for event in events
        if event.get("requestInitEvent", {}).get("path", "").startswith("/counted/")
    }
    return sum(kind in event and identity(event) in ours for event in events)


def test_edges_are_the_proxies_own_connections(talking: Cluster) -> None:
    """The greeter's edge is plain TCP: no request ever passes on it."""

    def shown() -> set[tuple[str, str, bool]]:
        asked = ("viz", "edges", "deployments", "-n", NAMESPACE, "-o", "json")
        rows = json.loads(talking.tulle(*asked).out)
        return {
            (row["src"], row["dst"], not row["no_tls_reason"])
            for row in rows
            if row["src"] == "client"
        }

    def counted() -> set[tuple[str, str, bool]]:
        text = talking.metrics("deploy/client", NAMESPACE)
        return {
            ("client", labels["dst_deployment"], labels["tls"] == "true")
            for labels, value in samples(text, "tcp_open_connections")
            if labels["direction"] == "outbound" and "dst_deployment" in labels and value > 0
        }

    wanted = {("client", "server", True), ("client", "greeter", True)}
    talking.until(lambda: wanted <= shown(), "both connections are edges")
    talking.until(lambda: shown() == counted(), "edges are what the client's proxy counts")


def row(cluster: Cluster, command: str, target: str, **wanted: str) -> dict[str, Any] | None:
    text = cluster.tulle("viz", command, target, "-n", NAMESPACE, "-o", "json").out
    for found in json.loads(text or "[]"):
        if all(found.get(key) == value for key, value in wanted.items()):
            return dict(found)
    return None


def test_both_ends_count_the_rate_and_the_failures(talking: Cluster) -> None:
    """Ten a second, of which a fifth fails: at the server by route, at the client by backend."""
    sides = {
        "inbound": lambda: row(talking, "stat-inbound", "deploy/server", port=str(HTTP_PORT)),
        "route": lambda: row(talking, "stat-outbound", "deploy/client", route="steady"),
        "backend": lambda: row(talking, "stat-outbound", "deploy/client", backend="server"),
    }
    for name, ask in sides.items():

        def is_as_known(ask: Any = ask) -> bool:
            found = ask() or {}
            success = found.get("successRate", found.get("successesRate", 0))
            return abs(success - 0.8) < 0.02 and 5 < found.get("rps", 0) < 11

        talking.until(is_as_known, f"{name}: ten a second, four of five well", seconds=120)


def test_the_route_of_the_gateway_api_has_a_row(talking: Cluster) -> None:
    def found() -> bool:
        asked = ("viz", "routes", "svc/server", "-n", NAMESPACE, "-o", "json")
        rows = json.loads(talking.tulle(*asked).out)["service/server"]
        (steady,) = [row for row in rows if row["route"] == "steady"]
        return abs((steady["success"] or 0) - 0.8) < 0.02

    talking.until(found, "the HTTPRoute's success rate", seconds=120)


def test_live_traffic_makes_a_profile_that_the_cluster_takes(talking: Cluster) -> None:
    made = talking.tulle(
        *("viz", "profile", "server", "-n", NAMESPACE, "--tap", "deploy/server"),
        *("--tap-duration", "10s"),
    ).out
    assert "GET /steady/{id}" in made
    assert "GET /steady/fail" in made
    taken = talking.kubectl("apply", "--dry-run=server", "-f", "-", stdin=made)
    assert f"server.{NAMESPACE}.svc.cluster.local created" in taken


def test_proxies_and_components_show_their_insides(talking: Cluster) -> None:
    pod = talking.get("pods", "-n", NAMESPACE, "-l", "app=server")["items"][0]["metadata"]["name"]
    metrics = talking.metrics("deploy/server", NAMESPACE).splitlines()
    assert metrics[:3] == ["#", f"# POD {pod} (1 of 1)", "#"]
    assert metrics[-1] == "# EOF"
    components = talking.tulle("diagnostics", "controller-metrics", "--wait", "60s").out
    assert re.search(r"^# CONTAINER destination$", components, re.M)
    assert "# ERROR" not in components
    shown = talking.tulle("identity", "-n", NAMESPACE, pod).out
    assert f"POD {pod} (1 of 1)" in shown
    assert f"default.{NAMESPACE}.serviceaccount.identity.tulle.cluster.local" in shown
