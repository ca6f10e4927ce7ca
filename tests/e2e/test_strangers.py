"""Peers that are not of the mesh: unmeshed clients and servers, and a client of a foreign CA."""

import json
import subprocess
from pathlib import Path

import pytest
from cluster import Cluster, samples, script_pod

WEB = """
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ("client=" + str(self.headers.get("l5d-client-id"))).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 7200), Page).serve_forever()
"""

FETCH = """
import json, time, urllib.request
seen = []
for _ in range(3):
    request = urllib.request.Request("http://{host}:7200/", headers={{"l5d-client-id": "forged"}})
    with urllib.request.urlopen(request, timeout=10) as answer:
        seen.append([answer.status, answer.read().decode()])
print(json.dumps(seen), flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def strangers(mesh: Cluster) -> tuple[str, str]:
    """A meshed namespace and an unmeshed one, each with a web server."""
    inside, outside = mesh.namespace("inside"), mesh.namespace("outside", meshed=False)
    for namespace in (inside, outside):
        mesh.apply(script_pod("web", namespace, WEB, port=7200))
        mesh.rollout("deployment/web", namespace)
    return inside, outside


def fetched(cluster: Cluster, name: str, namespace: str, host: str) -> list[list[object]]:
    cluster.apply(script_pod(name, namespace, FETCH.format(host=host)))
    cluster.rollout(f"deployment/{name}", namespace)
    lines: list[str] = []

    def printed() -> bool:
        logged = cluster.kubectl("-n", namespace, "logs", f"deploy/{name}", "-c", "script")
        lines[:] = [line for line in logged.splitlines() if line.startswith("[[")]
        return bool(lines)

    cluster.until(printed, f"{name} has its answers")
    content: list[list[object]] = json.loads(lines[-1])
    return content


def test_an_unmeshed_client_is_served_without_identity(
    mesh: Cluster, strangers: tuple[str, str]
) -> None:
    inside, outside = strangers
    seen = fetched(mesh, "visitor", outside, f"web.{inside}")
    assert seen == [[200, "client=None"]] * 3
    counted = samples(mesh.metrics("deploy/web", inside), "request_total")
    plain = [labels for labels, _ in counted if labels.get("tls") == "no_identity"]
    assert any(labels.get("no_tls_reason") == "no_tls_from_remote" for labels in plain), counted


def test_an_unmeshed_server_is_reached_in_plain(mesh: Cluster, strangers: tuple[str, str]) -> None:
    inside, outside = strangers
    seen = fetched(mesh, "leaver", inside, f"web.{outside}")
    assert seen == [[200, "client=None"]] * 3, "the proxy lets no forged name of a client out"
    counted = samples(mesh.metrics("deploy/leaver", inside), "request_total")
    reasons = {
        labels.get("no_tls_reason")
        for labels, _ in counted
        if labels["direction"] == "outbound" and labels.get("dst_namespace") == outside
    }
    assert reasons == {"not_provided_by_service_discovery"}, counted


def test_a_meshed_client_is_named_and_cannot_forge_its_name(
    mesh: Cluster, strangers: tuple[str, str]
) -> None:
    inside, _ = strangers
    name = "default.inside.serviceaccount.identity.tulle.cluster.local"
    assert fetched(mesh, "member", inside, "web") == [[200, f"client={name}"]] * 3


def test_a_client_of_a_foreign_ca_is_refused(
    mesh: Cluster, strangers: tuple[str, str], tmp_path: Path
) -> None:
    """A certificate with the right name, signed by nobody we trust, does not get an answer."""
    inside, _ = strangers
    name = "default.inside.serviceaccount.identity.tulle.cluster.local"
    key, certificate = tmp_path / "key.pem", tmp_path / "crt.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", f"/CN={name}",
         "-addext", f"subjectAltName=DNS:{name}"],
        check=True, capture_output=True,
    )  # fmt: skip
    pod = mesh.get("pods", "-n", inside, "-l", "app=web")["items"][0]["status"]["podIP"]
    command = ["openssl", "s_client", "-quiet", "-connect", f"{pod}:7200", "-servername", name,
               "-verify_quiet", "-ign_eof"]  # fmt: skip
    request = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
    anonymous = subprocess.run(command, input=request, capture_output=True, timeout=20, check=False)
    foreign = subprocess.run(
        [*command, "-cert", certificate, "-key", key],
        input=request, capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    assert b"200 OK" in anonymous.stdout, anonymous
    assert b"client=None" in anonymous.stdout, anonymous
    assert b"200 OK" not in foreign.stdout, foreign
    assert b"alert" in foreign.stderr, foreign
