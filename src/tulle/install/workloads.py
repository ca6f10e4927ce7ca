"""The three Deployments of the control plane, before their proxies are put in."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tulle import names
from tulle.install.objects import LIVENESS_SECONDS, Place, component_command, unprivileged
from tulle.install.values import BadValue
from tulle.install.webhooks import renews_certificate

Json = dict[str, Any]

TRUST_ROOTS_DIR = str(PurePosixPath(names.TRUST_ROOTS_FILE).parent)
CONFIG_DIR = str(PurePosixPath(names.VALUES_FILE).parent)
ALLOW_REQUEST_HEADERS = "--allow-l5d-request-headers"
API_ACCESS = "kube-api-access"
API_ACCESS_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


@dataclass(frozen=True, slots=True)
class Component:
    """What differs from one component to the next."""

    name: str  # of the Deployment and its ServiceAccount
    component: str  # label and container
    module: str
    ports: dict[str, int]
    admin_port: int
    arguments: list[str]
    resources: Json
    # Volume, the object it comes from, and where it is mounted.
    mounts: list[tuple[Json, str]] = field(default_factory=list)


def components(values: Json, namespace: str) -> list[Component]:
    return [
        _identity(values, namespace),
        _destination(values, namespace),
        _injector(values, namespace),
    ]


def _identity(values: Json, namespace: str) -> Component:
    issuer = values["identity"]["issuer"]
    return Component(
        names.IDENTITY,
        "identity",
        "tulle.identity",
        {"ident-grpc": names.IDENTITY_GRPC_PORT, "ident-admin": names.IDENTITY_ADMIN_PORT},
        names.IDENTITY_ADMIN_PORT,
        [
            f"--controller-namespace={namespace}",
            f"--identity-trust-domain={values['identityTrustDomain']}",
            f"--identity-issuance-lifetime={issuer['issuanceLifetime']}",
            f"--identity-clock-skew-allowance={issuer['clockSkewAllowance']}",
            f"--identity-scheme={issuer['scheme']}",
            *_logging(values),
        ],
        values["identityResources"],
        [
            (_from_secret("identity-issuer", names.ISSUER_SECRET), names.ISSUER_DIR),
            (_from_config_map("trust-roots", names.TRUST_ROOTS_CONFIGMAP), TRUST_ROOTS_DIR),
        ],
    )


def _additional(arguments: list[str]) -> list[str]:
    for argument in arguments:
        if argument != ALLOW_REQUEST_HEADERS:
            raise BadValue(
                f"policyController.additionalArgs: {argument!r} is not known; "
                f"{ALLOW_REQUEST_HEADERS} is"
            )
    return arguments


def _destination(values: Json, namespace: str) -> Component:
    proxy = values["proxy"]
    is_renewing = renews_certificate(values, "policyValidator")
    renewal = [f"--renew-certificate-in={namespace}"] if is_renewing else []
    return Component(
        names.DESTINATION,
        "destination",
        "tulle.discovery",
        {
            "dest-grpc": names.DESTINATION_GRPC_PORT,
            "policy-grpc": names.POLICY_GRPC_PORT,
            "policy-https": names.POLICY_HTTPS_PORT,
            "dest-admin": names.DESTINATION_ADMIN_PORT,
        },
        names.DESTINATION_ADMIN_PORT,
        [
            f"--controller-namespace={namespace}",
            f"--identity-trust-domain={values['identityTrustDomain']}",
            f"--cluster-domain={values['clusterDomain']}",
            f"--cluster-networks={values['clusterNetworks']}",
            f"--default-policy={proxy['defaultInboundPolicy']}",
            f"--default-opaque-ports={proxy['opaquePorts']}",
            f"--probe-networks={','.join(values['policyController']['probeNetworks'])}",
            f"--enable-h2-upgrade={str(values['enableH2Upgrade']).lower()}",
            f"--outbound-transport-mode={proxy['outboundTransportMode']}",
            f"--global-egress-network-namespace={values['egress']['globalEgressNetworkNamespace']}",
            f"--tls={names.SERVING_TLS_DIR}",
            *_additional(values["policyController"]["additionalArgs"]),
            *renewal,
            *_logging(values),
        ],
        values["destinationResources"],
        [(_from_secret("tls", names.POLICY_VALIDATOR_TLS_SECRET), names.SERVING_TLS_DIR)],
    )


def _injector(values: Json, namespace: str) -> Component:
    is_renewing = renews_certificate(values, "proxyInjector")
    renewal = [f"--renew-certificate-in={namespace}"] if is_renewing else []
    return Component(
        names.PROXY_INJECTOR,
        "proxy-injector",
        "tulle.injector",
        {
            "proxy-injector": names.INJECTOR_HTTPS_PORT,
            "injector-admin": names.INJECTOR_ADMIN_PORT,
        },
        names.INJECTOR_ADMIN_PORT,
        [f"--controller-namespace={namespace}", *renewal, *_logging(values)],
        values["proxyInjectorResources"],
        [
            (_from_config_map("config", names.CONFIG_CONFIGMAP), CONFIG_DIR),
            (_from_config_map("trust-roots", names.TRUST_ROOTS_CONFIGMAP), TRUST_ROOTS_DIR),
            (_from_secret("tls", names.INJECTOR_TLS_SECRET), names.SERVING_TLS_DIR),
        ],
    )


def _logging(values: Json) -> list[str]:
    level, form = values["controllerLogLevel"], values["controllerLogFormat"]
    return [f"--log-level={level}", f"--log-format={form}"]


def deployment(place: Place, component: Component, values: Json, checksum: str) -> Json:
    spec: Json = {
        "replicas": values["controllerReplicas"],
        "revisionHistoryLimit": values["revisionHistoryLimit"],
        "selector": {
            "matchLabels": {
                names.COMPONENT_LABEL: component.component,
                names.CONTROL_NAMESPACE_LABEL: place.namespace,
            }
        },
        "template": _pod(place, component, values, checksum),
    }
    if values["deploymentStrategy"]:
        spec["strategy"] = values["deploymentStrategy"]
    found = place.object("apps/v1", "Deployment", component.name, component.component, spec=spec)
    found["metadata"]["annotations"] = {names.CREATED_BY_ANNOTATION: place.created_by}
    return found


def _pod(place: Place, component: Component, values: Json, checksum: str) -> Json:
    annotations: Json = {
        "checksum/config": checksum,
        names.CREATED_BY_ANNOTATION: place.created_by,
        names.DEFAULT_INBOUND_POLICY_ANNOTATION: "all-unauthenticated",
    }
    labels = {
        **values["podLabels"],
        **place.labels(component.component),
        names.WORKLOAD_NAMESPACE_LABEL: place.namespace,
    }
    spec: Json = {
        "serviceAccountName": component.name,
        # The token is mounted by hand, so that only the component sees it and not its proxy.
        "automountServiceAccountToken": False,
        "containers": [_container(component, values)],
        "volumes": [*(volume for volume, _ in component.mounts), _api_access()],
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        **_scheduling(component, values),
    }
    return {
        "metadata": {"annotations": {**values["podAnnotations"], **annotations}, "labels": labels},
        "spec": spec,
    }


def _container(component: Component, values: Json) -> Json:
    version = values["controllerImageVersion"]
    found: Json = {
        "name": component.component,
        "image": f"{values['controllerImage']}:{version}",
        "imagePullPolicy": values["imagePullPolicy"],
        "command": component_command(component.module),
        "args": component.arguments,
        "ports": [{"name": name, "containerPort": port} for name, port in component.ports.items()],
        "readinessProbe": _probe("/ready", component.admin_port, period=1, failures=7),
        "livenessProbe": _probe("/live", component.admin_port, period=10, failures=3, delay=10),
        "securityContext": _unprivileged(values["controllerUID"], values["controllerGID"]),
        "volumeMounts": [
            *(_mount(volume["name"], path) for volume, path in component.mounts),
            _mount(API_ACCESS, API_ACCESS_DIR),
        ],
    }
    if component.resources:
        found["resources"] = component.resources
    return found


def _scheduling(component: Component, values: Json) -> Json:
    found: Json = {"nodeSelector": values["nodeSelector"]}
    affinity: Json = {}
    if values["nodeAffinity"]:
        affinity["nodeAffinity"] = values["nodeAffinity"]
    if values["enablePodAntiAffinity"]:
        affinity["podAntiAffinity"] = _apart(component.component)
    if affinity:
        found["affinity"] = affinity
    for key in ("tolerations", "imagePullSecrets", "priorityClassName", "runtimeClassName"):
        if values[key]:
            found[key] = values[key]
    return found


def _apart(component: str) -> Json:
    """Replicas on different nodes if there are enough of them, and in different zones too."""
    selector = {
        "matchExpressions": [
            {"key": names.COMPONENT_LABEL, "operator": "In", "values": [component]}
        ]
    }
    zone = {"labelSelector": selector, "topologyKey": "topology.kubernetes.io/zone"}
    host = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 100, "podAffinityTerm": zone}
        ],
        "requiredDuringSchedulingIgnoredDuringExecution": [host],
    }


def disruption_budget(place: Place, component: Component, values: Json) -> Json:
    limit = values["controller"]["podDisruptionBudget"]["maxUnavailable"]
    return place.object(
        "policy/v1",
        "PodDisruptionBudget",
        component.name,
        component.component,
        spec={
            "maxUnavailable": limit,
            "selector": {"matchLabels": {names.COMPONENT_LABEL: component.component}},
        },
    )


def _unprivileged(user: int, group: int) -> Json:
    found = unprivileged(user)
    if group > 0:
        found["runAsGroup"] = group
    return found


def _probe(path: str, port: int, *, period: int, failures: int, delay: int = 0) -> Json:
    found: Json = {
        "httpGet": {"path": path, "port": port},
        "periodSeconds": period,
        "failureThreshold": failures,
    }
    if delay:  # of liveness
        found["initialDelaySeconds"] = delay
        found["timeoutSeconds"] = LIVENESS_SECONDS
    return found


def _mount(name: str, path: str) -> Json:
    return {"name": name, "mountPath": path, "readOnly": True}


def _from_secret(volume: str, name: str) -> Json:
    return {"name": volume, "secret": {"secretName": name}}


def _from_config_map(volume: str, name: str) -> Json:
    return {"name": volume, "configMap": {"name": name}}


def _api_access() -> Json:
    """What the kubelet would mount by itself: a bound token, the API server's CA, the namespace.

    Defaults inside such a list are written out, or applying it again would count as a change.
    """
    sources = [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        },
        {
            "downwardAPI": {
                "items": [
                    {
                        "path": "namespace",
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    }
                ]
            }
        },
    ]
    return {"name": API_ACCESS, "projected": {"sources": sources}}
