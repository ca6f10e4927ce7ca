"""The CNI plugin's objects, and the checks that look for it."""

import datetime

import pytest

from tulle import names
from tulle.install.checks.cni import CNI
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Failed, Skipped
from tulle.install.cni import Plugin, render


def facts(daemon_sets=(), pods=(), cni_enabled="false"):
    config = {"data": {"values": f"cniEnabled: {cni_enabled}"}}
    answers = {"cni": list(daemon_sets), "pods": list(pods), "config": config}
    return Facts("tulle", datetime.datetime.now(datetime.UTC), answers)


def judged(anchor, known):
    next(check for check in CNI.checks if check.anchor == anchor).judge(known)


def daemon_set(ready):
    status = {"desiredNumberScheduled": 3, "numberReady": ready}
    return {"metadata": {"name": names.CNI, "namespace": "tulle-cni"}, "status": status}


def test_the_installer_may_write_two_folders_and_nothing_else():
    found = {item["kind"]: item for item in render(Plugin())}
    pod = found["DaemonSet"]["spec"]["template"]["spec"]
    assert [v["hostPath"]["path"] for v in pod["volumes"]] == ["/etc/cni/net.d", "/opt/cni/bin"]
    assert pod["automountServiceAccountToken"] is False
    assert found["ServiceAccount"]["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["readOnlyRootFilesystem"]
    assert not context["privileged"]
    assert {item["kind"] for item in render(Plugin())} == {
        "Namespace",
        "ServiceAccount",
        "DaemonSet",
    }
    assert all(
        item["metadata"]["labels"][names.CNI_RESOURCE_LABEL] == "true" for item in found.values()
    )


def test_its_place_and_folders_can_be_others():
    plugin = Plugin(namespace="net", networks="/etc/rancher/cni", binaries="/var/lib/cni/bin")
    namespace, _, daemon = render(plugin)
    assert namespace["metadata"]["name"] == daemon["metadata"]["namespace"] == "net"
    container = daemon["spec"]["template"]["spec"]["containers"][0]
    assert "/host/etc/rancher/cni" in container["command"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == [
        "/host/etc/rancher/cni",
        "/host/var/lib/cni/bin",
    ]


@pytest.mark.parametrize(
    "anchor", ["cni-plugin-ds-exists", "cni-plugin-ready", "cni-plugin-missed-no-pod"]
)
def test_nothing_is_said_where_nothing_relies_on_it(anchor):
    with pytest.raises(Skipped):
        judged(anchor, facts())


def test_its_absence_is_named_with_who_waits_for_it():
    with pytest.raises(Failed, match="new meshed pods cannot start; create it: tulle install-cni"):
        judged("cni-plugin-ds-exists", facts(cni_enabled="true"))
    annotations = {names.REDIRECT_ANNOTATION: "--x"}
    pod = {"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}}
    with pytest.raises(Failed, match="1 pods such as shop/web cannot start"):
        judged("cni-plugin-ds-exists", facts(pods=[pod]))


def test_every_node_must_have_it():
    judged("cni-plugin-ready", facts([daemon_set(3)]))
    with pytest.raises(Failed, match="ready on 2 of 3 nodes"):
        judged("cni-plugin-ready", facts([daemon_set(2)]))


def waiting_pod(seconds, state):
    """A pod of the plugin's that has been on its node for so long, its app in such a state."""
    started = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)
    statuses = [
        {"name": names.PROXY_CONTAINER, "state": {"waiting": {"reason": "PodInitializing"}}},
        {"name": "app", "state": state},
    ]
    return {
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {names.REDIRECT_ANNOTATION: "--x"},
        },
        "spec": {"nodeName": "blue"},
        "status": {
            "phase": "Pending",
            "startTime": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "containerStatuses": statuses,
        },
    }


def test_an_application_that_is_held_is_named_with_its_node():
    anchor = "cni-plugin-missed-no-pod"
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    with pytest.raises(Failed, match="shop/web on blue; either the plugin did not see"):
        judged(anchor, facts(pods=[waiting_pod(60, waiting)]))
    judged(anchor, facts(pods=[waiting_pod(5, waiting)]))
    judged(anchor, facts(pods=[waiting_pod(60, {"running": {}})]))
