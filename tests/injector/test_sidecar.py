"""The injected pod: containers, order, environment, volumes, metadata."""

import copy
import json
import re

import pytest

from tulle import names
from tulle.injector.environment import log_filter
from tulle.injector.settings import Settings, Tracing
from tulle.injector.sidecar import Owner, inject
from tulle.install.unmeshing import unmeshed

ENABLED = {"linkerd.io/inject": "enabled"}
CLASSIC = {**ENABLED, "config.linkerd.io/proxy-enable-native-sidecar": "false"}
AWAIT = ["/usr/lib/tulle/tulle-init", "await", "--port", "4191", "--timeout", "120s"]


def injected(pod, settings, namespace=ENABLED, **options):
    found = inject(
        pod,
        settings,
        namespace="shop",
        namespace_annotations=namespace,
        owner=Owner("Deployment", "web"),
        **options,
    )
    assert found.report is None, found.report
    return found.pod


def container(pod, name):
    spec = pod["spec"]
    every = [*spec.get("initContainers", []), *spec["containers"]]
    (found,) = [item for item in every if item["name"] == name]
    return found


def env(pod) -> dict[str, str]:
    """The proxy's environment; of variables with a source, the field's path."""
    found = {}
    for item in container(pod, "tulle-proxy")["env"]:
        source = item.get("valueFrom", {})
        field = source.get("fieldRef", {}).get("fieldPath")
        found[item["name"]] = item.get("value", field or source)
    return found


def proxy_env(pod, name) -> str:
    return env(pod)[f"LINKERD2_PROXY_{name}"]


def init_flags(pod) -> dict[str, str]:
    args = container(pod, "tulle-init")["args"]
    flags = [word for word in args if word.startswith("--")]
    return {flag: args[args.index(flag) + 1] for flag in flags if "=" not in flag}


def test_a_native_sidecar_comes_before_all_but_the_redirect(pod, settings) -> None:
    pod["spec"]["initContainers"] = [{"name": "migrate"}]
    spec = injected(pod, settings)["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["tulle-init", "tulle-proxy", "migrate"]
    assert [c["name"] for c in spec["containers"]] == ["app"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"


def test_a_classic_sidecar_comes_first_and_the_redirect_last(pod, settings) -> None:
    pod["spec"]["initContainers"] = [{"name": "migrate"}]
    spec = injected(pod, settings, CLASSIC)["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["migrate", "tulle-init"]
    assert [c["name"] for c in spec["containers"]] == ["tulle-proxy", "app"]
    assert "restartPolicy" not in spec["containers"][0]


@pytest.mark.parametrize("namespace", [ENABLED, CLASSIC])
def test_the_application_waits_for_the_proxy(pod, settings, namespace) -> None:
    proxy = container(injected(pod, settings, namespace), "tulle-proxy")
    assert proxy["lifecycle"]["postStart"] == {"exec": {"command": AWAIT}}
    assert "startupProbe" not in proxy
    assert "command" not in proxy


def test_a_classic_proxy_stays_until_the_application_listens_no_more(pod, settings) -> None:
    def hooks(namespace):
        return container(injected(pod, settings, namespace), "tulle-proxy")["lifecycle"]

    command = ["/usr/lib/tulle/tulle-init", "await-end", "--ports", "8080,9000"]
    assert hooks(CLASSIC)["preStop"] == {"exec": {"command": command}}
    assert "preStop" not in hooks(ENABLED), "the kubelet ends a native sidecar after the others"
    asked = {**CLASSIC, "config.linkerd.io/pod-inbound-ports": "8000-9000"}
    assert "preStop" not in hooks(asked), "a range is too much to ask about"


def test_waiting_at_both_ends_by_annotation(annotated, settings) -> None:
    pod = annotated(
        {
            "_proxy-await": "disabled",
            "config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "20",
        }
    )
    command = ["/usr/lib/tulle/tulle-init", "sleep", "20"]
    proxy = container(injected(pod, settings), "tulle-proxy")
    assert proxy["lifecycle"] == {"preStop": {"exec": {"command": command}}}
    quiet = annotated({"_proxy-await": "disabled"})
    assert "lifecycle" not in container(injected(quiet, settings), "tulle-proxy")


def test_the_proxy_s_container(pod, settings) -> None:
    proxy = container(injected(pod, settings), "tulle-proxy")
    assert proxy["image"] == "docker.io/tulle/proxy:1.2.3"
    assert proxy["ports"] == [
        {"containerPort": 4143, "name": "linkerd-proxy"},
        {"containerPort": 4191, "name": "linkerd-admin"},
    ]
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/ready", "port": 4191}
    assert proxy["livenessProbe"]["httpGet"] == {"path": "/live", "port": 4191}
    assert proxy["livenessProbe"]["initialDelaySeconds"] == 10
    assert "resources" not in proxy
    assert proxy["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": 2102,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def test_what_the_proxy_is_given_to_hold(annotated, settings) -> None:
    pod = annotated({"_proxy-cpu-request": "1500m", "_proxy-memory-limit": "64Mi"})
    found = injected(pod, settings)
    limits = {"requests": {"cpu": "1500m"}, "limits": {"memory": "64Mi"}}
    assert container(found, "tulle-proxy")["resources"] == limits
    assert container(found, "tulle-init")["resources"] == limits
    assert proxy_env(found, "CORES") == "2"


def test_the_redirect(pod, settings) -> None:
    init = container(injected(pod, settings), "tulle-init")
    assert init["command"] == ["/usr/lib/tulle/tulle-init", "iptables"]
    assert init["args"] == [
        *("--ipv6=false", "--iptables-mode", "nft"),
        *("--incoming-proxy-port", "4143", "--outgoing-proxy-port", "4140"),
        *("--proxy-uid", "2102"),
        *("--inbound-ports-to-ignore", "4190,4191,4567,4568"),
        *("--outbound-ports-to-ignore", "4567,4568"),
    ]
    context = init["securityContext"]
    assert context["capabilities"] == {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]}
    assert (context["runAsUser"], context["privileged"]) == (0, False)
    assert not context["allowPrivilegeEscalation"]
    assert context["readOnlyRootFilesystem"]
    assert {"name": names.XTABLES_VOLUME, "mountPath": "/run"} in init["volumeMounts"]


def test_the_redirect_by_annotation(annotated, settings) -> None:
    pod = annotated(
        {
            "_inbound-port": "5143",
            "_outbound-port": "5140",
            "_admin-port": "5191",
            "_control-port": "5190",
            "_proxy-uid": "7",
            "_proxy-gid": "8",
            "_skip-inbound-ports": "22",
            "_skip-outbound-ports": "25,3000-3100",
            "_skip-subnets": "10.9.0.0/16",
            "_close-wait-timeout": "90s",
        }
    )
    found = injected(pod, settings)
    assert init_flags(found) == {
        "--iptables-mode": "nft",
        "--incoming-proxy-port": "5143",
        "--outgoing-proxy-port": "5140",
        "--proxy-uid": "7",
        "--proxy-gid": "8",
        "--inbound-ports-to-ignore": "5190,5191,22",
        "--outbound-ports-to-ignore": "25,3000-3100",
        "--subnets-to-ignore": "10.9.0.0/16",
        "--timeout-close-wait-secs": "90",
    }
    assert container(found, "tulle-init")["securityContext"]["privileged"]
    assert proxy_env(found, "INBOUND_LISTEN_ADDR") == "0.0.0.0:5143"
    assert proxy_env(found, "OUTBOUND_LISTEN_ADDRS") == "127.0.0.1:5140"
    assert proxy_env(found, "ADMIN_LISTEN_ADDR") == "0.0.0.0:5191"
    assert container(found, "tulle-proxy")["securityContext"]["runAsGroup"] == 8


def test_a_cni_plugin_takes_the_init_container_s_place(pod) -> None:
    found = injected(pod, Settings(cni=True))
    spec = found["spec"]
    assert "initContainers" not in spec
    assert spec["containers"][0]["name"] == "tulle-proxy"
    assert {"name": "TULLE_REDIRECTED_BY", "value": "tulle-cni"} in spec["containers"][0]["env"]
    assert names.XTABLES_VOLUME not in [volume["name"] for volume in spec["volumes"]]
    annotations = found["metadata"]["annotations"]
    flags = init_flags(injected(pod, Settings()))
    words = annotations[names.REDIRECT_ANNOTATION].split()
    assert {flag: words[words.index(flag) + 1] for flag in flags} == flags
    asked = {**ENABLED, "config.linkerd.io/cni-enabled": "true"}
    assert "initContainers" not in injected(pod, Settings(), asked)["spec"]
    assert names.REDIRECT_ANNOTATION not in injected(pod, Settings())["metadata"]["annotations"]


def test_with_a_cni_plugin_a_sidecar_is_native_where_the_pod_ends_or_asks(pod) -> None:
    job = {**pod, "spec": {**pod["spec"], "restartPolicy": "OnFailure"}}
    spec = injected(job, Settings(cni=True))["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["tulle-proxy"]
    asked = {**ENABLED, "config.linkerd.io/proxy-enable-native-sidecar": "true"}
    spec = injected(pod, Settings(cni=True), asked)["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["tulle-proxy"]


def test_where_nothing_else_holds_the_application_back_a_gate_does(pod, annotated) -> None:
    """The kubelet starts the containers after an ordinary one that failed."""
    plugged = Settings(cni=True)
    found = injected(pod, plugged)
    assert found["metadata"]["annotations"]["linkerd.io/gate"] == "closed"
    spec = found["spec"]
    proxy, *others = spec["containers"]
    (volume,) = [v for v in spec["volumes"] if v["name"] == "tulle-gate"]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "1Mi"}
    assert {"name": "TULLE_GATE", "value": "/var/run/tulle/gate"} in proxy["env"]
    assert {"name": "tulle-gate", "mountPath": "/var/run/tulle/gate"} in proxy["volumeMounts"]
    below = {"name": "tulle-gate", "mountPath": "/.tulle", "subPath": "carried/start"}
    assert others
    assert all({**below, "readOnly": True} in other["volumeMounts"] for other in others)
    taken_out, _ = unmeshed({"kind": "Pod", **injected(pod, plugged)})
    assert taken_out["spec"]["containers"] == pod["spec"]["containers"]

    def has_gate(pod, settings, namespace=ENABLED):
        found = json.dumps(injected(pod, settings, namespace))
        assert ("tulle-gate" in found) == ("linkerd.io/gate" in found)
        return "tulle-gate" in found

    asked = {**ENABLED, "config.linkerd.io/proxy-enable-native-sidecar": "true"}
    assert not has_gate(pod, plugged, asked), "after a native sidecar nothing starts"
    assert not has_gate(pod, Settings(), CLASSIC), "nor after an init container"
    assert not has_gate(annotated({"_proxy-await": "disabled"}), plugged), "nobody is to wait"


def test_every_reference_follows_its_definition(pod, settings) -> None:
    seen: set[str] = set()
    for item in container(injected(pod, settings), "tulle-proxy")["env"]:
        for reference in re.findall(r"\$\((\w+)\)", item.get("value", "")):
            assert reference in seen, item["name"]
        assert item["name"] not in seen
        seen.add(item["name"])


REQUIRED = """
LOG LOG_FORMAT DESTINATION_SVC_ADDR DESTINATION_SVC_NAME POLICY_SVC_ADDR POLICY_SVC_NAME
POLICY_WORKLOAD POLICY_CLUSTER_NETWORKS INBOUND_DEFAULT_POLICY DESTINATION_CONTEXT INBOUND_IPS
DESTINATION_PROFILE_NETWORKS DESTINATION_PROFILE_SUFFIXES CONTROL_LISTEN_ADDR ADMIN_LISTEN_ADDR
INBOUND_LISTEN_ADDR OUTBOUND_LISTEN_ADDR OUTBOUND_LISTEN_ADDRS INBOUND_PORTS CORES CORES_MIN
IDENTITY_DIR IDENTITY_TRUST_ANCHORS IDENTITY_TOKEN_FILE IDENTITY_SVC_ADDR IDENTITY_SVC_NAME
IDENTITY_LOCAL_NAME CONTROL_STREAM_INITIAL_TIMEOUT CONTROL_STREAM_IDLE_TIMEOUT
CONTROL_STREAM_LIFETIME INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION SHUTDOWN_ENDPOINT_ENABLED"""


def test_the_environment_of_an_ordinary_pod(pod, settings) -> None:
    found = env(injected(pod, settings))
    prefix = "LINKERD2_PROXY_"
    assert {prefix + name for name in REQUIRED.split()} <= found.keys()
    expected = {
        "DESTINATION_SVC_ADDR": "tulle-dst-headless.tulle.svc.cluster.local.:8086",
        "DESTINATION_SVC_NAME": (
            "tulle-destination.tulle.serviceaccount.identity.tulle.cluster.local"
        ),
        "POLICY_SVC_ADDR": "tulle-policy.tulle.svc.cluster.local.:8090",
        "IDENTITY_SVC_ADDR": "tulle-identity-headless.tulle.svc.cluster.local.:8080",
        "IDENTITY_SVC_NAME": "tulle-identity.tulle.serviceaccount.identity.tulle.cluster.local",
        "IDENTITY_TRUST_ANCHORS": settings.trust_anchors_pem,
        "IDENTITY_TOKEN_FILE": "/var/run/secrets/tokens/linkerd-identity-token",
        "INBOUND_IPS": "status.podIPs",
        "INBOUND_PORTS": "8080,9000",
        "POLICY_WORKLOAD": '{"ns":"$(_pod_ns)", "pod":"$(_pod_name)"}',
        "DESTINATION_PROFILE_SUFFIXES": "svc.cluster.local.",
        "INBOUND_CONNECT_TIMEOUT": "100ms",
        "OUTBOUND_CONNECT_TIMEOUT": "1000ms",
    }
    assert {name: found[prefix + name] for name in expected} == expected
    assert found["LINKERD2_PROXY_LOG"].endswith(",[{headers}]=off,[{request}]=off")
    absent = ("INGRESS_MODE", "ACCESS_LOG", "INBOUND_GATEWAY_SUFFIXES", "OUTBOUND_DETECT_TIMEOUT")
    assert not {prefix + name for name in absent} & found.keys()


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"linkerd.io/inject": "ingress"}, {"INGRESS_MODE": "true"}),
        ({"_enable-gateway": "true"}, {"INBOUND_GATEWAY_SUFFIXES": "svc.cluster.local."}),
        ({"_enable-external-profiles": "true"}, {"DESTINATION_PROFILE_SUFFIXES": "."}),
        ({"_access-log": "json"}, {"ACCESS_LOG": "json"}),
        ({"_proxy-admin-shutdown": "enabled"}, {"SHUTDOWN_ENDPOINT_ENABLED": "true"}),
        ({"_shutdown-grace-period": "9s"}, {"SHUTDOWN_GRACE_PERIOD": "9000ms"}),
        ({"_default-inbound-policy": "deny"}, {"INBOUND_DEFAULT_POLICY": "deny"}),
        (
            {"_proxy-disable-outbound-protocol-detect-timeout": "true"},
            {"OUTBOUND_DETECT_TIMEOUT": "365d"},
        ),
        (
            {"_proxy-disable-inbound-protocol-detect-timeout": "true"},
            {"INBOUND_DETECT_TIMEOUT": "365d"},
        ),
        ({"_proxy-cpu-limit": "2"}, {"CORES_MAX": "2"}),
        ({"_proxy-cpu-ratio-limit": "0.5"}, {"CORES_MAX_RATIO": "0.5"}),
        ({"_pod-inbound-ports": "1,2"}, {"INBOUND_PORTS": "1,2"}),
        (
            {"_opaque-ports": "http,9"},
            {"INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION": "8080,9"},
        ),
        ({"_proxy-metrics-hostname-labels": "true"}, {"OUTBOUND_METRICS_HOSTNAME_LABELS": "true"}),
        ({"_proxy-metrics-max-series": "0"}, {"METRICS_MAX_SERIES": "0"}),
        ({"_proxy-metrics-drop-labels": "sni"}, {"METRICS_DROP_LABELS": "sni"}),
        ({"_proxy-require-identity-inbound-ports": "80"}, {"INBOUND_PORTS_REQUIRE_IDENTITY": "80"}),
        ({"_proxy-log-level": "debug"}, {"LOG": "debug,[{headers}]=off,[{request}]=off"}),
        (
            {"_proxy-log-level": "trace", "_proxy-log-http-headers": "insecure"},
            {"LOG": "trace"},
        ),
        (
            {"_proxy-additional-env": '[{"name": "LINKERD2_PROXY_CORES", "value": "4"}]'},
            {"CORES": "4", "CORES_MIN": "1"},
        ),
    ],
)
def test_environment_by_annotation(annotated, settings, annotations, expected) -> None:
    found = injected(annotated(annotations), settings)
    assert {name: proxy_env(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("warn,linkerd=info", "warn,linkerd=info,tulle=info"),
        ("warn,linkerd=info,tulle=debug", "warn,linkerd=info,tulle=debug"),
        ("debug", "debug"),
        ("linkerd=debug, hickory=error", "linkerd=debug,tulle=debug,hickory=error"),
    ],
)
def test_a_log_directive_for_linkerd_is_one_for_us(given, written) -> None:
    assert log_filter(given) == written


def test_volumes_are_in_memory_and_of_the_mesh_s_audience(pod, settings) -> None:
    pod["spec"]["volumes"] = [{"name": "data", "emptyDir": {}}]
    volumes = {volume["name"]: volume for volume in injected(pod, settings)["spec"]["volumes"]}
    assert next(iter(volumes)) == "data"
    assert volumes[names.IDENTITY_VOLUME]["emptyDir"] == {"medium": "Memory"}
    (source,) = volumes[names.TOKEN_VOLUME]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "identity.l5d.io"
    assert source["serviceAccountToken"]["expirationSeconds"] == 86400


def test_tracing(pod) -> None:
    settings = Settings(tracing=Tracing("collector:4317", "collector", "tracing"))
    found = injected(pod, settings)
    assert proxy_env(found, "TRACE_COLLECTOR_SVC_ADDR") == "collector:4317"
    assert proxy_env(found, "TRACE_COLLECTOR_SVC_NAME") == (
        "collector.tracing.serviceaccount.identity.tulle.cluster.local"
    )
    assert "k8s.pod.uid=$(_pod_uid)\n" in proxy_env(found, "TRACE_EXTRA_ATTRIBUTES")
    assert names.PODINFO_VOLUME in [volume["name"] for volume in found["spec"]["volumes"]]


def test_metadata(pod, settings) -> None:
    found = injected(pod, settings)["metadata"]
    assert found["labels"] == {
        "app": "web",
        "linkerd.io/control-plane-ns": "tulle",
        "linkerd.io/workload-ns": "shop",
        "linkerd.io/proxy-deployment": "web",
    }
    annotations = found["annotations"]
    assert annotations["linkerd.io/inject"] == "enabled"
    assert annotations["linkerd.io/proxy-version"] == "1.2.3"
    assert annotations["linkerd.io/created-by"].startswith("tulle/proxy-injector ")
    assert re.fullmatch("[0-9a-f]{64}", annotations["linkerd.io/trust-root-sha256"])


def test_an_owner_s_long_name_is_still_a_label(pod, settings) -> None:
    found = inject(
        pod,
        settings,
        namespace="shop",
        namespace_annotations=ENABLED,
        owner=Owner("StatefulSet", "a" * 62 + "-b"),
    )
    assert found.pod["metadata"]["labels"]["linkerd.io/proxy-statefulset"] == "a" * 62


def test_opaque_ports_that_the_pod_really_has(pod, settings) -> None:
    key = "config.linkerd.io/opaque-ports"
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": 3306}, {"containerPort": 80}]
    assert injected(pod, settings)["metadata"]["annotations"][key] == "3306"
    inherited = injected(pod, settings, {**ENABLED, key: "80"})
    assert inherited["metadata"]["annotations"][key] == "80"
    skipped = inject(pod, settings, namespace="shop", namespace_annotations={})
    assert skipped.pod["metadata"]["annotations"] == {key: "3306"}
    assert skipped.pod["spec"] == pod["spec"]


def test_the_given_pod_is_left_as_it_was(pod, settings) -> None:
    before = copy.deepcopy(pod)
    injected(pod, settings)
    assert pod == before


def test_a_second_injection_changes_nothing(pod, settings) -> None:
    once = injected(pod, settings)
    again = inject(once, settings, namespace="shop", namespace_annotations=ENABLED)
    assert again.pod == once
    assert again.report is not None
    assert again.report.reasons == ("sidecar_already_exists",)


def test_the_debug_container(annotated, settings) -> None:
    found = injected(annotated({"_enable-debug-sidecar": "true"}), settings)
    assert found["spec"]["containers"][-1]["name"] == "tulle-debug"


def test_udp_is_said(pod, settings) -> None:
    pod["spec"]["containers"][0]["ports"].append({"containerPort": 53, "protocol": "UDP"})
    found = inject(pod, settings, namespace="shop", namespace_annotations=ENABLED)
    assert found.warnings == (
        "the container app has the UDP port 53, which does not pass through the proxy",
    )
    assert proxy_env(found.pod, "INBOUND_PORTS") == "8080,9000"


def control_plane(pod, component):
    return inject(
        pod,
        Settings(trust_anchors_pem="x", wait_before_exit_seconds=9),
        namespace="tulle",
        namespace_annotations={},
        owner=Owner("Deployment", component),
        component=component,
    ).pod


def test_identity_s_own_proxy_waits_for_nobody(pod) -> None:
    found = control_plane(pod, names.IDENTITY)
    assert "lifecycle" not in container(found, "tulle-proxy")
    assert proxy_env(found, "IDENTITY_SVC_ADDR") == "127.0.0.1:8080"
    assert proxy_env(found, "DESTINATION_SVC_ADDR").startswith("tulle-dst-headless.")
    assert proxy_env(found, "INBOUND_PORTS_REQUIRE_TLS") == "8080"


def test_destination_s_own_proxy_asks_its_own_pod(pod) -> None:
    found = control_plane(pod, names.DESTINATION)
    assert proxy_env(found, "DESTINATION_SVC_ADDR") == "127.0.0.1:8086"
    assert proxy_env(found, "POLICY_SVC_ADDR") == "127.0.0.1:8090"
    assert proxy_env(found, "IDENTITY_SVC_ADDR").startswith("tulle-identity-headless.")
    assert container(found, "tulle-proxy")["lifecycle"]["postStart"]["exec"]["command"] == AWAIT


@pytest.mark.parametrize("component", [names.IDENTITY, names.DESTINATION, names.PROXY_INJECTOR])
def test_the_control_plane_reaches_the_api_server_directly(pod, component) -> None:
    found = control_plane(pod, component)
    assert init_flags(found)["--outbound-ports-to-ignore"] == "443,6443,4567,4568"
    assert proxy_env(found, "IDENTITY_TRUST_ANCHORS") == {
        "configMapKeyRef": {"name": "tulle-identity-trust-roots", "key": "ca-bundle.crt"}
    }


def test_who_injects_by_hand_needs_no_annotation(pod, settings) -> None:
    found = inject(pod, settings, namespace="shop", namespace_annotations={}, manual=True)
    assert found.report is None
    assert container(found.pod, "tulle-proxy")
