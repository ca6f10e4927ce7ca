"""What viz says of traffic whose rate and share of errors are known."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import Cluster, client_script, script_pod, server_script

NAMESPACE = "measured"
RATE = 10.0  # requests per second
FAILING = 5  # one request in so many
PORT = 8000

SERVER = server_script(PORT)
CLIENT = client_script(f"server.{NAMESPACE}", PORT, RATE, FAILING)


def stat(cluster: Cluster, *arguments: str) -> list[dict[str, Any]]:
    out = cluster.tulle("viz", "stat", *arguments, "-t", "30s", "-o", "json").out
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


def is_true(row: dict[str, Any]) -> bool:
    """Within five hundredths of what the client does."""
    expected = 1 - 1 / FAILING
    return (
        row["rps"] is not None
        and abs(row["rps"] - RATE) < RATE / 20
        and abs(row["success"] - expected) < expected / 20
        and row["latency_ms_p99"] is not None
    )


@pytest.fixture(scope="module")
def load(viz: Cluster) -> Iterator[Cluster]:
    """A client that asks a server at a known rate, for as long as these stories take."""
    viz.namespace(NAMESPACE)
    viz.apply(script_pod("server", NAMESPACE, SERVER, port=PORT))
    viz.rollout("deployment/server", NAMESPACE)
    viz.apply(script_pod("client", NAMESPACE, CLIENT))
    viz.rollout("deployment/client", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_components_run_meshed_and_can_do_little(viz: Cluster) -> None:
    for name in ("metrics-api", "prometheus"):
        pods = viz.kubectl("-n", "tulle-viz", "get", "pods", "-l", f"component={name}")
        assert "2/2" in pods
    account = "--as=system:serviceaccount:tulle-viz:prometheus"
    allowed = viz.run("kubectl", "auth", "can-i", "list", "pods", "-A", account, check=False)
    assert allowed.out.strip() == "no"
    check = viz.tulle("viz", "check", "--wait", "60s")
    assert "×" not in check.out
    assert "‼" not in check.out


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["deployments"], "server"),
        (["deployment/server"], "server"),
        (["services"], "server"),
        (["deployments", "--to", "service/server"], "client"),
        (["deployments", "--to", "deploy/server"], "client"),
        (["deployments", "--from", "deploy/client"], "server"),
        (["services", "--from", "deploy/client"], "server"),
        (["namespace/measured"], "measured"),
    ],
    ids=" ".join,
)
def test_numbers_are_those_of_the_load(load: Cluster, arguments: list[str], name: str) -> None:
    place = [] if "namespace/measured" in arguments else ["-n", NAMESPACE]
    seen: list[dict[str, Any]] = []

    def holds() -> bool:
        seen[:] = [row for row in stat(load, *arguments, *place) if row["name"] == name]
        return len(seen) == 1 and is_true(seen[0])

    try:
        load.until(holds, f"{arguments} tells {RATE} requests per second", 90)
    except AssertionError as error:
        raise AssertionError(f"{error}; last seen: {seen}") from error


def test_a_table_has_the_columns_and_says_what_a_failure_is(load: Cluster) -> None:
    asked = ("viz", "stat", "pods", "-n", NAMESPACE, "--to", "service/server")
    load.until(lambda: load.tulle(*asked).out != "", "the client's requests are known", 90)
    found = load.tulle(*asked)
    lines = found.out.splitlines()
    assert lines[0].split() == [
        "NAME", "STATUS", "MESHED", "SUCCESS", "RPS",
        "LATENCY_P50", "LATENCY_P95", "LATENCY_P99", "TCP_CONN",
    ]  # fmt: skip
    assert [line.split()[0].rpartition("-")[0].rpartition("-")[0] for line in lines[1:]] == [
        "client"
    ]
    assert found.err.count("5xx") == 1


@pytest.mark.parametrize(
    "policy", ["servers/metrics-api", "authorizationpolicies/metrics-api"], ids=str
)
def test_policies_tell_what_they_let_in(viz: Cluster, policy: str) -> None:
    """Prometheus asks metrics-api for the pods every two seconds."""

    def holds() -> bool:
        (row,) = stat(viz, policy, "-n", "tulle-viz")
        return row["rps"] is not None and row["rps"] > 0.2 and row["success"] == 1

    viz.until(holds, f"{policy} has let Prometheus in", 90)


def test_edges_are_secured_even_those_of_prometheus(load: Cluster) -> None:
    def holds() -> bool:
        rows = load.tulle("viz", "edges", "deployments", "-n", NAMESPACE).out.splitlines()[1:]
        found = {tuple(row.split()) for row in rows}
        return {
            ("client", "server", NAMESPACE, NAMESPACE, "√"),
            ("prometheus", "server", "tulle-viz", NAMESPACE, "√"),
            ("prometheus", "client", "tulle-viz", NAMESPACE, "√"),
        } <= found

    load.until(holds, "the edges of client, server and prometheus show mutual TLS", 60)


def test_prometheus_enters_a_closed_namespace_when_it_is_let(viz: Cluster) -> None:
    """Where the default policy is deny, nobody reads metrics until a policy says who may."""
    closed = viz.namespace("closed")
    deny = "config.linkerd.io/default-inbound-policy=deny"
    viz.kubectl("annotate", "namespace", closed, deny, "--overwrite")
    viz.apply(script_pod("locked", closed, "import time\ntime.sleep(3600)"))
    viz.rollout("deployment/locked", closed)

    def reached() -> bool:
        check = viz.tulle("viz", "check", "--proxy", "--wait", "0s", check=False).out
        return "√ Prometheus reaches every proxy" in check

    try:
        viz.until(lambda: not reached(), "Prometheus is kept out", 30)
        policies = viz.tulle("viz", "allow-scrapes", "-n", closed).out
        viz.kubectl("apply", "-f", "-", stdin=policies)
        viz.until(reached, "Prometheus is let in", 30)
    finally:
        viz.kubectl("delete", "namespace", closed, "--wait=false")


def test_what_is_empty_says_why(viz: Cluster) -> None:
    bare = viz.namespace("unmeasured", meshed=False)
    nothing = viz.tulle("viz", "stat", "deployments", "-n", bare)
    assert nothing.out == ""
    assert "nothing was found in the namespace unmeasured" in nothing.err
    unmeshed = viz.tulle("viz", "stat", "deployments", "-n", "kube-system")
    assert unmeshed.out == ""
    assert "none of them meshed" in unmeshed.err
    shown = viz.tulle("viz", "stat", "deployments", "-n", "kube-system", "--unmeshed")
    assert "coredns" in shown.out
    missing = viz.tulle("viz", "stat", "deployments", "-n", "nowhere", check=False)
    assert missing.code == 1
    assert "the namespace nowhere does not exist" in missing.err


def test_what_is_down_is_named(viz: Cluster) -> None:
    viz.kubectl("-n", "tulle-viz", "scale", "deployment/prometheus", "--replicas=0")
    try:
        viz.until(
            lambda: viz.tulle("viz", "edges", "deployments", check=False).code == 1,
            "edges fail without Prometheus",
        )
        failed = viz.tulle("viz", "stat", "deployments", check=False)
        assert failed.code == 1
        assert "Prometheus" in failed.err
        assert "is it running?" in failed.err
        check = viz.tulle("viz", "check", "--wait", "0s", check=False)
        assert check.code == 1
        assert "× metrics-api reaches Kubernetes and Prometheus" in check.out
        viz.kubectl("-n", "tulle-viz", "scale", "deployment/metrics-api", "--replicas=0")
        viz.until(
            lambda: "has no pod" in viz.tulle("viz", "stat", "deploy", check=False).err,
            "stat names metrics-api",
        )
    finally:
        both = ("deployment/metrics-api", "deployment/prometheus")
        viz.kubectl("-n", "tulle-viz", "scale", *both, "--replicas=1")
        for name in both:
            viz.rollout(name, "tulle-viz")


def test_applying_again_changes_nothing(viz: Cluster) -> None:
    manifest = viz.tulle("viz", "install", "--set", "prometheus.scrapeInterval=2s").out
    lines = viz.kubectl("apply", "-f", "-", stdin=manifest).splitlines()
    assert [line for line in lines if not line.endswith("unchanged")] == []


def test_nothing_of_it_remains(viz: Cluster) -> None:
    """Uninstalled, though a namespace that it let Prometheus into is just going too."""
    going = viz.namespace("going", meshed=False)
    policies = viz.tulle("viz", "allow-scrapes", "-n", going).out
    viz.kubectl("apply", "-f", "-", stdin=policies)
    try:
        viz.kubectl("delete", "namespace", going, "--wait=false")
        listed = viz.tulle("viz", "uninstall").out
        assert f"namespace: {going}" not in listed
        viz.kubectl("delete", "-f", "-", "--timeout=120s", stdin=listed)
        again = viz.tulle("viz", "uninstall", check=False)
        assert again.code == 1
        assert "nothing of viz to uninstall" in again.err
        missing = viz.tulle("viz", "stat", "deployments", check=False)
        assert missing.code == 1
        assert "viz is not installed" in missing.err
        assert viz.tulle("check", "--wait", "30s").code == 0
    finally:
        viz.install_viz()
