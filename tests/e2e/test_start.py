"""A pod starts in the right order: first its proxy, then its app."""

from cluster import Cluster, script_pod


def test_the_app_never_starts_before_its_proxy(mesh: Cluster) -> None:
    """An app that connects at once, in its first line, always gets its answer."""
    namespace = mesh.namespace("eager")
    eager = (
        "import urllib.request, time\n"
        "print(urllib.request.urlopen('http://todobackend.default:8080/todos/', timeout=5).status,"
        " flush=True)\n"
        "time.sleep(3600)"
    )
    for form in ("true", "false"):
        name = f"eager-native-{form}"
        annotations = {"config.linkerd.io/proxy-enable-native-sidecar": form}
        mesh.apply(script_pod(name, namespace, eager, annotations=annotations))
        mesh.rollout(f"deployment/{name}", namespace)
        pods = mesh.get("pods", "-n", namespace, "-l", f"app={name}")["items"]
        assert pods[0]["status"]["containerStatuses"][0]["restartCount"] == 0
        mesh.until(
            lambda name=name: (
                "200" in mesh.kubectl("-n", namespace, "logs", f"deploy/{name}", "-c", "script")
            ),
            f"{name} got its answer",
        )
        ready = mesh.kubectl("-n", namespace, "get", "pods", "-l", f"app={name}")
        assert "2/2" in ready, ready
        proxy = pods[0]["spec"]["initContainers" if form == "true" else "containers"]
        assert "tulle-proxy" in [container["name"] for container in proxy]
