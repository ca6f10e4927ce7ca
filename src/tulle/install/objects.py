"""The plain Kubernetes objects that every part of the manifest is made of."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

from tulle import names

Json = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"


def unprivileged(user: int) -> Json:
    """What a container of ours may: nothing that Pod Security's level `restricted` refuses."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@dataclass(frozen=True, slots=True)
class Place:
    """Where an install goes, who makes it, and the labels that all of its objects carry."""

    namespace: str
    created_by: str
    common_labels: Json = field(default_factory=dict)

    def labels(self, component: str | None = None) -> Json:
        found: Json = {names.CONTROL_NAMESPACE_LABEL: self.namespace}
        if component:
            found[names.COMPONENT_LABEL] = component
        return {**self.common_labels, **found}

    def metadata(self, name: str, component: str | None = None, *, cluster: bool = False) -> Json:
        found: Json = {"name": name}
        if not cluster:
            found["namespace"] = self.namespace
        found["labels"] = self.labels(component)
        return found

    def object(
        self, api_version: str, kind: str, name: str, component: str | None = None, **content: Any
    ) -> Json:
        """An object of the install's namespace."""
        metadata = self.metadata(name, component)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}

    def cluster_object(
        self, api_version: str, kind: str, name: str, component: str | None = None, **content: Any
    ) -> Json:
        metadata = self.metadata(name, component, cluster=True)
        return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


# A machine without a free second is no reason to start a component anew, which costs it more.
LIVENESS_SECONDS = 10


def component_command(module: str) -> list[str]:
    """Without docstrings, which are a twentieth of a component's memory."""
    return ["python3", "-OO", "-m", module]


def namespace(place: Place) -> Json:
    """Its own pods get their proxies from the install itself, so no webhook looks at them."""
    found = place.cluster_object("v1", "Namespace", place.namespace)
    found["metadata"]["annotations"] = {names.INJECT_ANNOTATION: "disabled"}
    found["metadata"]["labels"] |= {
        names.IS_CONTROL_PLANE_LABEL: "true",
        names.ADMISSION_WEBHOOKS_LABEL: "disabled",
        # The init container sets iptables rules, for which the restricted level leaves no room.
        "pod-security.kubernetes.io/enforce": "privileged",
    }
    return found


def service(
    place: Place,
    name: str,
    component: str,
    port: tuple[str, int, int | str],
    *,
    headless: bool = False,
) -> Json:
    port_name, number, target = port
    spec: Json = {"type": "ClusterIP"}
    if headless:
        spec["clusterIP"] = "None"
    spec["selector"] = {names.COMPONENT_LABEL: component}
    spec["ports"] = [{"name": port_name, "port": number, "targetPort": target}]
    return place.object("v1", "Service", name, component, spec=spec)


def config_map(place: Place, name: str, component: str, data: Json) -> Json:
    return place.object("v1", "ConfigMap", name, component, data=data)


def secret(
    place: Place, name: str, component: str, data: dict[str, str], kind: str = "Opaque"
) -> Json:
    found = place.object("v1", "Secret", name, component)
    return {**found, "type": kind, "data": {key: encoded(text) for key, text in data.items()}}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
