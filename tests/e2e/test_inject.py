"""Running deployments get their proxy, and lose it again, by a pipe through kubectl."""

import json

import pytest
from cluster import Cluster, script_pod

SLEEPS = "import time; time.sleep(3600)"


@pytest.fixture(scope="module")
def running(mesh: Cluster) -> str:
    """Two deployments that ran before the mesh knew them, one of which declines."""
    namespace = mesh.namespace("running", meshed=False)
    mesh.apply(script_pod("joins", namespace, SLEEPS))
    declines = {"linkerd.io/inject": "disabled"}
    mesh.apply(script_pod("declines", namespace, SLEEPS, annotations=declines))
    for name in ("joins", "declines"):
        mesh.rollout(f"deployment/{name}", namespace)
    return namespace


def ready(cluster: Cluster, namespace: str, name: str) -> str:
    """The READY column of the deployment's pod that is not on its way out."""
    listed = cluster.kubectl("-n", namespace, "get", "pods", "-l", f"app={name}", "--no-headers")
    return next(line.split()[1] for line in listed.splitlines() if "Terminating" not in line)


def test_running_deployments_roll_over_to_meshed_pods(mesh: Cluster, running: str) -> None:
    manifest = mesh.kubectl("-n", running, "get", "deployments", "-o", "yaml")
    injected = mesh.tulle("inject", "-", stdin=manifest)
    assert 'deployment "joins" injected' in injected.err
    assert 'deployment "declines" skipped' in injected.err
    mesh.kubectl("apply", "-f", "-", stdin=injected.out)
    mesh.rollout("deployment/joins", running)
    assert ready(mesh, running, "joins") == "2/2"
    assert ready(mesh, running, "declines") == "1/1"


def test_a_wrong_annotation_value_is_told_where_people_look(mesh: Cluster, running: str) -> None:
    """The pod runs with the default, and the event on its owner says what was wrong."""
    wrong = {"linkerd.io/inject": "enabled", "config.linkerd.io/proxy-cpu-request": "much"}
    mesh.apply(script_pod("mistaken", running, SLEEPS, annotations=wrong))
    mesh.rollout("deployment/mistaken", running)
    assert ready(mesh, running, "mistaken") == "2/2"

    def told() -> bool:
        events = mesh.get("events", "-n", running)["items"]
        return any("proxy-cpu-request" in (event.get("message") or "") for event in events)

    mesh.until(told, "an event names the annotation", seconds=15)


def test_uninject_takes_the_proxy_away(mesh: Cluster, running: str) -> None:
    manifest = mesh.kubectl("-n", running, "get", "deployment", "joins", "-o", "yaml")
    plain = mesh.tulle("uninject", "-", stdin=manifest)
    assert 'deployment "joins" uninjected' in plain.err
    mesh.kubectl("replace", "-f", "-", stdin=plain.out)
    mesh.rollout("deployment/joins", running)
    assert ready(mesh, running, "joins") == "1/1"


def test_manual_injection_needs_no_webhook(mesh: Cluster, running: str) -> None:
    objects = script_pod("by-hand", running, SLEEPS)
    written = mesh.tulle("inject", "--manual", "-", stdin=json.dumps(objects[0])).out
    assert "tulle-proxy" in written
    mesh.kubectl("apply", "-f", "-", stdin=written)
    mesh.rollout("deployment/by-hand", running)
    assert ready(mesh, running, "by-hand") == "2/2"
