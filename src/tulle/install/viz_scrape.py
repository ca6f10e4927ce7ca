"""Prometheus' configuration: whom it scrapes, and by which labels the series are found again."""

from typing import Any

from tulle import names
from tulle.install.viz_objects import Viz

Json = dict[str, Any]

CONFIG_FILE, RULES_FILE = "prometheus.yml", "rules.yml"
META = "__meta_kubernetes_"
POD_LABEL = f"{META}pod_label_"
# Labels of the proxy's own metrics and of the scrape: a pod's label of that name would hide them.
OWN_LABELS = (
    "app_protocol|authority|classification|client_id|direction|error|instance|job|le|namespace|"
    "no_tls_reason|peer|pod|protocol|server_id|status_code|grpc_status|tls|"
    "(authz|backend|dst|parent|route|rt|srv|target)_.*"
)


def configuration(viz: Viz) -> Json:
    settings = viz.values["prometheus"]
    every = settings["scrapeInterval"]
    found: Json = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": every,
        },
        "rule_files": [RULES_FILE],  # beside the configuration
        "scrape_configs": [
            {
                "job_name": "prometheus",
                "static_configs": [{"targets": [f"localhost:{names.PROMETHEUS_PORT}"]}],
            },
            _components(viz),
            _proxies(viz, settings["metricRelabelConfigs"]),
            *settings["scrapeConfigs"],
        ],
    }
    if settings["remoteWrite"]:
        found["remote_write"] = settings["remoteWrite"]
    return found


def _discovery(viz: Viz, *namespaces: str) -> Json:
    """metrics-api knows the pods, so Prometheus needs no right to ask the API server."""
    host = f"{names.METRICS_API}.{viz.namespace}.svc.{viz.values['clusterDomain']}"
    query = "&".join(f"namespace={name}" for name in namespaces)
    return {
        "url": f"http://{host}:{names.METRICS_API_PORT}/targets{'?' if query else ''}{query}",
        "refresh_interval": viz.values["prometheus"]["scrapeInterval"],
    }


def _keep(labels: list[str], regex: str) -> Json:
    return {"source_labels": [META + label for label in labels], "action": "keep", "regex": regex}


def _replace(label: str, target: str) -> Json:
    return {"source_labels": [label], "action": "replace", "target_label": target}


def _components(viz: Viz) -> Json:
    """The admin ports of the control plane's and viz's own programs."""
    return {
        "job_name": "linkerd-controller",
        "http_sd_configs": [_discovery(viz, viz.control_namespace, viz.namespace)],
        "relabel_configs": [
            _keep(["pod_container_port_name"], "(.*-)?admin"),
            {
                "source_labels": [f"{META}pod_container_port_name"],
                "action": "drop",
                "regex": names.ADMIN_PORT_NAME,
            },
            {  # Prometheus asks itself already
                "source_labels": [f"{META}pod_container_name"],
                "action": "drop",
                "regex": names.PROMETHEUS,
            },
            _replace(f"{META}pod_container_name", "component"),
            _replace(f"{META}namespace", "namespace"),
            _replace(f"{META}pod_name", "pod"),
        ],
    }


def _proxies(viz: Viz, metric_relabelling: list[Json]) -> Json:
    """A pod's own labels come first, so that none of them replaces what is said of its workload."""
    containers = f"({names.PROXY_CONTAINER}|linkerd-proxy)"
    wanted = f"{containers};{names.ADMIN_PORT_NAME};{viz.control_namespace}"
    labels = ["pod_container_name", "pod_container_port_name"]
    found: Json = {
        "job_name": "linkerd-proxy",
        "http_sd_configs": [_discovery(viz)],
        "relabel_configs": [
            _keep(["pod_phase"], "Pending|Running"),
            _keep([*labels, "pod_label_linkerd_io_control_plane_ns"], wanted),
            {"action": "labelmap", "regex": f"{POD_LABEL}(.+)", "replacement": "__tmp_label_$1"},
            {"action": "labeldrop", "regex": f"__tmp_label_({OWN_LABELS}|linkerd_io_.+)"},
            {"action": "labelmap", "regex": "__tmp_label_(.+)"},
            {
                "action": "labelmap",
                "regex": f"{POD_LABEL}linkerd_io_((?:control_plane|workload)_ns|extension)",
            },
            _replace(f"{POD_LABEL}linkerd_io_proxy_job", "k8s_job"),
            {"action": "labeldrop", "regex": f"{POD_LABEL}linkerd_io_proxy_job"},
            {"action": "labelmap", "regex": f"{POD_LABEL}linkerd_io_proxy_(.+)"},
            _replace(f"{META}namespace", "namespace"),
            _replace(f"{META}pod_name", "pod"),
        ],
    }
    if metric_relabelling:
        found["metric_relabel_configs"] = metric_relabelling
    return found
