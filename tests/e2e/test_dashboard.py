"""The dashboard as a browser gets it, over the port-forward that the command makes."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from cluster import TULLE, Cluster


@pytest.fixture(scope="module")
def dashboard(viz: Cluster, todo: Cluster) -> Iterator[str]:
    """Its address on this machine."""
    viz.rollout("deployment/web", "tulle-viz")
    viz.rollout("deployment/tap", "tulle-viz")
    context = ["--context", viz.context] if viz.context else []
    command = [str(TULLE), "viz", "dashboard", "--show", "url", "-p", "0", *context]
    command += ["--kubeconfig", str(viz.kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.terminate()


def page(address: str, path: str, host: str | None = None) -> str:
    request = urllib.request.Request(f"{address}{path}", headers={"Host": host} if host else {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())


def visit(cluster: Cluster) -> None:
    """A request to the app, so that there is something to see."""
    address = cluster.kubectl(
        "get", "svc", "todoui", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"
    )
    with urllib.request.urlopen(f"http://{address}:8090/", timeout=5) as answer:
        assert answer.status == 200


def test_deployments_have_live_numbers_and_secured_edges(dashboard: str, todo: Cluster) -> None:
    def is_shown() -> bool:
        visit(todo)
        found = page(dashboard, "/namespaces/default/deployments")
        row = re.search(r"<tr>(?:(?!</tr>).)*>todoui<.*?</tr>", found)
        return row is not None and "100.00%" in row[0] and "1/1" in row[0]

    todo.until(is_shown, "the dashboard shows the success rate of todoui", seconds=90)
    edges = page(dashboard, "/namespaces/default/deployments/todoui")
    assert "√ mutual TLS" in edges
    assert "todobackend" in edges


def test_tap_runs_in_the_page(dashboard: str, todo: Cluster) -> None:
    path = "/api/tap?namespace=default&kind=deployment&name=todoui"
    lines = []
    with urllib.request.urlopen(f"{dashboard}{path}", timeout=20) as stream:
        visit(todo)
        for raw in stream:
            line = raw.decode()
            if line.startswith("data: ") and ":path=/todos" in line:
                lines.append(json.loads(line.removeprefix("data: ")))
                break
    assert lines[0].startswith("req ")


def test_a_page_of_another_name_is_refused(dashboard: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        page(dashboard, "/namespaces", host="evil.example")
    with refused.value as answer:
        assert answer.code == 400
