"""The containers and volumes that make a pod meshed: the init container, the proxy, debug. Pure."""

from typing import Any

from tulle import names
from tulle.injector import environment
from tulle.injector.settings import Settings

Json = dict[str, Any]

AWAIT_TIMEOUT = "120s"
TOKEN_LIFETIME_SECONDS = 86400


def proxy(settings: Settings, *, component: str | None, inbound_ports: str, native: bool) -> Json:
    """The sidecar. As a native one it is an init container that the kubelet keeps running."""
    container: Json = {
        "name": names.PROXY_CONTAINER,
        "image": f"{settings.proxy_image}:{settings.proxy_tag}",
        "imagePullPolicy": settings.image_pull_policy,
        "env": [
            *environment.variables(settings, component=component, inbound_ports=inbound_ports),
            *_expectation(settings, native),
        ],
        "ports": [
            {"containerPort": settings.inbound_port, "name": names.PROXY_PORT_NAME},
            {"containerPort": settings.admin_port, "name": names.ADMIN_PORT_NAME},
        ],
        "livenessProbe": _probe(settings, "/live", settings.liveness_initial_delay_seconds),
        "readinessProbe": {
            **_probe(settings, "/ready", settings.readiness_initial_delay_seconds),
            "periodSeconds": settings.readiness_period_seconds,
        },
        "resources": _resources(settings),
        "securityContext": _unprivileged(settings),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "lifecycle": _lifecycle(settings, "" if native or component else inbound_ports),
        "volumeMounts": _mounts(settings, native),
    }
    if native:
        container["restartPolicy"] = "Always"
    return {key: value for key, value in container.items() if value != {}}


def _expectation(settings: Settings, native: bool) -> list[Json]:
    """The entry program refuses to start in a pod that the CNI plugin missed."""
    found = []
    if settings.cni:
        found.append({"name": names.REDIRECTED_BY_VARIABLE, "value": names.CNI})
    if is_gated(settings, native):
        found.append({"name": names.GATE_VARIABLE, "value": names.GATE_DIR})
    return found


def is_gated(settings: Settings, native: bool) -> bool:
    """Whether the application's containers are kept from starting without their proxy.

    After a native sidecar or an init container that failed, the kubelet starts nothing. It does so
    after an ordinary container, where traffic that no plugin redirects would leave in plain.
    """
    return settings.cni and settings.await_proxy and not native


def gated(container: Json) -> Json:
    """A container of the application that cannot be created while the gate is closed."""
    mount = {
        "name": names.GATE_VOLUME,
        "mountPath": names.GATE_MOUNT,
        "subPath": names.GATE_SUB_PATH,
        "readOnly": True,
    }
    kept = [m for m in container.get("volumeMounts") or [] if m.get("name") != names.GATE_VOLUME]
    return {**container, "volumeMounts": [*kept, mount]}


def _probe(settings: Settings, path: str, initial_delay_seconds: int) -> Json:
    probe: Json = {"httpGet": {"path": path, "port": settings.admin_port}}
    if initial_delay_seconds:
        probe["initialDelaySeconds"] = initial_delay_seconds
    probe["timeoutSeconds"] = settings.probe_timeout_seconds
    return probe


def _lifecycle(settings: Settings, awaited_ports: str) -> Json:
    """postStart holds back the next container until the proxy carries traffic.

    A start-up probe would do so only at the kubelet's next tick, up to a second later. preStop: an
    ordinary container gets its signal together with the application's, which may have a hook of
    its own and go on serving; so the proxy stays until `awaited_ports` are closed.
    """
    hooks: Json = {}
    if settings.await_proxy:
        port = str(settings.admin_port)
        command = [names.INIT_BINARY, "await", "--port", port, "--timeout", AWAIT_TIMEOUT]
        hooks["postStart"] = {"exec": {"command": command}}
    if settings.wait_before_exit_seconds:
        command = [names.INIT_BINARY, "sleep", str(settings.wait_before_exit_seconds)]
        hooks["preStop"] = {"exec": {"command": command}}
    elif ports := ",".join(port for port in awaited_ports.split(",") if port.isdigit()):
        command = [names.INIT_BINARY, "await-end", "--ports", ports]
        hooks["preStop"] = {"exec": {"command": command}}
    return hooks


def _unprivileged(settings: Settings) -> Json:
    context: Json = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": settings.proxy_uid,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if settings.proxy_gid >= 0:
        context["runAsGroup"] = settings.proxy_gid
    return context


def _resources(settings: Settings) -> Json:
    given = {
        "requests": {
            "cpu": settings.cpu_request,
            "memory": settings.memory_request,
            "ephemeral-storage": settings.ephemeral_storage_request,
        },
        "limits": {
            "cpu": settings.cpu_limit,
            "memory": settings.memory_limit,
            "ephemeral-storage": settings.ephemeral_storage_limit,
        },
    }
    found = {k: {name: v for name, v in part.items() if v} for k, part in given.items()}
    return {key: part for key, part in found.items() if part}


def _mounts(settings: Settings, native: bool) -> list[Json]:
    mounts: list[Json] = [
        {"name": names.IDENTITY_VOLUME, "mountPath": names.IDENTITY_DIR},
        {"name": names.TOKEN_VOLUME, "mountPath": names.TOKEN_DIR, "readOnly": True},
    ]
    if settings.tracing is not None:
        mount = {"name": names.PODINFO_VOLUME, "mountPath": names.PODINFO_DIR, "readOnly": True}
        mounts.append(mount)
    if is_gated(settings, native):
        mounts.append({"name": names.GATE_VOLUME, "mountPath": names.GATE_DIR})
    return mounts


def init(settings: Settings, *, component: str | None) -> Json:
    """Sets the pod's redirect, as root with two capabilities (docs/decisions/0003-init-user.md)."""
    privileged = settings.init_privileged or settings.close_wait_seconds > 0
    capabilities: Json = {"add": ["NET_ADMIN", "NET_RAW"]}
    if not privileged:
        capabilities["drop"] = ["ALL"]
    container: Json = {
        "name": names.INIT_CONTAINER,
        "image": f"{settings.proxy_image}:{settings.proxy_tag}",
        "imagePullPolicy": settings.image_pull_policy,
        "command": [names.INIT_BINARY, "iptables"],
        "args": redirect_arguments(settings, component=component),
        "resources": _resources(settings),
        "securityContext": {
            "allowPrivilegeEscalation": privileged,
            "capabilities": capabilities,
            "privileged": privileged,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": names.XTABLES_VOLUME, "mountPath": settings.xtables_path}],
    }
    return {key: value for key, value in container.items() if value != {}}


def _joined(*lists: str) -> str:
    return ",".join(item for item in lists if item)


def redirect_arguments(settings: Settings, *, component: str | None) -> list[str]:
    """The flags of the redirect; the control plane's calls to the API server skip the proxy."""
    api_server = settings.api_server_ports if component is not None else ""
    own_ports = f"{settings.control_port},{settings.admin_port}"
    optional = {
        "--proxy-gid": str(settings.proxy_gid) if settings.proxy_gid >= 0 else "",
        "--inbound-ports-to-ignore": _joined(own_ports, settings.skip_inbound_ports),
        "--outbound-ports-to-ignore": _joined(api_server, settings.skip_outbound_ports),
        "--subnets-to-ignore": settings.skip_subnets,
        "--timeout-close-wait-secs": str(settings.close_wait_seconds or ""),
        "--log-format": settings.init_log_format,
        "--log-level": settings.init_log_level,
    }
    return [
        *([] if settings.ipv6 else ["--ipv6=false"]),
        "--iptables-mode",
        settings.iptables_mode,
        "--incoming-proxy-port",
        str(settings.inbound_port),
        "--outgoing-proxy-port",
        str(settings.outbound_port),
        "--proxy-uid",
        str(settings.proxy_uid),
        *(word for flag, value in optional.items() if value for word in (flag, value)),
    ]


def debug(settings: Settings) -> Json:
    """A container to look around from; ours has Python and otherwise idles."""
    container: Json = {
        "name": names.DEBUG_CONTAINER,
        "image": f"{settings.debug_image}:{settings.debug_image_version or settings.version}",
        "imagePullPolicy": settings.debug_image_pull_policy or settings.image_pull_policy,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if settings.debug_image == names.CONTROLLER_IMAGE:
        container["command"] = ["python3", "-c", "import signal; signal.pause()"]
    return container


def volumes(settings: Settings, native: bool) -> list[Json]:
    token = {
        "path": names.TOKEN_FILE,
        "expirationSeconds": TOKEN_LIFETIME_SECONDS,
        "audience": names.IDENTITY_AUDIENCE,
    }
    found: list[Json] = [
        {"name": names.IDENTITY_VOLUME, "emptyDir": {"medium": "Memory"}},
        {"name": names.TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    if not settings.cni:
        found.append({"name": names.XTABLES_VOLUME, "emptyDir": {}})
    if is_gated(settings, native):
        gate = {"medium": "Memory", "sizeLimit": "1Mi"}
        found.append({"name": names.GATE_VOLUME, "emptyDir": gate})
    if settings.tracing is not None:
        items = [
            {"path": part, "fieldRef": {"fieldPath": f"metadata.{part}"}}
            for part in ("labels", "annotations")
        ]
        found.append({"name": names.PODINFO_VOLUME, "downwardAPI": {"items": items}})
    return found
