"""The install's values, read."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tulle.injector.settings import Settings, ValuesError


def test_nothing_said_is_the_defaults() -> None:
    assert Settings.from_values({}) == Settings()


def test_values_are_read_from_where_helm_has_them() -> None:
    found = Settings.from_values(
        {
            "clusterDomain": "example.org",
            "clusterNetworks": ["10.0.0.0/8", "fd00::/8"],
            "disableIPv6": False,
            "proxy": {
                "image": {"name": "registry.test/proxy", "version": "7"},
                "ports": {"admin": 5191},
                "resources": {"cpu": {"request": "100m"}, "ephemeral-storage": {"limit": "1Gi"}},
                "await": False,
                "opaquePorts": "25,3306",
                "outbound": {"server": {"http2": {"keepAliveTimeout": "9s"}}},
                "additionalEnv": [{"name": "A", "value": "1"}],
            },
            "proxyInit": {"iptablesMode": "legacy", "ignoreInboundPorts": "22"},
        },
        control_namespace="mesh",
    )
    assert found.control_namespace == "mesh"
    assert found.cluster_networks == "10.0.0.0/8,fd00::/8"
    assert found.trust_domain == "example.org"  # as no other is named
    assert found.ipv6
    assert (found.proxy_image, found.proxy_tag) == ("registry.test/proxy", "7")
    assert found.admin_port == 5191
    assert (found.cpu_request, found.ephemeral_storage_limit) == ("100m", "1Gi")
    assert not found.await_proxy
    assert found.opaque_ports == "25,3306"
    assert dict(found.server_parameters)["OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT"] == "9s"
    assert found.additional_env == ({"name": "A", "value": "1"},)
    assert (found.iptables_mode, found.skip_inbound_ports) == ("legacy", "22")


def test_empty_values_are_as_if_left_out() -> None:
    values = {"identityTrustDomain": "", "proxy": {"cores": "", "image": {"version": ""}}}
    assert Settings.from_values(values) == Settings()


@pytest.mark.parametrize(("own", "policy"), [("", "Always"), ("Never", "Never")])
def test_the_proxy_s_pull_policy_wins_over_the_general_one(own, policy) -> None:
    values = {"imagePullPolicy": "Always", "proxy": {"image": {"pullPolicy": own}}}
    assert Settings.from_values(values).image_pull_policy == policy


def test_the_chart_s_own_values_are_the_defaults() -> None:
    chart = Path(__file__).parents[2] / "charts" / "tulle" / "values.yaml"
    found = Settings.from_values(yaml.safe_load(chart.read_text()))
    assert replace(found, init_log_level="", init_log_format="") == Settings()


def test_skipped_ports_may_be_none_at_all() -> None:
    assert Settings.from_values({"proxyInit": {"ignoreInboundPorts": ""}}).skip_inbound_ports == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"proxy": {"ports": {"admin": 0}}}, "proxy.ports.admin cannot be 0"),
        ({"proxy": {"await": "yes"}}, "proxy.await cannot be 'yes': it must be true or false"),
        ({"proxyInit": {"iptablesMode": "ebpf"}}, "it must be one of nft, legacy, plain"),
        ({"proxy": {"defaultInboundPolicy": "open"}}, "must be one of all-unauthenticated"),
        ({"proxy": {"tracing": {"enabled": True}}}, "proxy.tracing.collector.endpoint must be set"),
    ],
)
def test_values_that_cannot_be(values, words) -> None:
    with pytest.raises(ValuesError, match=words):
        Settings.from_values(values)


@pytest.mark.parametrize(
    ("version", "native"), [(None, True), ((1, 28), False), ((1, 29), True), ((2, 0), True)]
)
def test_native_sidecars_where_the_cluster_can(version, native) -> None:
    assert Settings(kubernetes_version=version).uses_native_sidecar is native


def test_tracing() -> None:
    identity = {"serviceAccountName": "collector", "namespace": "tracing"}
    collector = {"endpoint": "collector.tracing:4317", "meshIdentity": identity}
    tracing = {"enabled": True, "collector": collector, "labels": {"team": "web"}}
    found = Settings.from_values({"proxy": {"tracing": tracing}}).tracing
    assert found is not None
    assert found.endpoint == "collector.tracing:4317"
    assert dict(found.attributes)["team"] == "web"
    assert dict(found.attributes)["k8s.pod.uid"] == "$(_pod_uid)"
