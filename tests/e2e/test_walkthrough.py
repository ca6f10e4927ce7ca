"""The way from a bare cluster to a meshed app, typed as a user types it."""

import re
import subprocess
import urllib.request

from cluster import Cluster, samples


def page(cluster: Cluster) -> str:
    address = cluster.kubectl(
        "get", "svc", "todoui", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}"
    )
    with urllib.request.urlopen(f"http://{address}:8090/", timeout=5) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def pod(cluster: Cluster, app: str) -> str:
    pods = cluster.get("pods", "-l", f"app={app}")["items"]
    running = [p for p in pods if not p["metadata"].get("deletionTimestamp")]
    return str(running[0]["metadata"]["name"])


def test_check_passes(mesh: Cluster) -> None:
    checked = mesh.tulle("check")
    assert "Status check results are √" in checked.out
    assert "×" not in checked.out


def test_pods_run_two_of_two(todo: Cluster) -> None:
    listed = todo.kubectl("get", "po")
    for app in ("todobackend", "todoui"):
        assert re.search(rf"^{app}-\S+\s+2/2\s+Running", listed, re.MULTILINE), listed


def test_the_ui_shows_todos_of_the_backend(todo: Cluster) -> None:
    from_inside = (
        f"http://{todo.get('svc', 'todobackend')['spec']['clusterIP']}:8080/todos/buy-bread"
    )
    request = urllib.request.Request(from_inside, method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status < 300
    assert "buy-bread" in page(todo)


def test_describe_shows_init_and_proxy(todo: Cluster) -> None:
    described = todo.kubectl("describe", "pod", pod(todo, "todoui"))
    assert "tulle-init:" in described
    assert "tulle-proxy:" in described
    assert "LINKERD2_PROXY_IDENTITY_LOCAL_NAME" in described
    assert "Events:" in described


def test_init_logs_each_iptables_command(todo: Cluster) -> None:
    logged = todo.kubectl("logs", pod(todo, "todoui"), "tulle-init")
    line = re.compile(
        r'^time="[^"]+" level=info msg="\S*iptables\S* .*-t nat -N PROXY_INIT_REDIRECT '
        r"-m comment --comment proxy-init/redirect-common-chain/\d+",
        re.MULTILINE,
    )
    assert line.search(logged), logged
    for part in ("PROXY_INIT_OUTPUT", "-A OUTPUT -j PROXY_INIT_OUTPUT", "-A PREROUTING -j"):
        assert part in logged, logged


def test_proxy_logs_its_addresses_and_identity(todo: Cluster) -> None:
    logged = todo.kubectl("logs", pod(todo, "todoui"), "tulle-proxy")
    assert re.search(
        r"^\[ +\d+\.\d{6}s\]  INFO ThreadId\(\d+\) tulle_proxy::rt: Using single-threaded",
        logged,
        re.MULTILINE,
    ), logged
    for part in (
        "tulle_proxy: Admin interface on",
        "Inbound interface on",
        "Outbound interface on",
        "Tap ",
        "Local identity is default.default.serviceaccount.identity.tulle.cluster.local",
        "Identity verified via tulle-identity-headless.tulle.svc.cluster.local",
        "tulle_proxy: Destinations resolved via tulle-dst-headless.tulle.svc.cluster.local",
        "Certified identity id=default.default.serviceaccount.identity.tulle.cluster.local",
    ):
        assert part in logged, f"{part!r} is missing in\n{logged}"


def test_traffic_between_ui_and_backend_is_mutual_tls(todo: Cluster) -> None:
    for _ in range(5):
        page(todo)
    ours = "default.default.serviceaccount.identity.tulle.cluster.local"
    outbound = samples(todo.metrics("deploy/todoui"), "response_total")
    to_backend = [
        labels
        for labels, _ in outbound
        if labels["direction"] == "outbound" and labels.get("dst_deployment") == "todobackend"
    ]
    assert to_backend, outbound
    assert all(labels["tls"] == "true" and labels["server_id"] == ours for labels in to_backend)
    inbound = samples(todo.metrics("deploy/todobackend"), "request_total")
    assert any(labels.get("client_id") == ours for labels, _ in inbound), inbound


def test_no_plain_text_on_the_wire(todo: Cluster, node_pid: int) -> None:
    """A capture on the node's bridge while the app is used: the todos never show in plain."""
    marker = "marker-seen-by-nobody"
    backend = todo.get("pod", pod(todo, "todobackend"))["status"]["podIP"]
    ui = todo.get("pod", pod(todo, "todoui"))["status"]["podIP"]
    service = todo.get("svc", "todobackend")["spec"]["clusterIP"]
    url = f"http://{service}:8080/todos/{marker}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5).close()
    filters = ["host", ui, "and", "host", backend, "and", "tcp"]
    command = [
        "nsenter",
        "-t",
        str(node_pid),
        "-n",
        "tcpdump",
        "-i",
        "cni0",
        "-U",
        "--immediate-mode",
        "-w",
        "-",
        *filters,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as capture:
        assert capture.stdout is not None
        assert capture.stderr is not None
        while b"listening on" not in capture.stderr.readline():
            pass
        shown = [page(todo) for _ in range(10)]
        capture.terminate()
        seen = capture.stdout.read()
    assert marker in shown[-1]
    assert len(seen) > 2000, "the capture saw no traffic between the two pods"
    assert marker.encode() not in seen
