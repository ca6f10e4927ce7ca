"""Pods redirected by the CNI plugin: no init container, no capability, and none missed unseen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, samples, script_pod

NAMESPACE = "plugged"
PORT = 8000
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}
SERVER = f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("", {PORT}), Handler).serve_forever()
"""
CLIENT = f"""
import time, urllib.request
while True:
    print(urllib.request.urlopen("http://server.{NAMESPACE}:{PORT}/", timeout=5).status, flush=True)
    time.sleep(0.2)
"""


def restricted(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As the Pod Security level of that name asks of an app's own container."""
    container = objects[0]["spec"]["template"]["spec"]["containers"][0]
    container["securityContext"] = RESTRICTED
    return objects


@pytest.fixture(scope="module")
def plugged(mesh: Cluster) -> Iterator[Cluster]:
    """The plugin on the node, and a namespace that leaves the redirect to it."""
    manifest = mesh.tulle("install-cni").out
    mesh.kubectl("apply", "-f", "-", stdin=manifest)
    mesh.rollout("daemonset/tulle-cni", "tulle-cni")
    mesh.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": NAMESPACE,
                "annotations": {
                    "linkerd.io/inject": "enabled",
                    "config.linkerd.io/cni-enabled": "true",
                },
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        }
    )
    mesh.until(
        lambda: "default" in mesh.kubectl("-n", NAMESPACE, "get", "serviceaccounts"),
        "the namespace has its service account",
    )
    yield mesh
    mesh.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    mesh.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=manifest)


def test_traffic_is_mutual_tls_without_an_init_container(plugged: Cluster) -> None:
    plugged.apply(restricted(script_pod("server", NAMESPACE, SERVER, port=PORT)))
    plugged.rollout("deployment/server", NAMESPACE)
    plugged.apply(restricted(script_pod("client", NAMESPACE, CLIENT)))
    plugged.rollout("deployment/client", NAMESPACE)
    pods = plugged.get("pods", "-n", NAMESPACE)["items"]
    for pod in pods:
        assert "initContainers" not in pod["spec"]
        names = [container["name"] for container in pod["spec"]["containers"]]
        assert names == ["tulle-proxy", "script"]
    assert "2/2" in plugged.kubectl("-n", NAMESPACE, "get", "pods", "-l", "app=server")
    client = f"default.{NAMESPACE}.serviceaccount.identity.tulle.cluster.local"

    def counted() -> bool:
        found = samples(plugged.metrics("deploy/server", NAMESPACE), "request_total")
        inbound = [labels for labels, _ in found if labels["direction"] == "inbound"]
        return any(labels.get("client_id") == client for labels in inbound)

    plugged.until(counted, "the server's proxy counts requests of the client's identity")
    assert "√ the CNI plugin is ready on every node" in plugged.tulle("check").out


def test_other_pods_are_as_before(plugged: Cluster) -> None:
    """Those with an init container of the mesh, and those without any proxy."""
    for name, meshed, ready in (("usual", True, "2/2"), ("outside", False, "1/1")):
        namespace = plugged.namespace(f"plugged-{name}", meshed=meshed)
        plugged.apply(script_pod("idle", namespace, "import time; time.sleep(3600)"))
        plugged.rollout("deployment/idle", namespace)
        assert ready in plugged.kubectl("-n", namespace, "get", "pods")
        plugged.kubectl("delete", "namespace", namespace, "--wait=false")


def test_a_rollout_under_load_loses_nothing(plugged: Cluster) -> None:
    """Proxy and app get their signal at once in this form; no request may pay for it."""
    plugged.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/server")
    plugged.rollout("deployment/server", NAMESPACE)
    (pod,) = plugged.get("pods", "-n", NAMESPACE, "-l", "app=client")["items"]
    status = next(s for s in pod["status"]["containerStatuses"] if s["name"] == "script")
    assert status["restartCount"] == 0, "the client ends at the first request that fails"


def test_without_its_proxy_s_image_no_application_starts(plugged: Cluster) -> None:
    """The gate is closed by the plugin, before there is a container that could do so."""
    script = "import time; print('ran', flush=True); time.sleep(3600)"
    absent = {"config.linkerd.io/proxy-image": "docker.io/tulle/absent"}
    plugged.apply(restricted(script_pod("waiting", NAMESPACE, script, annotations=absent)))

    def reasons() -> dict[str, str]:
        found = plugged.get("pods", "-n", NAMESPACE, "-l", "app=waiting")["items"]
        statuses = found[0].get("status", {}).get("containerStatuses", []) if found else []
        return {s["name"]: s["state"].get("waiting", {}).get("reason", "") for s in statuses}

    def is_held() -> bool:
        held = reasons()
        is_proxy_absent = "Image" in held.get("tulle-proxy", "")
        return is_proxy_absent and held.get("script") == "CreateContainerConfigError"

    plugged.until(is_held, "neither the proxy nor the application has a container", 60)
    log = plugged.kubectl("-n", NAMESPACE, "logs", "deploy/waiting", "-c", "script", check=False)
    assert "ran" not in log
    plugged.kubectl("-n", NAMESPACE, "delete", "deployment", "waiting", "--timeout=60s")


def test_a_pod_that_was_missed_holds_its_application_and_says_so(
    plugged: Cluster, node_pid: int
) -> None:
    manifest = plugged.tulle("install-cni").out
    plugged.kubectl("delete", "-f", "-", "--wait=true", stdin=manifest)
    root = Path(f"/proc/{node_pid}/root")
    networks = list((root / "etc/cni/net.d").glob("*.conflist"))
    plugins = [p["type"] for p in json.loads(networks[0].read_text())["plugins"]]
    assert "tulle-cni" not in plugins
    assert not (root / "opt/cni/bin/tulle-cni").exists()
    native = {"config.linkerd.io/proxy-enable-native-sidecar": "true"}
    script = "import time; print('ran', flush=True); time.sleep(3600)"
    for name, annotations in (("missed", {}), ("strict", native)):
        plugged.apply(restricted(script_pod(name, NAMESPACE, script, annotations=annotations)))

    def pod(name: str) -> dict[str, Any]:
        found = plugged.get("pods", "-n", NAMESPACE, "-l", f"app={name}")["items"]
        return dict(found[0]) if found else {}

    def logs(name: str, container: str) -> str:
        arguments = ("-n", NAMESPACE, "logs", f"deploy/{name}", "-c", container)
        return plugged.kubectl(*arguments, check=False)

    def state(name: str) -> dict[str, Any]:
        statuses = pod(name).get("status", {}).get("containerStatuses", [])
        return next((dict(s["state"]) for s in statuses if s["name"] == "script"), {})

    for name in ("missed", "strict"):
        plugged.until(
            lambda name=name: "this pod's traffic is not redirected" in logs(name, "tulle-proxy"),
            f"the proxy of {name} says why it does not start",
            90,
        )
    plugged.until(
        lambda: state("missed").get("waiting", {}).get("reason") == "CreateContainerConfigError",
        "the kubelet cannot start the application",
    )
    plugged.until(
        lambda: f"{NAMESPACE}/missed-" in plugged.tulle("check", "--wait", "0s", check=False).out,
        "check names the pod that is held",
    )
    for name in ("missed", "strict"):
        conditions = {c["type"]: c["status"] for c in pod(name)["status"]["conditions"]}
        assert conditions["Ready"] == "False"
        assert "waiting" in state(name), "without its proxy no app starts"
        assert "ran" not in logs(name, "script")

    plugged.kubectl("apply", "-f", "-", stdin=manifest)
    plugged.rollout("daemonset/tulle-cni", "tulle-cni")
    held = pod("missed")["metadata"]["name"]
    plugged.kubectl("-n", NAMESPACE, "delete", "pod", held, "--timeout=60s")
    plugged.rollout("deployment/missed", NAMESPACE)
    assert "ran" in logs("missed", "script")
