"""Pods whose proxy is a real linkerd2-proxy, beside pods that have ours, under our control plane.

TULLE_PEER_PROXY names a linkerd2-proxy that was built from its public source.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster import Cluster, samples, script_pod
from conftest import NODE, ROOT, cluster_program

sys.path.insert(0, str(ROOT / "tools"))

NAMESPACE = "peers"
IMAGE = "docker.io/tulle/peer-proxy"
VERSION = "0.1.0"
PORT = 8000
THEIRS = {
    "config.linkerd.io/proxy-image": IMAGE,
    "config.linkerd.io/proxy-version": VERSION,
}

SERVER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        who = self.headers.get("l5d-client-id", "nobody").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(who)))
        self.end_headers()
        self.wfile.write(who)
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""


def client(server: str) -> str:
    return f"""
import http.client, time
while True:
    try:
        connection = http.client.HTTPConnection("{server}.{NAMESPACE}", {PORT})
        while True:
            connection.request("GET", "/")
            answer = connection.getresponse()
            print(answer.status, answer.read().decode(), flush=True)
            time.sleep(0.2)
    except OSError as error:
        print("failed", error, flush=True)
        time.sleep(0.2)
"""


def missing_libraries(program: Path) -> list[Path]:
    """What a program that was linked by default wants beyond libc, which our image has."""
    told = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True).stdout
    paths = [Path(line.split()[2]) for line in told.splitlines() if "=>" in line]
    return [Path("/usr/lib") / path.relative_to("/lib") for path in paths if "gcc" in path.name]


def pack(program: Path, archive: Path) -> None:
    """Our proxy image with another program in the proxy's place; our entry program starts it."""
    from packing import archive as oci
    from packing import description, layers

    import images

    packer = images.Packer(images.cache_root(), "release", is_building=False)
    ours = description.read_image(images.IMAGES / "proxy.toml", images.version())
    theirs = replace(ours, name="peer-proxy", tag=f"{IMAGE}:{VERSION}")

    def fill(tree: Path) -> None:
        folder = tree / images.BINARY_FOLDER
        folder.mkdir(parents=True)
        shutil.copyfile(program, folder / "tulle-proxy")
        (folder / "tulle-proxy").chmod(0o755)
        for library in missing_libraries(program):
            place = tree / library.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(library, place)

    made = [
        packer._base(ours.base),
        packer._binaries(ours.binaries),
        packer.store.layer("peer proxy, libraries", layers.file_digest(program), (), fill),
    ]
    oci.write_archive(theirs, made, packer.architecture, archive)


@pytest.fixture(scope="module")
def peers(viz: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Each of the two proxies as client and as server of the other."""
    program = Path(os.environ.get("TULLE_PEER_PROXY", "/nonexistent"))
    if not program.exists():
        pytest.skip("TULLE_PEER_PROXY names no linkerd2-proxy to put beside ours")
    archive = tmp_path_factory.mktemp("peer") / "peer-proxy.tar"
    pack(program, archive)
    load = [str(cluster_program()), "local", "load", str(archive), "--name", NODE]
    subprocess.run(load, check=True, capture_output=True)
    viz.namespace(NAMESPACE)
    for server, asking, annotations in (
        ("server-ours", "client-theirs", THEIRS),
        ("server-theirs", "client-ours", {}),
    ):
        of_server = {} if annotations else THEIRS
        viz.apply(script_pod(server, NAMESPACE, SERVER, port=PORT, annotations=of_server))
        viz.apply(script_pod(asking, NAMESPACE, client(server), annotations=annotations))
    for name in ("server-ours", "server-theirs", "client-ours", "client-theirs"):
        viz.rollout(f"deployment/{name}", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize(
    ("asking", "server"), [("client-ours", "server-theirs"), ("client-theirs", "server-ours")]
)
def test_each_proves_itself_to_the_other(peers: Cluster, asking: str, server: str) -> None:
    identity = f"default.{NAMESPACE}.serviceaccount.identity.tulle.cluster.local"

    def answered() -> bool:
        log = peers.kubectl("-n", NAMESPACE, "logs", f"deploy/{asking}", "-c", "script")
        return f"200 {identity}" in log

    peers.until(answered, f"{server} knows who {asking} is")
    received = samples(peers.metrics(f"deploy/{server}", NAMESPACE), "request_total")
    assert any(labels.get("client_id") == identity for labels, _ in received)


def test_it_is_really_theirs(peers: Cluster) -> None:
    log = peers.kubectl("-n", NAMESPACE, "logs", "deploy/server-theirs", "-c", "tulle-proxy")
    assert "linkerd2_proxy" in log
    assert "Certified identity" in log


def test_stat_and_edges_tell_of_both_alike(peers: Cluster) -> None:
    def counted() -> bool:
        out = peers.tulle("viz", "stat", "deployments", "-n", NAMESPACE, "-t", "30s").out
        rows = {row.split()[0]: row.split() for row in out.splitlines()[1:]}
        servers = (rows.get("server-ours", []), rows.get("server-theirs", []))
        return all(row[1:3] == ["1/1", "100.00%"] and row[3] != "-" for row in servers if row) and (
            all(servers)
        )

    peers.until(counted, "both servers have their requests counted", 90)

    def secured() -> bool:
        rows = peers.tulle("viz", "edges", "deployments", "-n", NAMESPACE).out.splitlines()[1:]
        found = {tuple(row.split()) for row in rows}
        return {
            ("client-ours", "server-theirs", NAMESPACE, NAMESPACE, "√"),
            ("client-theirs", "server-ours", NAMESPACE, NAMESPACE, "√"),
        } <= found

    peers.until(secured, "both edges show mutual TLS", 90)
