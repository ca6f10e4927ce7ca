"""The objects of the dashboard, whose only right in the cluster is to tap."""

from typing import Any

from tulle import names
from tulle.install.objects import RBAC, component_command
from tulle.install.rbac import cluster_role_name
from tulle.install.viz_objects import (
    Viz,
    VizComponent,
    account,
    controller_image,
    deployment,
    logging_flags,
    service,
)

Json = dict[str, Any]

NAME = names.WEB


def objects(viz: Viz) -> list[Json]:
    rights = [] if viz.values["dashboard"]["restrictPrivileges"] else [_may_tap(viz)]
    return [
        account(viz, NAME),
        *rights,
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


def _component(viz: Viz) -> VizComponent:
    values = viz.values
    domain, settings = values["clusterDomain"], values["dashboard"]
    metrics_api = f"{names.METRICS_API}.{viz.namespace}.svc.{domain}:{names.METRICS_API_PORT}"
    arguments = [
        f"--metrics-api-addr={metrics_api}",
        f"--viz-namespace={viz.namespace}",
        f"--cluster-domain={domain}",
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
    )
