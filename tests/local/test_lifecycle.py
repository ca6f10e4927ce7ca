"""A node from up to purge: it answers, keeps its state, recovers from kills, leaves nothing."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tulle.local import binaries, cgroups, status
from tulle.local.api import Api
from tulle.local.images import COREDNS_IMAGE
from tulle.local.paths import caches

NAME = "test"
COREFILE = ".:5353 {\n    health :8080\n}\n"


def is_ready() -> bool:
    folder = caches().bin
    absent = binaries.missing(folder, binaries.needed()) if folder.exists() else ["all"]
    return os.geteuid() == 0 and not absent


pytestmark = [
    pytest.mark.cluster,
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(not is_ready(), reason="needs root, and the node's programs in the cache"),
]


@dataclass(frozen=True)
class Traces:
    """What a machine shows of clusters; links and routes carry the clusters' own prefix."""

    links: frozenset[str]
    routes: frozenset[str]
    rules: str
    forwarding: str
    mounts: frozenset[str]
    processes: frozenset[str]
    groups: frozenset[str]
    files: frozenset[str]


def run(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def traces(root: Path) -> Traces:
    """Of clusters under `root`: another cluster on this machine may come and go meanwhile."""
    processes = set()
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            text = (folder / "cmdline").read_bytes().decode(errors="replace")
            if folder.name.isdigit() and str(root / NAME) in text:
                processes.add(text)
    group = f"tulle-{NAME}"
    found = [path for path in cgroups.hierarchies().of(group) if path.exists()]
    taken = {line for line in run("ip", "-4", "route").splitlines() if " dev tulle" in line}
    return Traces(
        links=frozenset(path.name for path in Path("/sys/class/net").glob("tulle*")),
        routes=frozenset(taken),
        rules="".join(line for line in run("iptables-save").splitlines() if line[:1] in "-:"),
        forwarding=Path("/proc/sys/net/ipv4/ip_forward").read_text(),
        mounts=frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        processes=frozenset(processes),
        groups=frozenset(map(str, found)),
        files=frozenset(map(str, root.parent.rglob("*"))),
    )


@dataclass(frozen=True)
class Launcher:
    root: Path
    kubeconfig: Path

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "tulle.cli.local", *argv, "--name", NAME],
            env={**self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done

    def environment(self) -> dict[str, str]:
        own = {"TULLE_LOCAL_ROOT": str(self.root), "KUBECONFIG": str(self.kubeconfig)}
        return {**os.environ, "TULLE_CACHE": str(caches().root), **own}

    def api(self) -> Api:
        return Api(self.root / NAME / "pki" / "admin.kubeconfig")

    def pid(self) -> int:
        pid: int = json.loads(self.run("status", "-o", "json").stdout)["pid"]
        return pid


@pytest.fixture(scope="module")
def launcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    """A root and a kubeconfig of their own, beside whatever else runs here."""
    folder = tmp_path_factory.mktemp("node")
    folder.chmod(0o755)
    config = folder / "kubeconfig"
    other = {"clusters": [], "users": [], "contexts": [{"name": "work", "context": {}}]}
    config.write_text(yaml.safe_dump({**other, "current-context": "work"}))
    launcher = Launcher(folder / "clusters", config)
    yield launcher
    launcher.run("down", "--purge", check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def before(launcher: Launcher) -> Traces:
    return traces(launcher.root)


@pytest.fixture(scope="module")
def seconds(launcher: Launcher, before: Traces) -> float:
    started = time.monotonic()
    launcher.run("up")
    return time.monotonic() - started


@pytest.fixture(scope="module")
def web(launcher: Launcher, seconds: float) -> str:
    """A Deployment behind a LoadBalancer; gives the URL that answers from the host."""
    with launcher.api() as api:
        for document in web_objects():
            eventually(partial(api.apply, document))
        path = "/api/v1/namespaces/default/services/web"
        ingress = eventually(lambda: api.get(path)["status"]["loadBalancer"]["ingress"])
    return f"http://{ingress[0]['ip']}:8090/health"


def web_objects() -> list[dict[str, Any]]:
    meta = {"name": "web", "namespace": "default"}
    container = {
        "name": "web",
        "image": COREDNS_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/config/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    }
    pod = {"containers": [container], "volumes": [{"name": "config", "configMap": {"name": "web"}}]}
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod}
    deployment = {"selector": {"matchLabels": labels}, "template": template}
    ports = [{"port": 8090, "targetPort": 8080}]
    service = {"type": "LoadBalancer", "selector": labels, "ports": ports}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"Corefile": COREFILE}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service},
    ]


def eventually(attempt: Callable[[], Any], within: float = 60.0) -> Any:
    """The first value of `attempt` that is true; what it raised last, when time is up."""
    deadline = time.monotonic() + within
    while True:
        try:
            if found := attempt():
                return found
        except Exception:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


def answers(url: str) -> bool:
    return httpx.get(url, timeout=1.0, trust_env=False).text == "OK"


def metrics(launcher: Launcher) -> Any:
    with launcher.api() as api:
        return api.get("/apis/metrics.k8s.io/v1beta1/nodes")["items"]


def test_up_returns_with_a_ready_node(launcher: Launcher, seconds: float) -> None:
    found = json.loads(launcher.run("status", "-o", "json").stdout)
    assert found["running"]
    assert found["node_ready"]
    assert {each["name"] for each in found["components"]} >= {"kubelet", "addresses", "etcd"}
    assert all(each["pid"] for each in found["components"])
    assert seconds < 60  # 12 on two idle cores; a busy machine is no failure


def test_the_context_is_current_beside_the_others(launcher: Launcher, seconds: float) -> None:
    config = yaml.safe_load(launcher.kubeconfig.read_text())
    assert config["current-context"] == "tulle-local-test"
    assert [each["name"] for each in config["contexts"]] == ["work", "tulle-local-test"]


def test_up_again_says_that_it_runs(launcher: Launcher, seconds: float) -> None:
    pid = launcher.pid()
    assert "was running already" in launcher.run("up").stderr
    assert launcher.pid() == pid


def test_a_load_balancer_answers_from_the_host(web: str) -> None:
    assert eventually(lambda: answers(web))


def test_metrics_come(launcher: Launcher, seconds: float) -> None:
    assert eventually(lambda: metrics(launcher))


def test_a_pod_without_image_is_named(launcher: Launcher, seconds: float) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "absent", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "docker.io/library/absent:1"}]},
    }
    with launcher.api() as api:
        eventually(lambda: api.apply(pod))

    def named() -> bool:
        found = status.read(launcher.root, NAME)
        return found is not None and bool(found.missing_images)

    assert eventually(named)
    assert "tulle local load" in launcher.run("status").stdout


def test_load_says_what_it_imported(launcher: Launcher, seconds: float) -> None:
    archive = caches().own_images / "coredns.tar"
    assert launcher.run("load", str(archive)).stdout.strip() == COREDNS_IMAGE
    refused = launcher.run("load", __file__, check=False)
    assert refused.returncode == 1
    assert "was not imported" in refused.stderr


def test_a_killed_node_is_repaired_by_up(launcher: Launcher, web: str) -> None:
    os.kill(launcher.pid(), signal.SIGKILL)
    launcher.run("up")
    assert eventually(lambda: answers(web))


def test_a_killed_component_is_started_again(launcher: Launcher, web: str) -> None:
    def scheduler() -> dict[str, Any]:
        found = json.loads(launcher.run("status", "-o", "json").stdout)
        return next(each for each in found["components"] if each["name"] == "kube-scheduler")

    before = scheduler()
    os.kill(before["pid"], signal.SIGKILL)

    def is_back() -> bool:
        now = scheduler()
        return now["restarts"] > before["restarts"] and now["pid"] is not None

    assert eventually(is_back)


def test_a_launcher_killed_halfway_is_repaired_by_up(launcher: Launcher, web: str) -> None:
    launcher.run("down")
    process = subprocess.Popen(
        [sys.executable, "-m", "tulle.cli.local", "up", "--name", NAME],
        env=launcher.environment(),
        stderr=subprocess.DEVNULL,
    )
    eventually(lambda: (launcher.root / NAME / "components.json").exists())
    process.kill()
    process.wait()
    launcher.run("up")
    assert eventually(lambda: answers(web))


def test_down_keeps_state_and_hands_the_context_back(launcher: Launcher, web: str) -> None:
    launcher.run("down")
    assert yaml.safe_load(launcher.kubeconfig.read_text())["current-context"] == "work"
    with contextlib.suppress(httpx.TransportError):
        assert not answers(web)  # what lies behind the default route may refuse in its own words
    assert launcher.run("status", check=False).returncode == 1
    launcher.run("up")
    assert eventually(lambda: answers(web))


def test_purging_leaves_nothing(launcher: Launcher, before: Traces, web: str) -> None:
    launcher.run("down", "--purge")
    assert traces(launcher.root) == before
