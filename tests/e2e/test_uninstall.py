"""The mesh goes as it came: by a pipe, and with nothing left. Runs after its other stories."""

from cluster import Cluster

LOCAL_CLUSTER = "/tulle-local-addresses"  # of the launcher, not of the mesh
LABEL = "linkerd.io/control-plane-ns"


def meshed_namespaces(cluster: Cluster) -> set[str]:
    """Where pods that are not the mesh's own carry its proxy."""
    pods = cluster.get("pods", "-A", "-l", LABEL)["items"]
    return {pod["metadata"]["namespace"] for pod in pods} - {"tulle", "tulle-viz"}


def test_uninstall_refuses_while_pods_are_meshed(todo: Cluster) -> None:
    refused = todo.tulle("uninstall", check=False)
    assert refused.code == 1
    assert refused.out == ""
    assert "default/todoui" in refused.err


def test_uninstall_leaves_nothing(todo: Cluster) -> None:
    for namespace in meshed_namespaces(todo):
        todo.kubectl("-n", namespace, "delete", "deployments", "--all", "--wait=true")
    todo.until(lambda: not meshed_namespaces(todo), "no pod is meshed", 90)
    if "tulle-viz" in todo.kubectl("get", "namespaces"):
        removed = todo.tulle("viz", "uninstall").out
        todo.kubectl("delete", "-f", "-", "--wait=true", stdin=removed, timeout=240)
    removed = todo.tulle("uninstall").out
    todo.kubectl("delete", "-f", "-", "--wait=true", stdin=removed, timeout=240)
    kinds = "crd,clusterrole,clusterrolebinding,mutatingwebhookconfiguration,namespace,apiservice"
    left = todo.kubectl("get", kinds, "-o", "name").splitlines()
    marks = ("tulle", "linkerd.io", "smi-spec")
    ours = [name for name in left if any(mark in name for mark in marks)]
    assert [name for name in ours if not name.endswith(LOCAL_CLUSTER)] == []
