"""The objects of the dashboard, which has no rights in the cluster."""

from typing import Any

from tulle import names
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
    return [
        account(viz, NAME),
        service(viz, NAME, {"http": (names.WEB_PORT, "http")}),
        deployment(viz, _component(viz)),
    ]


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
        ["python3", "-m", "tulle.viz.web"],
        arguments,
        ("/ready", "admin"),
        ("/live", "admin"),
        settings["resources"],
        settings["replicas"],
    )
