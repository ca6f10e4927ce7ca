"""The annotations that configure a sidecar: what each means, and laying them over the settings.

A workload's annotation wins over its namespace's, which wins over the install's values. One that
cannot be read is left out, with a sentence that says so: a typing mistake never stops a pod.
"""

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tulle import names
from tulle.durations import seconds
from tulle.injector import units
from tulle.injector.settings import INBOUND_POLICIES, Settings

Json = dict[str, Any]
Fields = dict[str, Any]

NATIVE_SIDECAR = "proxy-enable-native-sidecar"
ADDITIONAL_ENV = "proxy-additional-env"
OPAQUE_PORTS = "opaque-ports"
WAIT_BEFORE_EXIT = "proxy-wait-before-exit-seconds"
TRACE_ATTRIBUTE_PREFIX = "resource.opentelemetry.io/"
TRACE_NAME_LABELS = ("app.kubernetes.io/instance", "app.kubernetes.io/name")


@dataclass(frozen=True, slots=True)
class Meant:
    """The settings that a pod's and its namespace's annotations come to."""

    settings: Settings
    warnings: tuple[str, ...]


def _set(field: str, parse: Callable[[str], Any] = str) -> Callable[[str], Fields]:
    return lambda text: {field: parse(text)}


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return text

    return parse


def _cpu_request(text: str) -> Fields:
    return {"cpu_request": units.quantity(text), "workers_minimum": units.whole_cores(text)}


def _cpu_limit(text: str) -> Fields:
    return {"cpu_limit": units.quantity(text), "workers_maximum": units.whole_cores(text)}


def _native_sidecar(text: str) -> Fields:
    return {"native_sidecar": units.boolean(text), "native_sidecar_asked": True}


def _close_wait(text: str) -> Fields:
    return {"close_wait_seconds": int(seconds(text))}


def _nonempty(text: str) -> str:
    if not text.strip() or any(c.isspace() for c in text.strip()):
        raise ValueError("it must be one word")
    return text.strip()


PULL_POLICIES = ("Always", "IfNotPresent", "Never")
# Name after `config.linkerd.io/` -> the settings that its text comes to.
CONFIG: dict[str, Callable[[str], Fields]] = {
    "proxy-image": _set("proxy_image", _nonempty),
    "proxy-version": _set("proxy_version", _nonempty),
    "image-pull-policy": _set("image_pull_policy", _one_of(*PULL_POLICIES)),
    "control-port": _set("control_port", units.port),
    "inbound-port": _set("inbound_port", units.port),
    "outbound-port": _set("outbound_port", units.port),
    "admin-port": _set("admin_port", units.port),
    "skip-inbound-ports": _set("skip_inbound_ports", units.ports),
    "skip-outbound-ports": _set("skip_outbound_ports", units.ports),
    "skip-subnets": _set("skip_subnets", units.networks),
    "pod-inbound-ports": _set("pod_inbound_ports", units.ports),
    "proxy-cpu-request": _cpu_request,
    "proxy-cpu-limit": _cpu_limit,
    "proxy-cpu-ratio-limit": _set("workers_maximum_ratio", units.ratio),
    "proxy-memory-request": _set("memory_request", units.quantity),
    "proxy-memory-limit": _set("memory_limit", units.quantity),
    "proxy-ephemeral-storage-request": _set("ephemeral_storage_request", units.quantity),
    "proxy-ephemeral-storage-limit": _set("ephemeral_storage_limit", units.quantity),
    "proxy-uid": _set("proxy_uid", units.user),
    "proxy-gid": _set("proxy_gid", units.whole),
    "proxy-log-level": _set("log_level"),
    "proxy-log-format": _set("log_format", _one_of("plain", "json")),
    "proxy-log-http-headers": _set("log_http_headers", _one_of("off", "insecure")),
    "access-log": _set("access_log", _one_of("apache", "json", "")),
    "enable-external-profiles": _set("external_profiles", units.boolean),
    "proxy-require-identity-inbound-ports": _set("require_identity_ports", units.ports),
    "proxy-metrics-hostname-labels": _set("hostname_labels", units.boolean),
    "proxy-metrics-max-series": _set("metrics_max_series", units.whole),
    "proxy-metrics-drop-labels": _set("metrics_drop_labels", units.metric_labels),
    "proxy-outbound-connect-timeout": _set("outbound_connect_timeout", units.milliseconds),
    "proxy-inbound-connect-timeout": _set("inbound_connect_timeout", units.milliseconds),
    "proxy-outbound-discovery-cache-unused-timeout": _set(
        "outbound_discovery_idle_timeout", units.whole_seconds
    ),
    "proxy-inbound-discovery-cache-unused-timeout": _set(
        "inbound_discovery_idle_timeout", units.whole_seconds
    ),
    "proxy-disable-outbound-protocol-detect-timeout": _set(
        "disable_outbound_detect_timeout", units.boolean
    ),
    "proxy-disable-inbound-protocol-detect-timeout": _set(
        "disable_inbound_detect_timeout", units.boolean
    ),
    "enable-gateway": _set("gateway", units.boolean),
    "enable-debug-sidecar": _set("debug", units.boolean),
    "debug-image": _set("debug_image", _nonempty),
    "debug-image-version": _set("debug_image_version", _nonempty),
    "debug-image-pull-policy": _set("debug_image_pull_policy", _one_of(*PULL_POLICIES)),
    "close-wait-timeout": _close_wait,
    "proxy-await": _set("await_proxy", units.enabled),
    "default-inbound-policy": _set("default_inbound_policy", _one_of(*INBOUND_POLICIES)),
    "shutdown-grace-period": _set("shutdown_grace_period", units.milliseconds),
    "proxy-admin-shutdown": _set("admin_shutdown", units.enabled),
    WAIT_BEFORE_EXIT: _set("wait_before_exit_seconds", units.whole),
    NATIVE_SIDECAR: _native_sidecar,
    "cni-enabled": _set("cni", units.boolean),
}
ELSEWHERE = frozenset({OPAQUE_PORTS, ADDITIONAL_ENV})  # read below, each in a way of its own
PREFIXES = (  # the first that names a setting counts
    names.CONFIG_ANNOTATION_PREFIX,
    names.CONFIG_BETA_ANNOTATION_PREFIX,
    names.CONFIG_ALPHA_ANNOTATION_PREFIX,
)


def known(key: str) -> str | None:
    """The setting that an annotation key names, whatever its prefix; None for other keys."""
    for prefix in PREFIXES:
        if (
            key.startswith(prefix)
            and (name := key.removeprefix(prefix)) in CONFIG.keys() | ELSEWHERE
        ):
            return name
    return None


def inherited(pod: Mapping[str, str], namespace: Mapping[str, str]) -> dict[str, str]:
    """The namespace's configuration that the pod does not set itself, in any of its prefixes."""
    own = {known(key) for key in pod}
    return {
        key: value
        for key, value in sorted(namespace.items())
        if (key == names.INJECT_ANNOTATION and key not in pod)
        or ((name := known(key)) is not None and name not in own)
    }


def apply(
    settings: Settings,
    pod: Mapping[str, str],
    namespace: Mapping[str, str],
    *,
    pod_labels: Mapping[str, str],
    port_names: Mapping[str, int],
) -> Meant:
    """The settings of one pod: `pod` is its annotations, `port_names` its containers' ports."""
    warnings: list[str] = []
    fields: Fields = {}
    for where, given in (("the namespace", namespace), ("the pod", pod)):
        warnings.extend(_unknown(where, given))
        for key, name in _effective(given).items():
            try:
                fields.update(_read(name, given[key], port_names))
            except ValueError as error:
                warnings.append(f"{where}'s {key} cannot be {given[key]!r}: {error}; left out")
        fields["additional_env"] = _merged_env(
            fields.get("additional_env", settings.additional_env), where, given, warnings
        )
    merged = {**namespace, **pod}
    fields["ingress"] = merged.get(names.INJECT_ANNOTATION) == "ingress"
    if settings.tracing is not None:
        attributes = _trace_attributes(dict(settings.tracing.attributes), merged, pod_labels)
        fields["tracing"] = replace(settings.tracing, attributes=attributes)
    result = replace(settings, **fields)
    if result.native_sidecar and fields.get("native_sidecar") and not result.uses_native_sidecar:
        warnings.append("native sidecars need Kubernetes 1.29; the classic form is used")
    return Meant(result, tuple(warnings))


def _effective(given: Mapping[str, str]) -> dict[str, str]:
    """Key -> setting, where of several prefixes of one setting the plainest counts."""
    chosen: dict[str, str] = {}
    for prefix in PREFIXES:
        for key in sorted(given):
            if key.startswith(prefix) and (name := known(key)) and name not in chosen.values():
                chosen[key] = name
    return chosen


def _read(name: str, text: str, port_names: Mapping[str, int]) -> Fields:
    if name == OPAQUE_PORTS:
        return {"opaque_ports": units.named_ports(text, port_names)}
    if name == ADDITIONAL_ENV:
        return {}
    return CONFIG[name](text)


def _unknown(where: str, given: Mapping[str, str]) -> list[str]:
    """A sentence for each key under our prefix that means nothing, with the likely meant one."""
    sentences = []
    for key in sorted(given):
        if key.startswith(names.CONFIG_ANNOTATION_PREFIX) and known(key) is None:
            name = key.removeprefix(names.CONFIG_ANNOTATION_PREFIX)
            near = difflib.get_close_matches(name, [*CONFIG, *ELSEWHERE], n=1)
            hint = f"; did you mean {names.CONFIG_ANNOTATION_PREFIX}{near[0]}?" if near else ""
            sentences.append(f"{where}'s {key} is no setting of the proxy{hint}")
    return sentences


def _merged_env(
    base: tuple[Json, ...], where: str, given: Mapping[str, str], warnings: list[str]
) -> tuple[Json, ...]:
    """Extra environment by name: what `given` brings replaces what `base` has."""
    key = f"{names.CONFIG_ANNOTATION_PREFIX}{ADDITIONAL_ENV}"
    if not given.get(key):
        return base
    try:
        brought = json.loads(given[key])
    except ValueError as error:
        warnings.append(f"{where}'s {key} is not JSON ({error}); left out")
        return base
    if not isinstance(brought, list) or not all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in brought
    ):
        warnings.append(f"{where}'s {key} must be a JSON list of {{name, value}}; left out")
        return base
    merged = {item["name"]: item for item in base}
    merged.update({item["name"]: item for item in brought})
    return tuple(merged.values())


def _trace_attributes(
    base: dict[str, str], annotations: Mapping[str, str], labels: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    for label in TRACE_NAME_LABELS:
        if label in labels:
            base["service.name"] = labels[label]
            break
    for key, value in sorted(annotations.items()):
        if key.startswith(TRACE_ATTRIBUTE_PREFIX):
            base[key.removeprefix(TRACE_ATTRIBUTE_PREFIX)] = value
    return tuple(base.items())
