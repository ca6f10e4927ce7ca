"""What every component of viz is made of: its place, account, Service and Deployment."""

from dataclasses import dataclass, field
from typing import Any

from tulle import names
from tulle.install.objects import LIVENESS_SECONDS, RBAC, Place, unprivileged
from tulle.install.rbac import cluster_role_name

Json = dict[str, Any]

POLICY = "policy.linkerd.io"


@dataclass(frozen=True, slots=True)
class VizPlace(Place):
    """Its objects carry the extension's label, not the control plane's."""

    def labels(self, component: str | None = None) -> Json:
        found: Json = {names.EXTENSION_LABEL: names.VIZ_EXTENSION}
        if component:
            found[names.VIZ_COMPONENT_LABEL] = component
        return {**self.common_labels, **found}


@dataclass(frozen=True, slots=True)
class Viz:
    """All that a component's objects are rendered from.

    `secrets` holds what an earlier install stored (Secret name: data, decoded), so that a
    certificate which exists is kept. `trusted` is what the API server trusts so far, by the name
    of the Secret: after a renewal, a replica may still serve the certificate before.
    """

    place: VizPlace
    values: Json  # complete: no empty version, domain or trust domain
    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    trusted: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.place.namespace

    @property
    def control_namespace(self) -> str:
        return str(self.values["linkerdNamespace"])

    def identity(self, account: str) -> str:
        """Of one of our own service accounts."""
        return names.workload_identity(
            account,
            self.namespace,
            control_namespace=self.control_namespace,
            trust_domain=self.values["identityTrustDomain"],
        )


@dataclass(frozen=True, slots=True)
class VizComponent:
    """What differs from one Deployment to the next. `name` is its account's and container's too."""

    name: str
    image: str
    ports: dict[str, int]
    command: list[str]
    arguments: list[str]
    ready: tuple[str, int | str]  # path and port of the probe
    live: tuple[str, int | str]
    resources: Json
    replicas: int = 1
    reads_api: bool = True  # asks the API server, so it needs a token
    annotations: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    # Volume, where it is mounted, and whether only to be read.
    mounts: list[tuple[Json, str, bool]] = field(default_factory=list)


def controller_image(values: Json) -> str:
    return f"{values['controllerImage']}:{values['controllerImageVersion']}"


def logging_flags(values: Json) -> list[str]:
    return [
        f"--log-level={values['defaultLogLevel']}",
        f"--log-format={values['defaultLogFormat']}",
    ]


def account(viz: Viz, name: str) -> Json:
    return viz.place.object("v1", "ServiceAccount", name, name)


def cluster_role(viz: Viz, name: str, rules: list[Json]) -> list[Json]:
    """The role and its binding to the account of the same component."""
    role = cluster_role_name(viz.namespace, name)
    subject = {"kind": "ServiceAccount", "name": name, "namespace": viz.namespace}
    return [
        viz.place.cluster_object(f"{RBAC}/v1", "ClusterRole", role, name, rules=rules),
        viz.place.cluster_object(
            f"{RBAC}/v1",
            "ClusterRoleBinding",
            role,
            name,
            roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            subjects=[subject],
        ),
    ]


def local_role(viz: Viz, name: str, rules: list[Json]) -> list[Json]:
    """The same within the namespace of viz."""
    version, subject = f"{RBAC}/v1", {"kind": "ServiceAccount", "name": name}
    return [
        viz.place.object(version, "Role", name, name, rules=rules),
        viz.place.object(
            version,
            "RoleBinding",
            name,
            name,
            roleRef={"apiGroup": RBAC, "kind": "Role", "name": name},
            subjects=[{**subject, "namespace": viz.namespace}],
        ),
    ]


def selector(name: str) -> Json:
    return {
        names.EXTENSION_LABEL: names.VIZ_EXTENSION,
        names.VIZ_COMPONENT_LABEL: name,
    }


def service(viz: Viz, name: str, ports: dict[str, tuple[int, int | str]]) -> Json:
    """`ports` says for each name the Service's port and the container's."""
    spec: Json = {
        "type": "ClusterIP",
        "selector": selector(name),
        "ports": [
            {"name": port, "port": number, "targetPort": to} for port, (number, to) in ports.items()
        ],
    }
    return viz.place.object("v1", "Service", name, name, spec=spec)


def deployment(viz: Viz, component: VizComponent) -> Json:
    values, place = viz.values, viz.place
    template = {
        "metadata": {
            "annotations": {
                **values["podAnnotations"],
                **component.annotations,
                names.CREATED_BY_ANNOTATION: place.created_by,
                names.INJECT_ANNOTATION: "enabled",
            },
            "labels": {**values["podLabels"], **place.labels(component.name)},
        },
        "spec": _pod(viz, component),
    }
    spec: Json = {
        "replicas": component.replicas,
        "revisionHistoryLimit": values["revisionHistoryLimit"],
        "selector": {"matchLabels": selector(component.name)},
        "template": template,
    }
    found = place.object("apps/v1", "Deployment", component.name, component.name, spec=spec)
    found["metadata"]["annotations"] = {names.CREATED_BY_ANNOTATION: place.created_by}
    return found


def _pod(viz: Viz, component: VizComponent) -> Json:
    values = viz.values
    found: Json = {
        "serviceAccountName": component.name,
        "automountServiceAccountToken": component.reads_api,
        "containers": [_container(values, component)],
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": values["defaultGID"],
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": values["nodeSelector"],
    }
    if component.mounts:
        found["volumes"] = [volume for volume, _, _ in component.mounts]
    for key in ("tolerations", "imagePullSecrets", "priorityClassName"):
        if values[key]:
            found[key] = values[key]
    return found


def _container(values: Json, component: VizComponent) -> Json:
    found: Json = {
        "name": component.name,
        "image": component.image,
        "imagePullPolicy": values["imagePullPolicy"],
    }
    if component.command:
        found["command"] = component.command
    found |= {
        "args": component.arguments,
        "ports": [{"name": name, "containerPort": port} for name, port in component.ports.items()],
        "readinessProbe": _probe(component.ready, period=2, failures=7),
        "livenessProbe": {
            **_probe(component.live, period=10, failures=3),
            "timeoutSeconds": LIVENESS_SECONDS,
        },
        "securityContext": {
            **unprivileged(values["defaultUID"]),
            "runAsGroup": values["defaultGID"],
        },
    }
    if component.environment:
        found["env"] = [{"name": key, "value": text} for key, text in component.environment.items()]
    if component.mounts:
        found["volumeMounts"] = [
            {"name": volume["name"], "mountPath": path}
            | ({"readOnly": True} if is_read_only else {})
            for volume, path, is_read_only in component.mounts
        ]
    if component.resources:
        found["resources"] = component.resources
    return found


def _probe(at: tuple[str, int | str], *, period: int, failures: int) -> Json:
    path, port = at
    return {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "failureThreshold": failures,
    }


def server(viz: Viz, name: str, component: str, port: str, protocol: str) -> Json:
    """A port of a component, closed to all but those whom a policy names."""
    spec = {
        "podSelector": {"matchLabels": selector(component)},
        "port": port,
        "proxyProtocol": protocol,
    }
    return viz.place.object(f"{POLICY}/v1beta3", "Server", name, component, spec=spec)


def allowed_accounts(viz: Viz, server_name: str, component: str, accounts: list[str]) -> list[Json]:
    """Only our own service accounts may talk to the server, and only by mutual TLS."""
    name = f"{server_name}-{'-'.join(accounts)}"
    identities = [{"kind": "ServiceAccount", "name": item} for item in accounts]
    authentication = viz.place.object(
        f"{POLICY}/v1alpha1",
        "MeshTLSAuthentication",
        name,
        component,
        spec={"identityRefs": identities},
    )
    kind = "MeshTLSAuthentication"
    policy = authorization(viz, server_name, component, kind, name)
    return [authentication, policy]


def authorization(viz: Viz, server_name: str, component: str, kind: str, name: str) -> Json:
    spec = {
        "targetRef": {"group": POLICY, "kind": "Server", "name": server_name},
        "requiredAuthenticationRefs": [{"group": POLICY, "kind": kind, "name": name}],
    }
    return viz.place.object(
        f"{POLICY}/v1alpha1", "AuthorizationPolicy", server_name, component, spec=spec
    )
