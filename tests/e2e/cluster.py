"""What the stories type: kubectl and tulle against one cluster, with the real programs."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TULLE = Path(sys.executable).with_name("tulle")
CONTROLLER_IMAGE = "docker.io/tulle/controller:0.1.0"  # has Python and grpc


class CommandFailed(AssertionError):
    """A command that had to succeed did not; shows all that it said."""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Cluster:
    """One Kubernetes, named by a kubeconfig file of the tests' own."""

    kubeconfig: Path
    context: str | None = None

    def run(
        self,
        *command: str | Path,
        stdin: str | None = None,
        check: bool = True,
        timeout: float = 180,
    ) -> Result:
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        done = subprocess.run(
            [str(part) for part in command],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode != 0:
            shown = " ".join(map(str, command))
            raise CommandFailed(f"{shown}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return Result(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *arguments: str, **options: Any) -> str:
        extra = ["--context", self.context] if self.context else []
        return self.run("kubectl", *extra, *arguments, **options).out

    def tulle(self, *arguments: str, **options: Any) -> Result:
        extra = ["--context", self.context] if self.context else []
        return self.run(TULLE, *arguments, *extra, **options)

    def apply(self, manifest: str | dict[str, Any] | list[dict[str, Any]]) -> str:
        if not isinstance(manifest, str):
            items = manifest if isinstance(manifest, list) else [manifest]
            manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        return self.kubectl("apply", "-f", "-", stdin=manifest)

    def get(self, *arguments: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return content

    def rollout(self, name: str, namespace: str = "default", seconds: int = 120) -> None:
        try:
            self.kubectl(
                "-n",
                namespace,
                "rollout",
                "status",
                name,
                f"--timeout={seconds}s",
                timeout=seconds + 9,
            )
        except CommandFailed as error:
            raise CommandFailed(f"{error}\n{self.describe(namespace)}") from error

    def describe(self, namespace: str) -> str:
        """What a person would look at next: the pods and the last events of a namespace."""
        pods = self.kubectl("-n", namespace, "get", "pods", "-o", "wide", check=False)
        events = self.kubectl("-n", namespace, "get", "events", check=False)
        return f"{pods}\n{events[-3000:]}"

    def namespace(self, name: str, *, meshed: bool = True) -> str:
        """A fresh namespace; pods made in it are meshed if asked."""
        annotations = {"linkerd.io/inject": "enabled"} if meshed else {}
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "annotations": annotations},
            }
        )
        self.until(
            lambda: (
                self.run(
                    "kubectl", "-n", name, "get", "serviceaccount", "default", check=False
                ).code
                == 0
            ),
            f"namespace {name} has its default service account",
        )
        return name

    def install_viz(self) -> None:
        """The extension as the stories want it; waits out an uninstall that is not over yet."""
        shown = self.run("kubectl", "get", "namespace", "tulle-viz", "-o", "json", check=False)
        if shown.code == 0 and "deletionTimestamp" in json.loads(shown.out)["metadata"]:
            self.kubectl("wait", "--for=delete", "namespace/tulle-viz", "--timeout=120s")
        # Proxies are asked often enough for a story to end soon.
        manifest = self.tulle("viz", "install", "--set", "prometheus.scrapeInterval=2s").out
        self.kubectl("apply", "-f", "-", stdin=manifest)
        for name in ("metrics-api", "prometheus", "tap", "tap-injector", "web"):
            self.rollout(f"deployment/{name}", "tulle-viz")

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.2)

    def metrics(self, target: str, namespace: str = "default") -> str:
        """The proxies' own metrics, got the way a user gets them."""
        return self.tulle("diagnostics", "proxy-metrics", "-n", namespace, target).out


def samples(text: str, family: str) -> list[tuple[dict[str, str], float]]:
    """The samples of one metric family: labels and value."""
    found = []
    for line in text.splitlines():
        name, brace, rest = line.partition("{")
        if brace and name == family:
            labels, _, value = rest.rpartition("} ")
            pairs = (pair.split('="', 1) for pair in labels.rstrip('"').split('",') if "=" in pair)
            found.append((dict(pairs), float(value)))  # type: ignore[arg-type]
    return found


def script_pod(
    name: str,
    namespace: str,
    source: str,
    *,
    port: int | None = None,
    annotations: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """A Deployment that runs a Python script, with a Service if it has a port."""
    labels = {"app": name}
    container: dict[str, Any] = {
        "name": "script",
        "image": CONTROLLER_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "-c", source],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
    }
    if port is not None:
        container["ports"] = [{"containerPort": port}]
        container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
    objects: list[dict[str, Any]] = [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels, "annotations": annotations or {}},
                    "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
                },
            },
        }
    ]
    if port is not None:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": namespace},
                "spec": {"selector": labels, "ports": [{"port": port, "targetPort": port}]},
            }
        )
    return objects


def server_script(port: int) -> str:
    """An HTTP/1.1 server whose every answer is two bytes; that of /fail is a 503."""
    return f"""
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(503 if self.path == "/fail" else 200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments):
        pass
ThreadingHTTPServer(("", {port}), Handler).serve_forever()
"""


def client_script(server: str, port: int, rate: float, failing: int) -> str:
    """`rate` requests per second on one connection, one in `failing` of them for /fail."""
    return f"""
import http.client, time
connection = http.client.HTTPConnection("{server}", {port})
began, number = time.monotonic(), 0
while True:
    number += 1
    time.sleep(max(0, began + number / {rate} - time.monotonic()))
    connection.request("GET", "/fail" if number % {failing} == 0 else "/")
    connection.getresponse().read()
"""
