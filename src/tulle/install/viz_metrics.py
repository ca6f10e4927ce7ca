"""The objects of metrics-api, which answers stat, edges and the dashboard."""

from typing import Any

from tulle import names
from tulle.install.objects import component_command
from tulle.install.rbac import rule
from tulle.install.viz_objects import (
    Viz,
    VizComponent,
    account,
    allowed_accounts,
    cluster_role,
    controller_image,
    deployment,
    logging_flags,
    server,
    service,
)

Json = dict[str, Any]

NAME = names.METRICS_API
READ = ["get", "list"]
RULES = [
    rule("", ["pods"], [*READ, "watch"]),
    rule("", ["namespaces", "replicationcontrollers", "services"], READ),
    rule("apps", ["daemonsets", "deployments", "replicasets", "statefulsets"], READ),
    rule("batch", ["cronjobs", "jobs"], READ),
    rule("linkerd.io", ["serviceprofiles"], READ),
    rule("gateway.networking.k8s.io", ["grpcroutes", "httproutes"], READ),
    rule(
        "policy.linkerd.io",
        ["authorizationpolicies", "httproutes", "serverauthorizations", "servers"],
        READ,
    ),
    rule("split.smi-spec.io", ["trafficsplits"], READ),
]
# The accounts that may ask. The command line comes by a port-forward, past the proxy.
TRUSTED = [names.WEB, names.PROMETHEUS]
PORTS = {"http": names.METRICS_API_PORT, "grpc": names.METRICS_API_GRPC_PORT}
GRPC_SERVER = "metrics-api-grpc"


def prometheus_url(viz: Viz) -> str:
    given = str(viz.values["prometheusUrl"])
    host = f"{names.PROMETHEUS}.{viz.namespace}.svc.{viz.values['clusterDomain']}"
    return given or f"http://{host}:{names.PROMETHEUS_PORT}"


def objects(viz: Viz) -> list[Json]:
    return [
        account(viz, NAME),
        *cluster_role(viz, NAME, RULES),
        service(viz, NAME, {name: (port, name) for name, port in PORTS.items()}),
        deployment(viz, _component(viz)),
        server(viz, NAME, NAME, "http", "HTTP/1"),
        *allowed_accounts(viz, NAME, NAME, TRUSTED),
        server(viz, GRPC_SERVER, NAME, "grpc", "gRPC"),
        *allowed_accounts(viz, GRPC_SERVER, NAME, [names.WEB]),
    ]


def _component(viz: Viz) -> VizComponent:
    values = viz.values
    arguments = [
        f"--controller-namespace={viz.control_namespace}",
        f"--cluster-domain={values['clusterDomain']}",
        f"--prometheus-url={prometheus_url(viz)}",
        *logging_flags(values),
    ]
    admin = names.METRICS_API_ADMIN_PORT
    return VizComponent(
        NAME,
        controller_image(values),
        {**PORTS, "admin": admin},
        component_command("tulle.viz.metrics_api"),
        arguments,
        ("/ready", "admin"),
        ("/live", "admin"),
        values["metricsAPI"]["resources"],
        values["metricsAPI"]["replicas"],
    )
