"""Each annotation: what it comes to, what its mistakes are answered with, and where it is told."""

from dataclasses import asdict
from pathlib import Path

import pytest

from tulle.injector import annotations as room
from tulle.injector.settings import Settings, Tracing

PREFIX = "config.linkerd.io/"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "annotations.md"

# Annotation, its text, the settings that it changes.
MEANINGS = [
    ("proxy-image", "registry.test/proxy", {"proxy_image": "registry.test/proxy"}),
    ("proxy-version", "9.9", {"proxy_version": "9.9"}),
    ("image-pull-policy", "Always", {"image_pull_policy": "Always"}),
    ("control-port", "5190", {"control_port": 5190}),
    ("inbound-port", "5143", {"inbound_port": 5143}),
    ("outbound-port", "5140", {"outbound_port": 5140}),
    ("admin-port", "5191", {"admin_port": 5191}),
    ("skip-inbound-ports", "22, 8000-9000", {"skip_inbound_ports": "22,8000-9000"}),
    ("skip-outbound-ports", "25", {"skip_outbound_ports": "25"}),
    ("skip-outbound-ports", "", {"skip_outbound_ports": ""}),
    ("skip-subnets", "10.0.0.0/8", {"skip_subnets": "10.0.0.0/8"}),
    ("pod-inbound-ports", "80,81", {"pod_inbound_ports": "80,81"}),
    ("opaque-ports", "db,6379", {"opaque_ports": "5432,6379"}),
    ("proxy-cpu-request", "1500m", {"cpu_request": "1500m", "workers_minimum": 2}),
    ("proxy-cpu-limit", "3", {"cpu_limit": "3", "workers_maximum": 3}),
    ("proxy-cpu-ratio-limit", "0.5", {"workers_maximum_ratio": 0.5}),
    ("proxy-memory-request", "20Mi", {"memory_request": "20Mi"}),
    ("proxy-memory-limit", "250Mi", {"memory_limit": "250Mi"}),
    ("proxy-ephemeral-storage-request", "1Mi", {"ephemeral_storage_request": "1Mi"}),
    ("proxy-ephemeral-storage-limit", "2Mi", {"ephemeral_storage_limit": "2Mi"}),
    ("proxy-uid", "1000", {"proxy_uid": 1000}),
    ("proxy-gid", "1000", {"proxy_gid": 1000}),
    ("proxy-log-level", "debug", {"log_level": "debug"}),
    ("proxy-log-format", "json", {"log_format": "json"}),
    ("proxy-log-http-headers", "insecure", {"log_http_headers": "insecure"}),
    ("access-log", "apache", {"access_log": "apache"}),
    ("enable-external-profiles", "true", {"external_profiles": True}),
    ("proxy-require-identity-inbound-ports", "80", {"require_identity_ports": "80"}),
    ("proxy-metrics-hostname-labels", "true", {"hostname_labels": True}),
    ("proxy-metrics-max-series", "5000", {"metrics_max_series": 5000}),
    ("proxy-metrics-drop-labels", "authority, sni", {"metrics_drop_labels": "authority,sni"}),
    ("proxy-outbound-connect-timeout", "2s", {"outbound_connect_timeout": "2000ms"}),
    ("proxy-inbound-connect-timeout", "250ms", {"inbound_connect_timeout": "250ms"}),
    (
        "proxy-outbound-discovery-cache-unused-timeout",
        "1m",
        {"outbound_discovery_idle_timeout": "60s"},
    ),
    (
        "proxy-inbound-discovery-cache-unused-timeout",
        "2m",
        {"inbound_discovery_idle_timeout": "120s"},
    ),
    (
        "proxy-disable-outbound-protocol-detect-timeout",
        "true",
        {"disable_outbound_detect_timeout": True},
    ),
    (
        "proxy-disable-inbound-protocol-detect-timeout",
        "true",
        {"disable_inbound_detect_timeout": True},
    ),
    ("enable-gateway", "true", {"gateway": True}),
    ("enable-debug-sidecar", "true", {"debug": True}),
    ("debug-image", "registry.test/debug", {"debug_image": "registry.test/debug"}),
    ("debug-image-version", "2", {"debug_image_version": "2"}),
    ("debug-image-pull-policy", "Never", {"debug_image_pull_policy": "Never"}),
    ("close-wait-timeout", "1m", {"close_wait_seconds": 60}),
    ("proxy-await", "disabled", {"await_proxy": False}),
    ("default-inbound-policy", "deny", {"default_inbound_policy": "deny"}),
    ("shutdown-grace-period", "5s", {"shutdown_grace_period": "5000ms"}),
    ("proxy-admin-shutdown", "enabled", {"admin_shutdown": True}),
    (
        "proxy-enable-native-sidecar",
        "false",
        {"native_sidecar": False, "native_sidecar_asked": True},
    ),
    ("cni-enabled", "true", {"cni": True}),
    ("proxy-wait-before-exit-seconds", "7", {"wait_before_exit_seconds": 7}),
    (
        "proxy-additional-env",
        '[{"name": "A", "value": "1"}]',
        {"additional_env": ({"name": "A", "value": "1"},)},
    ),
]
# Annotation, a text that it cannot have, words of the answer.
MISTAKES = [
    ("proxy-image", "two words", "one word"),
    ("proxy-version", "", "one word"),
    ("image-pull-policy", "always", "one of Always, IfNotPresent, Never"),
    ("control-port", "70000", "between 1 and 65535"),
    ("inbound-port", "http", "between 1 and 65535"),
    ("outbound-port", "-1", "between 1 and 65535"),
    ("admin-port", "0", "between 1 and 65535"),
    ("skip-inbound-ports", "ssh", "'ssh' is neither a port nor a range"),
    ("skip-outbound-ports", "9-8", "ends before it begins"),
    ("skip-subnets", "10.0.0", "is not a network"),
    ("pod-inbound-ports", "x", "neither a port"),
    ("opaque-ports", "nobody", "'nobody' is neither a port"),
    ("proxy-cpu-request", "lots", "a quantity is"),
    ("proxy-cpu-limit", "1Gi", "CPU is a number of cores"),
    ("proxy-cpu-ratio-limit", "1.5", "above 0 and at most 1"),
    ("proxy-memory-request", "20MB", "a quantity is"),
    ("proxy-memory-limit", "x", "a quantity is"),
    ("proxy-ephemeral-storage-request", "x", "a quantity is"),
    ("proxy-ephemeral-storage-limit", "x", "a quantity is"),
    ("proxy-uid", "0", "never runs as root"),
    ("proxy-gid", "staff", "whole number"),
    ("proxy-log-format", "xml", "one of plain, json"),
    ("proxy-log-http-headers", "on", "one of off, insecure"),
    ("access-log", "nginx", "one of apache, json"),
    ("enable-external-profiles", "yes", "true or false"),
    ("proxy-require-identity-inbound-ports", "x", "neither a port"),
    ("proxy-metrics-hostname-labels", "maybe", "true or false"),
    ("proxy-metrics-max-series", "many", "a whole number"),
    ("proxy-metrics-drop-labels", "authority,tls", "do without tls"),
    ("proxy-outbound-connect-timeout", "2", "a duration is"),
    ("proxy-inbound-connect-timeout", "soon", "a duration is"),
    ("proxy-outbound-discovery-cache-unused-timeout", "1", "a duration is"),
    ("proxy-inbound-discovery-cache-unused-timeout", "1", "a duration is"),
    ("proxy-disable-outbound-protocol-detect-timeout", "10s", "true or false"),
    ("proxy-disable-inbound-protocol-detect-timeout", "10s", "true or false"),
    ("enable-gateway", "enabled", "true or false"),
    ("enable-debug-sidecar", "enabled", "true or false"),
    ("debug-image", "", "one word"),
    ("debug-image-version", "", "one word"),
    ("debug-image-pull-policy", "x", "one of Always"),
    ("close-wait-timeout", "60", "a duration is"),
    ("proxy-await", "true", "enabled or disabled"),
    ("default-inbound-policy", "open", "one of all-unauthenticated"),
    ("shutdown-grace-period", "5", "a duration is"),
    ("proxy-admin-shutdown", "true", "enabled or disabled"),
    ("proxy-enable-native-sidecar", "enabled", "true or false"),
    ("cni-enabled", "yes", "true or false"),
    ("proxy-wait-before-exit-seconds", "5s", "whole number"),
    ("proxy-additional-env", "A=1", "is not JSON"),
    ("proxy-additional-env", '{"A": 1}', "must be a JSON list"),
]
FREE = {"proxy-log-level"}  # any text may be a log filter


def apply(pod=None, namespace=None, settings=Settings(), labels=None):  # noqa: B008
    names = {"db": 5432}
    return room.apply(
        settings, pod or {}, namespace or {}, pod_labels=labels or {}, port_names=names
    )


def changed(settings: Settings) -> dict:
    before, after = asdict(Settings()), asdict(settings)
    return {key: value for key, value in after.items() if value != before[key]}


@pytest.mark.parametrize(("name", "text", "fields"), MEANINGS)
@pytest.mark.parametrize("where", ["pod", "namespace"])
def test_what_it_comes_to(name, text, fields, where) -> None:
    found = apply(**{where: {PREFIX + name: text}})
    before = asdict(Settings())
    assert changed(found.settings) == {k: v for k, v in fields.items() if v != before[k]}
    assert found.warnings == ()


@pytest.mark.parametrize(("name", "text", "words"), MISTAKES)
def test_a_mistake_is_left_out_and_said(name, text, words) -> None:
    found = apply({PREFIX + name: text})
    assert changed(found.settings) == {}
    (warning,) = found.warnings
    assert words in warning
    assert PREFIX + name in warning
    assert warning.startswith("the pod's")


def test_every_annotation_is_tried_and_told() -> None:
    every = room.CONFIG.keys() | room.ELSEWHERE
    assert {name for name, _, _ in MEANINGS} == every
    assert {name for name, _, _ in MISTAKES} | FREE == every
    told = DOCUMENT.read_text()
    assert [name for name in sorted(every) if f"`{name}`" not in told] == []


def test_the_workload_wins_over_its_namespace() -> None:
    key = PREFIX + "admin-port"
    assert apply({key: "2"}, {key: "1"}).settings.admin_port == 2
    assert apply({}, {key: "1"}).settings.admin_port == 1
    mistaken = apply({key: "x"}, {key: "1"})
    assert mistaken.settings.admin_port == 1
    assert len(mistaken.warnings) == 1


@pytest.mark.parametrize("prefix", ["config.alpha.linkerd.io/", "config.beta.linkerd.io/"])
def test_older_prefixes(prefix) -> None:
    assert not apply({f"{prefix}proxy-enable-native-sidecar": "false"}).settings.native_sidecar
    both = {
        f"{prefix}proxy-enable-native-sidecar": "false",
        f"{PREFIX}proxy-enable-native-sidecar": "true",
    }
    assert apply(both).settings.native_sidecar


def test_a_pod_s_older_prefix_still_wins_over_the_namespace() -> None:
    pod = {"config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "3"}
    namespace = {f"{PREFIX}proxy-wait-before-exit-seconds": "9"}
    assert apply(pod, namespace).settings.wait_before_exit_seconds == 3
    assert room.inherited(pod, namespace) == {}


def test_an_unknown_one_is_answered_with_the_likely_meant() -> None:
    found = apply({PREFIX + "skip-outbond-ports": "25", "shop.test/x": "1"})
    assert found.warnings == (
        "the pod's config.linkerd.io/skip-outbond-ports is no setting of the proxy; "
        "did you mean config.linkerd.io/skip-outbound-ports?",
    )


def test_extra_environment_is_merged_by_name() -> None:
    key = PREFIX + "proxy-additional-env"
    settings = Settings(additional_env=({"name": "A", "value": "v"}, {"name": "B", "value": "v"}))
    namespace = {key: '[{"name": "B", "value": "n"}, {"name": "C", "value": "n"}]'}
    pod = {key: '[{"name": "C", "value": "p"}]'}
    found = apply(pod, namespace, settings).settings.additional_env
    assert {item["name"]: item["value"] for item in found} == {"A": "v", "B": "n", "C": "p"}


def test_ingress_mode_is_an_inject_annotation() -> None:
    assert apply({"linkerd.io/inject": "ingress"}).settings.ingress
    assert apply({}, {"linkerd.io/inject": "ingress"}).settings.ingress
    both = apply({"linkerd.io/inject": "enabled"}, {"linkerd.io/inject": "ingress"})
    assert not both.settings.ingress


def test_a_native_sidecar_that_the_cluster_cannot_have() -> None:
    old = Settings(kubernetes_version=(1, 28))
    found = apply({PREFIX + "proxy-enable-native-sidecar": "true"}, settings=old)
    assert not found.settings.uses_native_sidecar
    assert found.warnings == ("native sidecars need Kubernetes 1.29; the classic form is used",)


def test_trace_attributes() -> None:
    settings = Settings(tracing=Tracing("c:4317", "collector", "tracing"))
    pod = {"resource.opentelemetry.io/team": "shop"}
    found = apply(pod, {}, settings, {"app.kubernetes.io/name": "web"}).settings.tracing
    assert found is not None
    assert dict(found.attributes)["team"] == "shop"
    assert dict(found.attributes)["service.name"] == "web"


def test_what_a_pod_inherits() -> None:
    namespace = {
        "linkerd.io/inject": "enabled",
        PREFIX + "admin-port": "1",
        PREFIX + "proxy-uid": "5",
        "team": "shop",
    }
    pod = {PREFIX + "proxy-uid": "6"}
    assert room.inherited(pod, namespace) == {
        "linkerd.io/inject": "enabled",
        PREFIX + "admin-port": "1",
    }
