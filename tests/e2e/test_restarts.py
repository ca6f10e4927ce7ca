"""Nothing is lost while parts restart: the app's own pods, or the control plane's."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from cluster import Cluster


@dataclass
class Load:
    """Requests to the UI, each of which makes the UI ask the backend."""

    url: str
    sent: int = 0
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def drive(self) -> None:
        while not self.over.wait(0.02):
            self.sent += 1
            try:
                with urllib.request.urlopen(self.url, timeout=10) as answer:
                    answer.read()
            except (OSError, urllib.error.URLError) as error:
                self.failures.append(f"request {self.sent}: {error}")


@contextmanager
def load(cluster: Cluster) -> Iterator[Load]:
    address = cluster.kubectl(
        "get", "svc", "todoui", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"
    )
    driven = Load(f"http://{address}:8090/")
    threads = [threading.Thread(target=driven.drive) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield driven
    finally:
        driven.over.set()
        for thread in threads:
            thread.join()


def test_a_rolling_restart_of_two_replicas_loses_nothing(todo: Cluster) -> None:
    todo.kubectl("scale", "deployment/todobackend", "--replicas=2")
    try:
        todo.rollout("deployment/todobackend")
        with load(todo) as driven:
            todo.kubectl("rollout", "restart", "deployment/todobackend")
            todo.rollout("deployment/todobackend")
            before = driven.sent
            todo.until(lambda: driven.sent > before + 50, "load goes on after the rollout")
    finally:
        todo.kubectl("scale", "deployment/todobackend", "--replicas=1")
        todo.rollout("deployment/todobackend")
    assert driven.sent > 100
    assert not driven.failures, (driven.sent, driven.failures[:5])


def uids(cluster: Cluster, selector: str, condition: str | None = None) -> set[str]:
    """Of control-plane pods; `rollout status` may still speak of those that were killed."""
    return {
        pod["metadata"]["uid"]
        for pod in cluster.get("pods", "-n", "tulle", "-l", selector)["items"]
        if condition is None
        or any(
            found["type"] == condition and found["status"] == "True"
            for found in pod["status"].get("conditions", ())
        )
    }


@pytest.mark.parametrize(
    "component", ["tulle-identity", "tulle-destination", "tulle-proxy-injector"]
)
def test_a_killed_control_plane_pod_loses_nothing(todo: Cluster, component: str) -> None:
    selector = f"linkerd.io/control-plane-component={component.removeprefix('tulle-')}"
    killed = uids(todo, selector)
    with load(todo) as driven:
        todo.kubectl("-n", "tulle", "delete", "pod", "-l", selector, "--grace-period=0", "--force")
        todo.until(
            lambda: bool(ready := uids(todo, selector, "Ready")) and not ready & killed,
            f"another pod of {component} is ready",
            120,
        )
        before = driven.sent
        todo.until(lambda: driven.sent > before + 50, "load goes on after the restart")
    assert not driven.failures, (driven.sent, driven.failures[:5])


def test_new_pods_are_certified_after_identity_restarted(todo: Cluster) -> None:
    probe = ("run", "probe", "--image=none", "--dry-run=server", "-o", "yaml")
    todo.until(
        lambda: "tulle-proxy" in todo.kubectl(*probe), "the API server reaches the injector again"
    )
    todo.kubectl("rollout", "restart", "deployment/todoui")
    todo.rollout("deployment/todoui")
    pods = todo.get("pods", "-l", "app=todoui")["items"]
    meshed = [
        pod["metadata"]["name"]
        for pod in pods
        if any(c["name"] == "tulle-proxy" for c in pod["spec"].get("initContainers", ()))
    ]
    assert len(meshed) == len(pods), "a pod was made while the injector was away"
