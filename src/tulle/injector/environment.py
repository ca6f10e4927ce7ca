"""The proxy container's environment, ordered so that every $(…) follows its definition. Pure."""

from typing import Any

from tulle import names
from tulle.injector.settings import Settings

Json = dict[str, Any]

HIDE_HEADERS = ",[{headers}]=off,[{request}]=off"
NO_TIMEOUT = "365d"


def variables(settings: Settings, *, component: str | None, inbound_ports: str) -> list[Json]:
    """`component`: the control-plane Deployment that the pod belongs to, None for any other pod."""
    return _with_additional(
        [
            *_pod_facts(settings),
            *_workers(settings),
            *_prefixed(_logs(settings)),
            *_prefixed(_control(settings, component)),
            *_prefixed(_listeners(settings)),
            _field("LINKERD2_PROXY_INBOUND_IPS", "status.podIPs"),
            *_prefixed({"INBOUND_PORTS": inbound_ports}),
            *_prefixed(_traffic(settings)),
            *_identity(settings, component),
            *_prefixed(_tracing(settings)),
        ],
        settings.additional_env,
    )


def _field(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _value(name: str, value: str) -> Json:
    return {"name": name, "value": value}


def _prefixed(values: dict[str, str]) -> list[Json]:
    return [_value(f"LINKERD2_PROXY_{name}", value) for name, value in values.items()]


def _pod_facts(settings: Settings) -> list[Json]:
    return [
        _field("_pod_name", "metadata.name"),
        _field("_pod_ns", "metadata.namespace"),
        _field("_pod_uid", "metadata.uid"),
        _field("_pod_ip", "status.podIP"),
        _field("_pod_nodeName", "spec.nodeName"),
        _value("_pod_containerName", names.PROXY_CONTAINER),
        _field("_pod_sa", "spec.serviceAccountName"),
        _value("_l5d_ns", settings.control_namespace),
        _value("_l5d_trustdomain", settings.trust_domain),
    ]


def _workers(settings: Settings) -> list[Json]:
    found = {"CORES": str(settings.workers_minimum), "CORES_MIN": str(settings.workers_minimum)}
    if settings.workers_maximum is not None:
        found["CORES_MAX"] = str(settings.workers_maximum)
    if settings.workers_maximum_ratio is not None:
        found["CORES_MAX_RATIO"] = f"{settings.workers_maximum_ratio:g}"
    return _prefixed(found)


def log_filter(level: str) -> str:
    """The same filter, where a directive for `linkerd` also holds for `tulle`."""
    directives = [part.strip() for part in level.split(",") if part.strip()]
    if any(part.startswith("tulle") for part in directives):
        return ",".join(directives)
    result = []
    for part in directives:
        result.append(part)
        if part.startswith("linkerd="):
            result.append("tulle=" + part.removeprefix("linkerd="))
    return ",".join(result)


def _logs(settings: Settings) -> dict[str, str]:
    hide = "" if settings.log_http_headers == "insecure" else HIDE_HEADERS
    found = {"LOG": log_filter(settings.log_level) + hide, "LOG_FORMAT": settings.log_format}
    if settings.access_log:
        found["ACCESS_LOG"] = settings.access_log
    found["SHUTDOWN_ENDPOINT_ENABLED"] = _truth(settings.admin_shutdown)
    if settings.shutdown_grace_period:
        found["SHUTDOWN_GRACE_PERIOD"] = settings.shutdown_grace_period
    return found


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _truth(value: bool) -> str:
    return "true" if value else "false"


def service_address(settings: Settings, service: str, port: int, local: bool) -> str:
    """A control-plane service's address; a component's own sidecar finds it in its own pod."""
    if local:
        return f"127.0.0.1:{port}"
    return f"{service}.{settings.control_namespace}.svc.{settings.cluster_domain}.:{port}"


def component_identity(settings: Settings, account: str) -> str:
    return names.workload_identity(
        account,
        settings.control_namespace,
        control_namespace=settings.control_namespace,
        trust_domain=settings.trust_domain,
    )


def _control(settings: Settings, component: str | None) -> dict[str, str]:
    local = component == names.DESTINATION
    identity = component_identity(settings, names.DESTINATION)
    suffix = "." if settings.external_profiles else f"svc.{settings.cluster_domain}."
    return {
        "DESTINATION_SVC_ADDR": service_address(
            settings, names.DESTINATION_HEADLESS_SERVICE, names.DESTINATION_GRPC_PORT, local
        ),
        "DESTINATION_SVC_NAME": identity,
        "DESTINATION_PROFILE_NETWORKS": settings.cluster_networks,
        "DESTINATION_PROFILE_SUFFIXES": suffix,
        "DESTINATION_CONTEXT": (
            '{"ns":"$(_pod_ns)", "nodeName":"$(_pod_nodeName)", "pod":"$(_pod_name)"}'
        ),
        "POLICY_SVC_ADDR": service_address(
            settings, names.POLICY_SERVICE, names.POLICY_GRPC_PORT, local
        ),
        "POLICY_SVC_NAME": identity,
        "POLICY_WORKLOAD": '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}',
        "POLICY_CLUSTER_NETWORKS": settings.cluster_networks,
        "INBOUND_DEFAULT_POLICY": settings.default_inbound_policy,
        "CONTROL_STREAM_INITIAL_TIMEOUT": settings.stream_initial_timeout,
        "CONTROL_STREAM_IDLE_TIMEOUT": settings.stream_idle_timeout,
        "CONTROL_STREAM_LIFETIME": settings.stream_lifetime,
    }


def _listeners(settings: Settings) -> dict[str, str]:
    every = "[::]" if settings.ipv6 else "0.0.0.0"
    outbound = f"127.0.0.1:{settings.outbound_port}"
    both = f"{outbound},[::1]:{settings.outbound_port}" if settings.ipv6 else outbound
    return {
        "CONTROL_LISTEN_ADDR": f"{every}:{settings.control_port}",
        "ADMIN_LISTEN_ADDR": f"{every}:{settings.admin_port}",
        "OUTBOUND_LISTEN_ADDR": outbound,
        "OUTBOUND_LISTEN_ADDRS": both,
        "INBOUND_LISTEN_ADDR": f"{every}:{settings.inbound_port}",
    }


def _traffic(settings: Settings) -> dict[str, str]:
    found = {
        "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION": settings.opaque_ports,
        "INBOUND_PORTS_REQUIRE_IDENTITY": settings.require_identity_ports,
        "INBOUND_PORTS_REQUIRE_TLS": settings.require_tls_ports,
        "INBOUND_GATEWAY_SUFFIXES": f"svc.{settings.cluster_domain}." if settings.gateway else "",
        "INGRESS_MODE": "true" if settings.ingress else "",
        "INBOUND_CONNECT_TIMEOUT": settings.inbound_connect_timeout,
        "OUTBOUND_CONNECT_TIMEOUT": settings.outbound_connect_timeout,
        "INBOUND_ACCEPT_KEEPALIVE": "10000ms",
        "OUTBOUND_CONNECT_KEEPALIVE": "10000ms",
        "INBOUND_ACCEPT_USER_TIMEOUT": "30s",
        "OUTBOUND_CONNECT_USER_TIMEOUT": "30s",
        "OUTBOUND_DISCOVERY_IDLE_TIMEOUT": settings.outbound_discovery_idle_timeout,
        "INBOUND_DISCOVERY_IDLE_TIMEOUT": settings.inbound_discovery_idle_timeout,
        "OUTBOUND_DETECT_TIMEOUT": NO_TIMEOUT if settings.disable_outbound_detect_timeout else "",
        "INBOUND_DETECT_TIMEOUT": NO_TIMEOUT if settings.disable_inbound_detect_timeout else "",
        "OUTBOUND_METRICS_HOSTNAME_LABELS": _truth(settings.hostname_labels),
        "METRICS_DROP_LABELS": settings.metrics_drop_labels,
        "METRICS_MAX_SERIES": _number(settings.metrics_max_series),
        **dict(settings.server_parameters),
    }
    return {name: value for name, value in found.items() if value}


def _identity(settings: Settings, component: str | None) -> list[Json]:
    anchors: Json = _value("LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", settings.trust_anchors_pem)
    if component is not None:  # a renewed bundle then needs a restart of the pod, not an install
        source = {"name": names.TRUST_ROOTS_CONFIGMAP, "key": "ca-bundle.crt"}
        anchors = {"name": anchors["name"], "valueFrom": {"configMapKeyRef": source}}
    local_name = "$(_pod_sa).$(_pod_ns).serviceaccount.identity.$(_l5d_ns).$(_l5d_trustdomain)"
    address = service_address(
        settings,
        names.IDENTITY_HEADLESS_SERVICE,
        names.IDENTITY_GRPC_PORT,
        component == names.IDENTITY,
    )
    return [
        *_prefixed({"IDENTITY_DIR": names.IDENTITY_DIR}),
        anchors,
        *_prefixed(
            {
                "IDENTITY_TOKEN_FILE": f"{names.TOKEN_DIR}/{names.TOKEN_FILE}",
                "IDENTITY_SVC_ADDR": address,
                "IDENTITY_SVC_NAME": component_identity(settings, names.IDENTITY),
                "IDENTITY_LOCAL_NAME": local_name,
            }
        ),
    ]


def _tracing(settings: Settings) -> dict[str, str]:
    if settings.tracing is None:
        return {}
    tracing = settings.tracing
    collector = names.workload_identity(
        tracing.service_account,
        tracing.namespace,
        control_namespace=settings.control_namespace,
        trust_domain=settings.trust_domain,
    )
    return {
        "TRACE_ATTRIBUTES_PATH": f"{names.PODINFO_DIR}/labels",
        "TRACE_ANNOTATIONS_PATH": f"{names.PODINFO_DIR}/annotations",
        "TRACE_PROTOCOL": tracing.protocol,
        "TRACE_SERVICE_NAME": tracing.service_name,
        "TRACE_COLLECTOR_SVC_ADDR": tracing.endpoint,
        "TRACE_COLLECTOR_SVC_NAME": collector,
        "TRACE_EXTRA_ATTRIBUTES": "".join(f"{key}={value}\n" for key, value in tracing.attributes),
    }


def _with_additional(found: list[Json], additional: tuple[Json, ...]) -> list[Json]:
    """Extra variables replace ours of the same name and otherwise come last."""
    extra = {item["name"]: item for item in additional}
    replaced = [extra.pop(item["name"], item) for item in found]
    return [*replaced, *extra.values()]
