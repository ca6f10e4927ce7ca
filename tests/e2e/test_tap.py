"""Live traffic as it is seen by tap and top: who asks whom for what, and who may look."""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cluster import TULLE, Cluster, script_pod, server_script

NAMESPACE = "tapped"
PORT = 8000
VIEWER = "tap-viewer"

SERVER = server_script(PORT)
CLIENT = f"""
import http.client, time
connection = http.client.HTTPConnection("server.{NAMESPACE}", {PORT})
while True:
    for path in ("/one?secret=1", "/two", "/fail"):
        time.sleep(0.1)
        connection.request("GET", path)
        connection.getresponse().read()
"""
DISABLED = {"viz.linkerd.io/disable-tap": "true"}

FLOW = r"proxy=(in |out) src=[0-9.]+:\d+ dst=[0-9.]+:\d+ tls=\w+"
REQUEST = rf"req id=\d+:\d+ {FLOW} :method=GET :authority=\S+ :path=\S+"
RESPONSE = rf"rsp id=\d+:\d+ {FLOW} :status=\d{{3}} latency=\d+µs"
END = rf"end id=\d+:\d+ {FLOW} duration=\d+µs response-length=\d+B"


@pytest.fixture(scope="module")
def tapped(viz: Cluster) -> Iterator[Cluster]:
    """A client that asks a server without pause, and a server that wants no tap."""
    for name in ("tap", "tap-injector"):
        viz.rollout(f"deployment/{name}", "tulle-viz")
    viz.kubectl("wait", "--for=condition=Available", "apiservice/v1alpha1.tap.linkerd.io")
    viz.namespace(NAMESPACE)
    viz.apply(script_pod("server", NAMESPACE, SERVER, port=PORT))
    viz.apply(script_pod("shy", NAMESPACE, SERVER, port=PORT, annotations=DISABLED))
    for name in ("server", "shy"):
        viz.rollout(f"deployment/{name}", NAMESPACE)
    viz.apply(script_pod("client", NAMESPACE, CLIENT))
    viz.rollout("deployment/client", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def tap(cluster: Cluster, *arguments: str, until: Callable[[list[str]], bool]) -> list[str]:
    """The lines of a tap, from its start until they are enough; then it is interrupted."""
    context = ["--context", cluster.context] if cluster.context else []
    command = [str(TULLE), "viz", "tap", *arguments, "-n", NAMESPACE, *context]
    command += ["--kubeconfig", str(cluster.kubeconfig)]
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line.rstrip("\n"))
                if until(lines):
                    break
        finally:
            process.terminate()
            process.stdout.close()
    return lines


def enough(count: int) -> Callable[[list[str]], bool]:
    return lambda lines: len(lines) >= count


def of_the_app(lines: list[str]) -> list[str]:
    """Without the kubelet's probes."""
    return [line for line in lines if f":{PORT} " in line]


def test_each_request_is_told_by_three_lines(tapped: Cluster) -> None:
    lines = of_the_app(tap(tapped, "deployments/server", until=enough(40)))
    for line in lines:
        assert re.fullmatch(f"{REQUEST}|{RESPONSE}|{END}", line), line
    for kind in ("req", "rsp", "end"):
        assert any(line.startswith(f"{kind} ") for line in lines), kind
    told = [
        line
        for line in lines
        if line.startswith("req") and f":authority=server.{NAMESPACE}" in line
    ]
    assert told, lines
    for line in told:
        assert "proxy=in  " in line
        assert "tls=true" in line
        assert "secret" not in line, "a query string is nobody's to see"


def test_the_same_traffic_is_seen_leaving_its_client(tapped: Cluster) -> None:
    found = tap(tapped, "deploy/client", "--to", "svc/server", "--path", "/two", until=enough(6))
    requests = [line for line in found if line.startswith("req ")]
    assert requests
    for line in requests:
        assert "proxy=out " in line
        assert "tls=true" in line
        assert line.endswith(":path=/two")


def test_wide_and_json_say_who_the_ends_are(tapped: Cluster) -> None:
    (line, *_) = tap(
        tapped, "deploy/client", "--to", "deploy/server", "-o", "wide", until=enough(1)
    )
    assert " src_deployment=client " in line
    assert f" dst_namespace={NAMESPACE} " in line
    (text, *_) = tap(tapped, "deploy/server", "--path", "/one", "-o", "json", until=enough(1))
    event: dict[str, Any] = json.loads(text)
    assert event["proxyDirection"] == "INBOUND"
    assert event["source"]["metadata"]["deployment"] == "client"
    headers = event["requestInitEvent"]["headers"]
    assert {"name": "host", "valueStr": f"server.{NAMESPACE}:{PORT}"} in headers


def test_top_counts_each_request_once(tapped: Cluster) -> None:
    out = tapped.tulle("viz", "top", "deployments", "-n", NAMESPACE, "--once", "--seconds", "6").out
    header, *rows = out.splitlines()
    assert re.split(r"\s{2,}", header) == [
        "Source",
        "Destination",
        "Method",
        "Path",
        "Count",
        "Best",
        "Worst",
        "Last",
        "Success Rate",
    ]
    found = {}
    for row in rows:
        cells = row.split()
        if cells[0].startswith("client-"):
            assert cells[1].startswith("server-")
            found[cells[3]] = int(cells[4]), cells[-1]
    assert set(found) == {"/one", "/two", "/fail"}
    assert found["/two"][1] == "100.00%"
    assert found["/fail"][1] == "0.00%"
    counts = [count for count, _ in found.values()]
    assert max(counts) - min(counts) <= 1, "they are asked in turn, and none counts twice"


def test_rbac_decides_who_may_tap(tapped: Cluster) -> None:
    asked = ("viz", "tap", "deploy/server", "-n", NAMESPACE, "--as", VIEWER)
    refused = tapped.tulle(*asked, check=False)
    assert refused.code == 1
    assert refused.out == ""
    assert f'User "{VIEWER}" cannot watch resource "deployments/tap"' in refused.err
    role = "tulle-tulle-viz-tap-admin"
    tapped.kubectl(
        "create", "clusterrolebinding", VIEWER, f"--clusterrole={role}", f"--user={VIEWER}"
    )
    try:
        assert tap(tapped, "deploy/server", "--as", VIEWER, until=enough(3))
    finally:
        tapped.kubectl("delete", "clusterrolebinding", VIEWER)


def test_who_wants_no_tap_is_not_tapped(tapped: Cluster) -> None:
    refused = tapped.tulle("viz", "tap", "deploy/shy", "-n", NAMESPACE, check=False)
    assert refused.code == 1
    assert "tap is disabled by the annotation viz.linkerd.io/disable-tap on shy-" in refused.err
    pods = tapped.get("pods", "-n", NAMESPACE, "-l", "app=shy")["items"]
    assert "viz.linkerd.io/tap-enabled" not in pods[0]["metadata"]["annotations"]


def test_what_is_not_there_is_said(tapped: Cluster) -> None:
    refused = tapped.tulle("viz", "tap", "deploy/nothing", "-n", NAMESPACE, check=False)
    assert refused.code == 1
    assert "deployment/nothing has no running pods" in refused.err


def test_only_tap_itself_reaches_the_proxies(tapped: Cluster) -> None:
    """Another meshed pod gets no events, whatever identity it asks for."""
    source = """
import grpc
from tulle.proto import tap_pb2, tap_pb2_grpc
address = open("/dev/stdin").read().strip()
stub = tap_pb2_grpc.TapStub(grpc.insecure_channel(address))
request = tap_pb2.ObserveRequest(limit=1)
request.match.all.SetInParent()
try:
    for event in stub.Observe(request, timeout=10):
        print("EVENT", event)
except grpc.RpcError as error:
    print(error.code().name)
"""
    pods = tapped.get("pods", "-n", NAMESPACE, "-l", "app=server")["items"]
    address = f"{pods[0]['status']['podIP']}:4190"
    shell = ("-n", NAMESPACE, "exec", "-i", "deploy/client", "-c", "script", "--")
    answer = tapped.kubectl(*shell, "python3", "-c", source, stdin=address)
    assert answer.strip() == "UNAUTHENTICATED"


def test_an_open_tap_is_an_edge(tapped: Cluster) -> None:
    """Tap's own connection to a proxy is mutual TLS, and is shown as one."""

    def edges() -> list[dict[str, Any]]:
        asked = ("viz", "edges", "deployments", "-n", NAMESPACE, "-o", "json")
        found: list[dict[str, Any]] = json.loads(tapped.tulle(*asked).out)
        return found

    def has_edge(_: list[str]) -> bool:
        return any(
            edge["src"] == "tap" and edge["dst"] == "server" and edge["server_id"]
            for edge in edges()
        )

    assert tap(tapped, "deploy/server", until=has_edge)
