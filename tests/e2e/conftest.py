"""One node of the tests' own with the mesh on it, shared by all stories.

The node is called `e2e`, or what TULLE_TEST_NODE says. A cluster that the caller's KUBECONFIG names
is never touched; another cluster is used only when TULLE_TEST_CONTEXT names its context.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster

ROOT = Path(__file__).resolve().parents[2]
NODE = os.environ.get("TULLE_TEST_NODE", "e2e")
LAST = {"test_uninstall.py": 1, "test_helm.py": 2}  # the one leaves the cluster bare for the other
TIMES: dict[str, float] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
    items.sort(key=lambda item: LAST.get(item.path.name, 0))


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Kubernetes without the mesh."""
    kubeconfig = tmp_path_factory.mktemp("kube") / "config"
    if context := os.environ.get("TULLE_TEST_CONTEXT"):
        shutil.copy(Path.home() / ".kube" / "config", kubeconfig)
        yield Cluster(kubeconfig, context)
        return
    cluster = Cluster(kubeconfig)
    cluster.run(cluster_program(), "local", "up", "--name", NODE, timeout=1800)
    yield cluster
    if not os.environ.get("TULLE_TEST_KEEP"):
        cluster.run(cluster_program(), "local", "down", "--purge", "--name", NODE)


def cluster_program() -> Path:
    return Path(sys.executable).with_name("tulle")


@pytest.fixture(scope="session")
def mesh(bare: Cluster) -> Cluster:
    """The control plane installed and Available, by the commands a user types.

    A node that TULLE_TEST_KEEP left up has it already.
    """
    kept = bare.run("kubectl", "get", "namespace", "tulle", check=False).code == 0
    if os.environ.get("TULLE_TEST_KEEP") and kept:
        return bare
    bare.tulle("check", "--pre")
    bare.kubectl("apply", "-f", "-", stdin=bare.tulle("install", "--crds").out)
    manifest = bare.tulle("install").out
    started = time.monotonic()
    bare.kubectl("apply", "-f", "-", stdin=manifest)
    try:
        bare.kubectl(
            "-n",
            "tulle",
            "wait",
            "--for=condition=Available",
            "deployment",
            "--all",
            "--timeout=120s",
        )
    except AssertionError as error:
        raise AssertionError(f"{error}\n{bare.describe('tulle')}") from error
    TIMES["install to Available"] = time.monotonic() - started
    return bare


@pytest.fixture(scope="session")
def todo(mesh: Cluster) -> Cluster:
    """The todo app in the namespace `default`, meshed, answering at its LoadBalancer address."""
    mesh.kubectl("annotate", "namespace", "default", "linkerd.io/inject=enabled", "--overwrite")
    for manifest in sorted((ROOT / "examples" / "todo").glob("*.yaml")):
        mesh.kubectl("apply", "-f", str(manifest))
    mesh.rollout("deployment/todobackend")
    mesh.rollout("deployment/todoui")
    return mesh


@pytest.fixture(scope="session")
def viz(mesh: Cluster) -> Cluster:
    """The mesh with the extension viz. A story that takes it away puts it back."""
    mesh.install_viz()
    return mesh


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, seconds in TIMES.items():
        terminalreporter.write_line(f"{what}: {seconds:.1f} s")


@pytest.fixture(scope="session")
def node_pid(bare: Cluster) -> int:
    """Pid 1 of the local node, to look at its network from outside."""
    if bare.context:
        pytest.skip(
            "needs the node of `tulle local`, not the cluster that TULLE_TEST_CONTEXT names"
        )
    status = bare.run(cluster_program(), "local", "status", "--name", NODE, "-o", "json")
    return int(json.loads(status.out)["pid"])
