"""The dashboard as a browser gets it, over the port-forward that the command makes."""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from cluster import TULLE, Cluster, client_script, script_pod, server_script

NAMESPACE = "shown"
RATE = 10.0  # requests per second
FAILING = 5  # one request in so many
PORT = 8000
PROFILE_PATH = f"/api/profiles/{NAMESPACE}/server"
MOST_MEBIBYTES = 40

SERVER = server_script(PORT)
CLIENT = client_script(f"server.{NAMESPACE}", PORT, RATE, FAILING)
PROFILE = f"""
apiVersion: linkerd.io/v1alpha2
kind: ServiceProfile
metadata:
  name: server.{NAMESPACE}.svc.cluster.local
spec:
  routes:
    - name: GET /fail
      condition:
        pathRegex: /fail
"""


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


@pytest.fixture(scope="module")
def load(viz: Cluster) -> Iterator[Cluster]:
    """A client that asks a server at a known rate, one request in five in vain."""
    viz.namespace(NAMESPACE)
    viz.apply(script_pod("server", NAMESPACE, SERVER, port=PORT))
    viz.rollout("deployment/server", NAMESPACE)
    viz.apply(script_pod("client", NAMESPACE, CLIENT))
    viz.rollout("deployment/client", NAMESPACE)
    yield viz
    viz.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def ask(address: str, path: str, **query: str) -> Any:
    question = f"{address}{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(question, timeout=20) as answer:
        return json.load(answer)


def row_of(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((row for row in rows if row["name"] == name), {})


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
        rows = ask(dashboard, "/namespaces/default/deployments.json")["rows"]
        found = row_of(rows, "todoui")
        return found.get("success") == 1.0 and (found["meshed"], found["pods"]) == (1, 1)

    todo.until(is_shown, "the dashboard shows the success rate of todoui", seconds=90)
    page = ask(dashboard, "/namespaces/default/deployments/todoui.json")
    edge = next(edge for edge in page["edges"] if edge["dst"]["name"] == "todobackend")
    assert (edge["secured"], edge["reason"]) == (True, "")
    assert edge["serverId"].endswith(".default")
    certificate = page["certificates"][0]
    assert certificate["state"] == "ok"
    assert certificate["notAfter"] > time.time()
    assert certificate["proxyVersion"]
    topology = ask(dashboard, "/api/topology")
    ids = {node["id"] for node in topology["nodes"]}
    assert {"deployment/default/todoui", "deployment/tulle-viz/prometheus"} <= ids
    assert all({edge["src"], edge["dst"]} <= ids for edge in topology["edges"])


def test_its_numbers_are_those_of_the_command_line(dashboard: str, load: Cluster) -> None:
    """Both ask metrics-api, a moment apart: what differs is that moment's traffic."""

    def shown() -> dict[str, Any]:
        query = {"namespace": NAMESPACE, "window": "30s"}
        return row_of(ask(dashboard, "/api/workloads", **query)["rows"], "server")

    def printed() -> dict[str, Any]:
        out = load.tulle("viz", "stat", "deployments", "-n", NAMESPACE, "-t", "30s", "-o", "json")
        return row_of(json.loads(out.out), "server")

    def is_steady() -> bool:
        found = shown()
        return found["rps"] is not None and abs(found["rps"] - RATE) < RATE / 20

    load.until(is_steady, "the dashboard shows the client's rate", seconds=120)
    page, line = shown(), printed()
    assert page["rps"] == pytest.approx(line["rps"], rel=0.05)
    assert page["success"] == pytest.approx(line["success"], abs=0.02)
    assert page["success"] == pytest.approx(1 - 1 / FAILING, abs=0.03)
    for quantile in ("p50", "p95"):
        assert page[quantile] == pytest.approx(line[f"latency_ms_{quantile}"], rel=0.5, abs=2)

    def is_told_of_its_client() -> bool:
        path = "/api/workloads/deployment/shown/server"
        edge = ask(dashboard, path, window="30s")["inbound"][0]
        assert edge["name"] == "client"
        return edge["rps"] == pytest.approx(RATE, rel=0.1)

    load.until(is_told_of_its_client, "the workload's page tells its client's rate", seconds=60)


def test_the_first_screen_says_what_hurts_and_that_the_mesh_is_well(
    dashboard: str, load: Cluster
) -> None:
    found: dict[str, Any] = {}

    def is_told() -> bool:
        found.update(ask(dashboard, "/api/overview"))
        pains = [pain for pain in found["pains"] if pain["namespace"] == NAMESPACE]
        return any(pain["what"] == "success" for pain in pains)

    load.until(is_told, "the failing server is a pain", seconds=120)
    states = {part["id"]: part for part in found["health"]}
    for known in ("identity", "destination", "proxy-injector", "certificates", "trust-anchor"):
        assert states[known]["state"] == "ok", states[known]
    for known in ("metrics-api", "tap", "tap-api", "history"):
        assert states[known]["state"] == "ok", states[known]
    changes = {(change["what"], change["name"]) for change in found["changes"]}
    assert ("new", "server") in changes
    assert found["totals"]["rps"] > RATE / 2
    assert found["totals"]["securedShare"] > 0.5


def test_history_is_kept_by_the_dashboard_itself(dashboard: str, load: Cluster) -> None:
    query = {"kind": "deployment", "namespace": NAMESPACE, "name": "server"}

    def is_kept() -> bool:
        begin = str(time.time() - 30)
        found = ask(dashboard, "/api/history", **query, **{"from": begin})
        known = [value for value in found["series"]["rps"] if value is not None]
        return found["source"] == "own" and len(known) >= 2 and abs(known[-1] - RATE) < RATE / 5

    load.until(is_kept, "two samples are kept", seconds=120)
    past = str(time.time() - 20)
    then = ask(dashboard, "/api/workloads", namespace=NAMESPACE, at=past)
    assert row_of(then["rows"], "server")["rps"] > 0
    assert row_of(then["rows"], "server")["pods"] is None


def test_tap_runs_in_the_page(dashboard: str, todo: Cluster) -> None:
    path = "/api/tap?namespace=default&kind=deployment&name=todoui"
    found: dict[str, Any] = {}
    deadline = time.monotonic() + 60
    with urllib.request.urlopen(f"{dashboard}{path}", timeout=20) as stream:
        for raw in stream:
            if raw.startswith(b"data: {"):
                event = json.loads(raw.removeprefix(b"data: "))
                if event.get("requestInitEvent", {}).get("path", "").startswith("/todos"):
                    found = event
                    break
                visit(todo)  # while Prometheus asks its proxy, so the tap is on
            assert time.monotonic() < deadline, "the tap never showed the visit"
    assert found["requestInitEvent"]["method"] == "GET"
    assert found["proxyDirection"] == "OUTBOUND"


def test_a_port_that_is_taken_is_named_or_given_way_to(dashboard: str, viz: Cluster) -> None:
    taken = dashboard.rpartition(":")[2]
    refused = viz.tulle("viz", "dashboard", "--show", "url", "-p", taken, check=False)
    assert refused.code == 1
    assert f"the port {taken} of this machine is taken" in refused.err


def test_the_address_stays_when_its_pod_is_replaced(dashboard: str, viz: Cluster) -> None:
    words = ("-n", "tulle-viz", "get", "pods", "-l", "component=web", "-o", "name")
    before = viz.kubectl(*words)
    viz.kubectl("-n", "tulle-viz", "rollout", "restart", "deployment/web")
    viz.rollout("deployment/web", "tulle-viz")
    viz.until(lambda: not set(before.split()) & set(viz.kubectl(*words).split()), "it is gone")

    def is_answered() -> bool:
        try:
            return bool(ask(dashboard, "/api/session")["version"])
        except OSError:
            return False

    viz.until(is_answered, "the next pod answers at the same address")


def put(address: str, text: str, token: str | None) -> tuple[int, dict[str, Any]]:
    return put_json(f"{address}{PROFILE_PATH}", {"profile": text}, token)


def put_json(
    address: str, content: dict[str, Any], token: str | None
) -> tuple[int, dict[str, Any]]:
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    body = json.dumps(content).encode()
    request = urllib.request.Request(address, body, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def token_of(
    cluster: Cluster, account: str, verbs: list[str], resource: str = "serviceprofiles.linkerd.io"
) -> str:
    """Of an account that may do so much with one kind, and nothing else."""
    cluster.kubectl("-n", NAMESPACE, "create", "serviceaccount", account)
    if verbs:
        resource = f"--resource={resource}"
        words = [f"--verb={verb}" for verb in verbs]
        cluster.kubectl("-n", NAMESPACE, "create", "role", account, resource, *words)
        subject = f"--serviceaccount={NAMESPACE}:{account}"
        role = f"--role={account}"
        cluster.kubectl("-n", NAMESPACE, "create", "rolebinding", account, role, subject)
    return cluster.kubectl("-n", NAMESPACE, "create", "token", account).strip()


@pytest.fixture
def weighed(load: Cluster) -> Iterator[Cluster]:
    """A Service whose route sends all to the first of two backends, and a client of it."""
    backends = [
        {"name": f"side-{number}", "port": PORT, "weight": weight}
        for number, weight in ((1, 100), (2, 0))
    ]
    parent = {"group": "", "kind": "Service", "name": "weighed", "port": PORT}
    metadata = {"name": "weighed", "namespace": NAMESPACE}
    for number in (1, 2):
        load.apply(script_pod(f"side-{number}", NAMESPACE, SERVER, port=PORT))
    load.apply(
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"selector": {"app": "side-1"}, "ports": [{"port": PORT}]},
            },
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": metadata,
                "spec": {"parentRefs": [parent], "rules": [{"backendRefs": backends}]},
            },
        ]
    )
    for number in (1, 2):
        load.rollout(f"deployment/side-{number}", NAMESPACE)
    load.apply(
        script_pod("weigher", NAMESPACE, client_script(f"weighed.{NAMESPACE}", PORT, RATE, 1000))
    )
    load.rollout("deployment/weigher", NAMESPACE)
    yield load
    load.kubectl("-n", NAMESPACE, "delete", "httproute/weighed", "deployment/weigher")


def test_weights_are_moved_and_the_traffic_follows(dashboard: str, weighed: Cluster) -> None:
    def split() -> dict[str, Any]:
        path = f"/api/splits/{NAMESPACE}/weighed"
        found: dict[str, Any] = ask(dashboard, path, window="10s")["splits"][0]
        return found

    def rates() -> list[float]:
        return [backend["rps"] or 0 for backend in split()["backends"]]

    weighed.until(lambda: rates()[0] > RATE / 2, "the first side has the traffic", seconds=90)
    assert rates()[1] == 0
    resource = "httproutes.gateway.networking.k8s.io"
    address = f"{dashboard}/api/splits/{NAMESPACE}/{resource}/weighed"
    wanted = {"rule": 0, "generation": split()["generation"], "weights": [0, 100]}
    status, content = put_json(address, wanted, token_of(weighed, "looker", []))
    assert status == 403
    assert 'cannot patch resource "httproutes"' in content["error"]
    assert f'in the namespace "{NAMESPACE}"' in content["error"]
    shifter = token_of(weighed, "shifter", ["patch"], resource)
    assert put_json(f"{address}?dryRun=true", wanted, shifter)[0] == 200
    assert [backend["weight"] for backend in split()["backends"]] == ["100", "0"]
    status, content = put_json(address, wanted, shifter)
    assert (status, content["before"], content["after"]) == (200, ["100", "0"], ["0", "100"])

    def has_followed() -> bool:
        first, second = rates()
        return first == 0 and second > RATE / 2

    weighed.until(has_followed, "the second side has the traffic", seconds=90)
    status, content = put_json(address, wanted, shifter)
    assert status == 409
    assert "somebody else changed the HTTPRoute weighed meanwhile" in content["error"]


def test_a_profile_is_written_by_the_rights_of_who_asks(dashboard: str, load: Cluster) -> None:
    assert ask(dashboard, PROFILE_PATH)["exists"] is False
    assert put(dashboard, PROFILE, None)[0] == 401
    assert put(dashboard, PROFILE, "not.a.token")[0] == 401
    stranger = token_of(load, "stranger", [])
    status, content = put(dashboard, PROFILE, stranger)
    assert status == 403
    assert "stranger" in content["error"]
    author = token_of(load, "author", ["get", "create", "update"])
    status, content = put(dashboard, "kind: ServiceProfile\nspec: []\n", author)
    assert status == 422
    assert {problem["path"] for problem in content["problems"]} >= {"apiVersion", "spec"}
    assert put(dashboard, PROFILE, author) == (200, {"created": True, "profile": ANY})
    status, content = put(dashboard, PROFILE.replace("GET /fail", "failing"), author)
    assert (status, content["created"]) == (200, False)
    assert "name: failing" in ask(dashboard, PROFILE_PATH)["profile"]
    may = urllib.request.Request(
        f"{dashboard}/api/can/profiles/{NAMESPACE}", headers={"Authorization": f"Bearer {author}"}
    )
    with urllib.request.urlopen(may, timeout=20) as answer:
        assert json.load(answer) == {"create": True, "update": True}

    def are_routes_told() -> bool:
        rows = ask(dashboard, "/api/routes", namespace=NAMESPACE, window="30s")["rows"]
        found = next((row for row in rows if row["route"] == "failing"), {})
        return found.get("success") == 0.0 and found["rps"] > 0

    load.until(are_routes_told, "the new route has numbers", seconds=120)

    def is_told() -> bool:
        changes = ask(dashboard, "/api/overview")["changes"]
        return any(change["what"] == "profile" for change in changes)

    load.until(is_told, "the profile is among the changes")


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


ANY = _Any()


def test_its_own_account_may_write_nothing(viz: Cluster) -> None:
    account = "--as=system:serviceaccount:tulle-viz:web"
    for words in (
        ("update", "serviceprofiles.linkerd.io", "-A"),
        ("get", "secrets", "-A"),
        ("list", "configmaps", "-n", "tulle"),
        ("list", "pods", "-A"),
    ):
        allowed = viz.run("kubectl", "auth", "can-i", *words, account, check=False)
        assert allowed.out.strip() == "no", words


def test_it_stays_small_with_its_history_on(dashboard: str, viz: Cluster) -> None:
    def memory() -> int:
        words = ("-n", "tulle-viz", "top", "pod", "--containers", "--no-headers")
        out = viz.run("kubectl", *words, "-l", "component=web", check=False).out
        found = re.search(r"\bweb\s+\d+m\s+(\d+)Mi", out)
        return int(found[1]) if found else 0

    viz.until(lambda: memory() > 0, "metrics-server knows web", seconds=120)
    assert memory() <= MOST_MEBIBYTES


def test_a_page_of_another_name_is_refused(dashboard: str) -> None:
    request = urllib.request.Request(f"{dashboard}/namespaces", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=20)
    with refused.value as answer:
        assert answer.code == 400
