"""Every value that a sidecar is made from, with its default; read from the install's values.

`Settings` is the cluster's word; annotations.py lays a namespace's and a workload's over it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from tulle import names

NATIVE_SIDECARS_SINCE = (1, 29)  # Kubernetes: restartPolicy Always on init containers, by default

Json = dict[str, Any]


class ValuesError(Exception):
    """A value of the install that cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Where the proxy sends its spans."""

    endpoint: str  # host:port of an OTLP collector
    service_account: str
    namespace: str
    service_name: str = "linkerd-proxy"
    protocol: str = "opentelemetry"
    attributes: tuple[tuple[str, str], ...] = (
        ("k8s.pod.ip", "$(_pod_ip)"),
        ("k8s.pod.uid", "$(_pod_uid)"),
        ("k8s.container.name", "$(_pod_containerName)"),
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """What a sidecar is made from. Lists of ports are comma-separated numbers and ranges."""

    control_namespace: str = names.CONTROL_NAMESPACE
    cluster_domain: str = names.CLUSTER_DOMAIN
    cluster_networks: str = ",".join(names.DEFAULT_CLUSTER_NETWORKS)
    trust_domain: str = names.TRUST_DOMAIN
    trust_anchors_pem: str = ""
    version: str = names.VERSION
    kubernetes_version: tuple[int, int] | None = None  # None: not known, taken to be recent
    ipv6: bool = False
    cni: bool = False  # a CNI plugin sets the redirect, so no init container is needed

    proxy_image: str = names.PROXY_IMAGE
    proxy_version: str = ""  # empty: `version`
    image_pull_policy: str = "IfNotPresent"
    control_port: int = names.CONTROL_PORT
    inbound_port: int = names.INBOUND_PORT
    outbound_port: int = names.OUTBOUND_PORT
    admin_port: int = names.ADMIN_PORT
    skip_inbound_ports: str = ",".join(map(str, names.DEFAULT_SKIP_PORTS))
    skip_outbound_ports: str = ",".join(map(str, names.DEFAULT_SKIP_PORTS))
    skip_subnets: str = ""
    api_server_ports: str = ",".join(map(str, names.API_SERVER_PORTS))
    opaque_ports: str = ",".join(map(str, names.DEFAULT_OPAQUE_PORTS))
    pod_inbound_ports: str = ""  # empty: computed from the pod
    require_identity_ports: str = ""
    require_tls_ports: str = ""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""
    ephemeral_storage_request: str = ""
    ephemeral_storage_limit: str = ""
    workers_minimum: int = 1
    workers_maximum: int | None = None
    workers_maximum_ratio: float | None = None

    proxy_uid: int = names.PROXY_UID
    proxy_gid: int = -1  # below 0: not set
    log_level: str = names.DEFAULT_PROXY_LOG
    log_format: str = "plain"
    log_http_headers: str = "off"
    access_log: str = ""
    external_profiles: bool = False
    hostname_labels: bool = False
    metrics_max_series: int | None = None  # None: the proxy's own default
    metrics_drop_labels: str = ""
    outbound_connect_timeout: str = "1000ms"
    inbound_connect_timeout: str = "100ms"
    outbound_discovery_idle_timeout: str = "5s"
    inbound_discovery_idle_timeout: str = "90s"
    disable_outbound_detect_timeout: bool = False
    disable_inbound_detect_timeout: bool = False
    stream_initial_timeout: str = "3s"
    stream_idle_timeout: str = "5m"
    stream_lifetime: str = "1h"
    shutdown_grace_period: str = ""
    admin_shutdown: bool = False
    default_inbound_policy: str = "all-unauthenticated"
    gateway: bool = False
    ingress: bool = False
    native_sidecar: bool = True
    native_sidecar_asked: bool = False  # by an annotation, which then holds whatever the pod is
    await_proxy: bool = True  # application containers start once the proxy is ready
    wait_before_exit_seconds: int = 0
    server_parameters: tuple[tuple[str, str], ...] = (  # environment name -> value
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
        ("OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
    )
    additional_env: tuple[Json, ...] = ()  # EnvVar objects
    tracing: Tracing | None = None
    liveness_initial_delay_seconds: int = 10
    readiness_initial_delay_seconds: int = 0
    readiness_period_seconds: int = 2
    probe_timeout_seconds: int = 1

    iptables_mode: str = "nft"
    init_log_level: str = ""
    init_log_format: str = ""
    init_privileged: bool = False
    close_wait_seconds: int = 0
    xtables_path: str = "/run"

    debug: bool = False
    debug_image: str = names.CONTROLLER_IMAGE
    debug_image_version: str = ""
    debug_image_pull_policy: str = ""

    @property
    def proxy_tag(self) -> str:
        return self.proxy_version or self.version

    @property
    def uses_native_sidecar(self) -> bool:
        """Whether it is wanted and the cluster can."""
        can = self.kubernetes_version is None or self.kubernetes_version >= NATIVE_SIDECARS_SINCE
        return self.native_sidecar and can

    def is_native_in(self, spec: Json) -> bool:
        """Where a CNI plugin redirects, a pod that restarts for ever has the classic order.

        A native sidecar would cost it a look of the kubelet, a second; a pod that is to end, as a
        Job's, needs one all the same (docs/decisions/0008-cni.md).
        """
        restarts = spec.get("restartPolicy", "Always") == "Always"
        if self.cni and restarts and not self.native_sidecar_asked:
            return False
        return self.uses_native_sidecar

    @classmethod
    def from_values(
        cls,
        values: Mapping[str, Any],
        *,
        control_namespace: str = names.CONTROL_NAMESPACE,
        kubernetes_version: tuple[int, int] | None = None,
    ) -> Self:
        """The settings that the install's values say; what they leave out has its default."""
        found: Json = {}
        for path, (field, convert) in _FIELDS.items():
            value = _at(values, path)
            may_be_empty = convert in (str, _listed) and field not in _NEVER_EMPTY
            if value is None or (value == "" and not may_be_empty):
                continue
            try:
                found[field] = convert(value)
            except (TypeError, ValueError) as error:
                raise ValuesError(f"the value {path} cannot be {value!r}: {error}") from error
        found["server_parameters"] = _server_parameters(values)
        found["tracing"] = _tracing(values)
        settings = cls(
            control_namespace=control_namespace, kubernetes_version=kubernetes_version, **found
        )
        if not settings.trust_domain or "trust_domain" not in found:
            settings = replace(settings, trust_domain=settings.cluster_domain)
        return settings


def _at(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for part in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")
    return value


def _listed(value: object) -> str:
    """A comma-separated list, given as one text or as a YAML list."""
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


def _port(value: object) -> int:
    port = int(str(value))
    if not 0 < port < 65536:
        raise ValueError("a port is between 1 and 65535")
    return port


def _env(value: object) -> tuple[Json, ...]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("it must be a list of environment variables")
    return tuple(value)


def _one_of(*allowed: str) -> Callable[[object], str]:
    def convert(value: object) -> str:
        if str(value) not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return str(value)

    return convert


INBOUND_POLICIES = (
    "all-unauthenticated",
    "all-authenticated",
    "cluster-unauthenticated",
    "cluster-authenticated",
    "deny",
    "audit",
)
# An empty text for these means that another value, or the default, holds.
_NEVER_EMPTY = ("trust_domain", "version", "image_pull_policy", "log_level", "log_format")
_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "clusterDomain": ("cluster_domain", str),
    "clusterNetworks": ("cluster_networks", _listed),
    "identityTrustDomain": ("trust_domain", str),
    "identityTrustAnchorsPEM": ("trust_anchors_pem", str),
    "linkerdVersion": ("version", str),
    "cniEnabled": ("cni", _boolean),
    "disableIPv6": ("ipv6", lambda value: not _boolean(value)),
    "imagePullPolicy": ("image_pull_policy", str),
    "proxy.image.name": ("proxy_image", str),
    "proxy.image.version": ("proxy_version", str),
    "proxy.image.pullPolicy": ("image_pull_policy", str),  # after the general one, to win over it
    "proxy.ports.admin": ("admin_port", _port),
    "proxy.ports.control": ("control_port", _port),
    "proxy.ports.inbound": ("inbound_port", _port),
    "proxy.ports.outbound": ("outbound_port", _port),
    "proxy.logLevel": ("log_level", str),
    "proxy.logFormat": ("log_format", str),
    "proxy.logHTTPHeaders": ("log_http_headers", _one_of("off", "insecure")),
    "proxy.accessLog": ("access_log", str),
    "proxy.enableExternalProfiles": ("external_profiles", _boolean),
    "proxy.outboundConnectTimeout": ("outbound_connect_timeout", str),
    "proxy.inboundConnectTimeout": ("inbound_connect_timeout", str),
    "proxy.outboundDiscoveryCacheUnusedTimeout": ("outbound_discovery_idle_timeout", str),
    "proxy.inboundDiscoveryCacheUnusedTimeout": ("inbound_discovery_idle_timeout", str),
    "proxy.disableOutboundProtocolDetectTimeout": ("disable_outbound_detect_timeout", _boolean),
    "proxy.disableInboundProtocolDetectTimeout": ("disable_inbound_detect_timeout", _boolean),
    "proxy.enableShutdownEndpoint": ("admin_shutdown", _boolean),
    "proxy.cores": ("workers_minimum", int),
    "proxy.runtime.workers.minimum": ("workers_minimum", int),
    "proxy.runtime.workers.maximum": ("workers_maximum", int),
    "proxy.runtime.workers.maximumCPURatio": ("workers_maximum_ratio", float),
    "proxy.resources.cpu.request": ("cpu_request", str),
    "proxy.resources.cpu.limit": ("cpu_limit", str),
    "proxy.resources.memory.request": ("memory_request", str),
    "proxy.resources.memory.limit": ("memory_limit", str),
    "proxy.resources.ephemeral-storage.request": ("ephemeral_storage_request", str),
    "proxy.resources.ephemeral-storage.limit": ("ephemeral_storage_limit", str),
    "proxy.uid": ("proxy_uid", int),
    "proxy.gid": ("proxy_gid", int),
    "proxy.waitBeforeExitSeconds": ("wait_before_exit_seconds", int),
    "proxy.await": ("await_proxy", _boolean),
    "proxy.requireIdentityOnInboundPorts": ("require_identity_ports", _listed),
    "proxy.requireTLSOnInboundPorts": ("require_tls_ports", _listed),
    "proxy.opaquePorts": ("opaque_ports", _listed),
    "proxy.shutdownGracePeriod": ("shutdown_grace_period", str),
    "proxy.defaultInboundPolicy": ("default_inbound_policy", _one_of(*INBOUND_POLICIES)),
    "proxy.nativeSidecar": ("native_sidecar", _boolean),
    "proxy.control.streams.initialTimeout": ("stream_initial_timeout", str),
    "proxy.control.streams.idleTimeout": ("stream_idle_timeout", str),
    "proxy.control.streams.lifetime": ("stream_lifetime", str),
    "proxy.metrics.hostnameLabels": ("hostname_labels", _boolean),
    "proxy.metrics.maxSeries": ("metrics_max_series", int),
    "proxy.metrics.dropLabels": ("metrics_drop_labels", _listed),
    "proxy.additionalEnv": ("additional_env", _env),
    "proxy.livenessProbe.initialDelaySeconds": ("liveness_initial_delay_seconds", int),
    "proxy.livenessProbe.timeoutSeconds": ("probe_timeout_seconds", int),
    "proxy.readinessProbe.initialDelaySeconds": ("readiness_initial_delay_seconds", int),
    "proxy.readinessProbe.periodSeconds": ("readiness_period_seconds", int),
    "proxyInit.iptablesMode": ("iptables_mode", _one_of("nft", "legacy", "plain")),
    "proxyInit.ignoreInboundPorts": ("skip_inbound_ports", _listed),
    "proxyInit.ignoreOutboundPorts": ("skip_outbound_ports", _listed),
    "proxyInit.kubeAPIServerPorts": ("api_server_ports", _listed),
    "proxyInit.skipSubnets": ("skip_subnets", _listed),
    "proxyInit.logLevel": ("init_log_level", str),
    "proxyInit.logFormat": ("init_log_format", str),
    "proxyInit.closeWaitTimeoutSecs": ("close_wait_seconds", int),
    "proxyInit.privileged": ("init_privileged", _boolean),
    "proxyInit.xtMountPath.mountPath": ("xtables_path", str),
    "debugContainer.image.name": ("debug_image", str),
    "debugContainer.image.version": ("debug_image_version", str),
    "debugContainer.image.pullPolicy": ("debug_image_pull_policy", str),
}


def _server_parameters(values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Every key under proxy.{inbound,outbound} as a variable, server.http2.* above all."""
    found = dict(Settings().server_parameters)
    for direction in ("inbound", "outbound"):
        for scope, protocols in (_at(values, f"proxy.{direction}") or {}).items():
            for protocol, parameters in (protocols or {}).items():
                for name, value in (parameters or {}).items():
                    words = (direction, scope, protocol, name)
                    found["_".join(map(_upper_snake, words))] = str(value)
    return tuple(sorted(found.items()))


def _upper_snake(word: str) -> str:
    return "".join(f"_{c}" if c.isupper() else c.upper() for c in word)


def _tracing(values: Mapping[str, Any]) -> Tracing | None:
    if not _at(values, "proxy.tracing.enabled"):
        return None
    account = "proxy.tracing.collector.meshIdentity"
    needed = ("proxy.tracing.collector.endpoint", f"{account}.serviceAccountName")
    for path in (*needed, f"{account}.namespace"):
        if not _at(values, path):
            raise ValuesError(f"the value {path} must be set, as proxy.tracing.enabled is true")
    attributes = dict(Tracing("", "", "").attributes)
    attributes.update(sorted((_at(values, "proxy.tracing.labels") or {}).items()))
    return Tracing(
        endpoint=str(_at(values, needed[0])),
        service_account=str(_at(values, needed[1])),
        namespace=str(_at(values, f"{account}.namespace")),
        service_name=str(_at(values, "proxy.tracing.traceServiceName") or "linkerd-proxy"),
        protocol=str(_at(values, "proxy.tracing.protocol") or "opentelemetry"),
        attributes=tuple((key, str(value)) for key, value in attributes.items()),
    )
