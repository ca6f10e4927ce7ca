"""The CNI plugin's installer: a pod on every node that keeps the plugin in the node's networks.

It talks to nobody and needs no rights in the API: what a pod's redirect is comes from the injector
by the pod's annotations, which the container runtime hands to the plugin.
"""

from dataclasses import dataclass
from typing import Any

from tulle import names

Json = dict[str, Any]

NETWORKS_DIR = "/etc/cni/net.d"
BINARIES_DIR = "/opt/cni/bin"
HOST = "/host"
LABELS = {names.CNI_RESOURCE_LABEL: "true"}
SELECTOR = {"k8s-app": names.CNI}


@dataclass(frozen=True, slots=True)
class Plugin:
    """How the installer runs. The folders are the node's."""

    namespace: str = names.CNI_NAMESPACE
    image: str = names.PROXY_IMAGE
    version: str = names.VERSION
    pull_policy: str = "IfNotPresent"
    networks: str = NETWORKS_DIR
    binaries: str = BINARIES_DIR
    priority_class: str = "system-node-critical"


def render(plugin: Plugin) -> list[Json]:
    """In the order in which they are applied; deleted in any."""
    return [_namespace(plugin), _account(plugin), _daemon_set(plugin)]


def _namespace(plugin: Plugin) -> Json:
    labels = {
        **LABELS,
        names.ADMISSION_WEBHOOKS_LABEL: "disabled",
        # The installer writes into two folders of the node; no other level has room for that.
        "pod-security.kubernetes.io/enforce": "privileged",
    }
    metadata = {
        "name": plugin.namespace,
        "labels": labels,
        "annotations": {names.INJECT_ANNOTATION: "disabled"},
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _metadata(plugin: Plugin) -> Json:
    return {"name": names.CNI, "namespace": plugin.namespace, "labels": LABELS}


def _account(plugin: Plugin) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(plugin),
        "automountServiceAccountToken": False,
    }


def _daemon_set(plugin: Plugin) -> Json:
    spec = {
        "selector": {"matchLabels": SELECTOR},
        # The next one is there before this one takes the plugin back, and puts it in again.
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        },
        "template": {
            "metadata": {
                "labels": {**LABELS, **SELECTOR},
                "annotations": {names.INJECT_ANNOTATION: "disabled"},
            },
            "spec": _pod(plugin),
        },
    }
    found = {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": _metadata(plugin)}
    return {**found, "spec": spec}


def _pod(plugin: Plugin) -> Json:
    folders = [("networks", plugin.networks), ("binaries", plugin.binaries)]
    return {
        "serviceAccountName": names.CNI,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": True,  # it runs before pods have a network
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "priorityClassName": plugin.priority_class,
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(plugin)],
        "volumes": [
            {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
            for name, path in folders
        ],
    }


def _container(plugin: Plugin) -> Json:
    places = ["--net-dir", f"{HOST}{plugin.networks}", "--bin-dir", f"{HOST}{plugin.binaries}"]
    check = [names.INIT_BINARY, "cni", "check", *places]
    return {
        "name": names.CNI,
        "image": f"{plugin.image}:{plugin.version}",
        "imagePullPolicy": plugin.pull_policy,
        "command": [names.INIT_BINARY, "cni", "install", *places],
        "readinessProbe": {"exec": {"command": check}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 0,
            "runAsNonRoot": False,  # the node's folders are root's
            "runAsUser": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "networks", "mountPath": f"{HOST}{plugin.networks}"},
            {"name": "binaries", "mountPath": f"{HOST}{plugin.binaries}"},
        ],
    }
