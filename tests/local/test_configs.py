"""What is written for containerd, the kubelet and the pod network, and what is run."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from tulle.local import components, configs
from tulle.local.plan import Plan

PLAN = Plan("demo", 2, Path("/var/lib/tulle/demo"))


@pytest.mark.parametrize("can_lower", [True, False])
def test_oom_scores_are_restricted_where_they_cannot_be_lowered(*, can_lower: bool) -> None:
    text = configs.containerd(PLAN, configs.Runtime(Path("/x/runc"), can_lower))
    cri = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is not can_lower
    assert cri["sandbox_image"] == configs.PAUSE_IMAGE
    assert cri["containerd"]["runtimes"]["runc"]["options"]["BinaryName"] == "/x/runc"


def test_the_kubelet_accepts_cgroup_v1_and_asks_the_cluster_dns() -> None:
    config = yaml.safe_load(configs.kubelet(PLAN))
    assert config["failCgroupV1"] is False
    assert config["clusterDNS"] == ["10.202.128.10"]
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_pods_get_addresses_of_their_cluster() -> None:
    network = json.loads(configs.pod_network(PLAN))
    assert network["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.202.0.0/24"}]]


def test_extension_api_servers_can_be_aggregated() -> None:
    flags = components.ApiServerFlags("1.2.3.4", 6443, 2379, "10.0.0.0/16", "cluster.local")
    argv = components.kube_apiserver(Path("/bin"), Path("/pki"), flags)
    given = {word.split("=")[0] for word in argv}
    assert {"--requestheader-client-ca-file", "--proxy-client-cert-file"} <= given
    assert "--enable-aggregator-routing=true" in argv


def test_no_secret_is_on_a_command_line() -> None:
    flags = components.ApiServerFlags("1.2.3.4", 6443, 2379, "10.0.0.0/16", "cluster.local")
    argv = components.kube_apiserver(Path("/bin"), Path("/pki"), flags)
    assert not [word for word in argv if "BEGIN" in word or "password" in word]
