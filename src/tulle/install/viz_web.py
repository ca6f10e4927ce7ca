"""The objects of the dashboard. Its account taps, and reads what the journal of changes is made of;
it writes nothing: what a user changes there, he changes with his own token."""

from typing import Any

from tulle import names
from tulle.install.objects import RBAC, component_command
from tulle.install.rbac import cluster_role_name, rule
from tulle.install.viz_objects import (
    Viz,
    VizComponent,
    account,
    cluster_role,
    controller_image,
    deployment,
    logging_flags,
    service,
)

Json = dict[str, Any]

NAME = names.WEB
READ = ["list", "watch"]
HISTORY_DIR = "/var/lib/tulle"
SPARE_MEBIBYTES = 64  # of the history's volume, for what SQLite writes beside the file
RULES = [
    rule("apps", ["daemonsets", "deployments", "statefulsets"], READ),
    rule("linkerd.io", ["serviceprofiles"], ["get", *READ]),
    rule("policy.linkerd.io", ["authorizationpolicies", "httproutes", "servers"], READ),
    rule("gateway.networking.k8s.io", ["grpcroutes", "httproutes"], READ),
    rule("split.smi-spec.io", ["trafficsplits"], READ),
]
ANCHOR_RULES = [rule("", ["configmaps"], ["get", *READ], [names.TRUST_ROOTS_CONFIGMAP])]


def objects(viz: Viz) -> list[Json]:
    rights = [] if viz.values["dashboard"]["restrictPrivileges"] else [_may_tap(viz)]
    return [
        account(viz, NAME),
        *rights,
        *cluster_role(viz, NAME, RULES),
        *_may_read_anchors(viz),
        service(viz, NAME, {"http": (names.WEB_PORT, "http")}),
        deployment(viz, _component(viz)),
    ]


def _may_tap(viz: Viz) -> Json:
    """Whoever reaches the dashboard may then tap."""
    return viz.place.cluster_object(
        f"{RBAC}/v1",
        "ClusterRoleBinding",
        cluster_role_name(viz.namespace, "web-admin"),
        NAME,
        roleRef={
            "apiGroup": RBAC,
            "kind": "ClusterRole",
            "name": cluster_role_name(viz.namespace, "tap-admin"),
        },
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": viz.namespace}],
    )


def _may_read_anchors(viz: Viz) -> list[Json]:
    """In the control plane's namespace, and nothing else there."""
    name = f"{viz.namespace}-{NAME}"
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": viz.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": name}
    found = [
        viz.place.object(f"{RBAC}/v1", "Role", name, NAME, rules=ANCHOR_RULES),
        viz.place.object(f"{RBAC}/v1", "RoleBinding", name, NAME, roleRef=role, subjects=[subject]),
    ]
    for item in found:
        item["metadata"]["namespace"] = viz.control_namespace
    return found


def _component(viz: Viz) -> VizComponent:
    values = viz.values
    domain, settings = values["clusterDomain"], values["dashboard"]
    history = settings["history"]
    volume: Json = {
        "name": "history",
        "emptyDir": {"sizeLimit": f"{history['maxMebibytes'] + SPARE_MEBIBYTES}Mi"},
    }
    metrics_api = f"{names.METRICS_API}.{viz.namespace}.svc.{domain}:{names.METRICS_API_PORT}"
    arguments = [
        f"--metrics-api-addr={metrics_api}",
        f"--viz-namespace={viz.namespace}",
        f"--controller-namespace={viz.control_namespace}",
        f"--cluster-domain={domain}",
        f"--identity-trust-domain={values['identityTrustDomain']}",
        f"--history-file={HISTORY_DIR}/history.db",
        f"--history-series={history['maxSeries']}",
        f"--history-mebibytes={history['maxMebibytes']}",
        *logging_flags(values),
    ]
    if settings["enforcedHostRegexp"]:
        arguments.append(f"--enforced-host={settings['enforcedHostRegexp']}")
    return VizComponent(
        NAME,
        controller_image(values),
        {"http": names.WEB_PORT, "admin": names.WEB_ADMIN_PORT},
        component_command("tulle.viz.web"),
        arguments,
        ("/ready", "admin"),
        ("/live", "admin"),
        settings["resources"],
        settings["replicas"],
        mounts=[(volume, HISTORY_DIR, False)],
    )
