"""Pods that ask for a proxy and have none are told, by workload, and none else."""

import copy
from datetime import UTC, datetime

import pytest

from tulle import names
from tulle.install.checks.facts import Facts
from tulle.install.checks.injection import INJECTION, unmeshed
from tulle.install.checks.model import Failed
from tulle.install.checks.registry import CATEGORIES, Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MESHED = {"metadata": {"name": "shop", "annotations": {names.INJECT_ANNOTATION: "enabled"}}}
PLAIN = {"metadata": {"name": "plain"}}
OWNER = {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
HASH = {"pod-template-hash": "abc"}


def pod(space="shop", *, labels=None, annotations=None, phase="Running", **spec):
    metadata = {"name": "web-abc-1", "namespace": space, "ownerReferences": [OWNER]}
    metadata |= {"labels": {**HASH, **(labels or {})}, "annotations": annotations or {}}
    containers = [{"name": "app"}]
    spec = {"containers": containers, **spec}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def found(*pods, data_namespace=None, namespaces=(MESHED, PLAIN)):
    answers = {"pods": list(pods), "namespaces": list(namespaces)}
    return unmeshed(Facts("tulle", NOW, answers, data_namespace))


def test_a_workload_is_told_with_the_number_of_its_pods():
    assert found(pod(), pod()) == {"deployment/web in shop": 2}
    assert found(pod(), data_namespace="plain") == {}


def test_a_pod_may_ask_by_itself():
    asking = pod("plain", annotations={names.INJECT_ANNOTATION: "ingress"})
    assert found(asking) == {"deployment/web in plain": 1}


LEFT_ALONE = {
    "it has a proxy": pod(initContainers=[{"name": names.PROXY_CONTAINER}]),
    "it is of another mesh": pod(containers=[{"name": "app"}, {"name": "linkerd-proxy"}]),
    "it says no": pod(annotations={names.INJECT_ANNOTATION: "disabled"}),
    "nobody asks": pod("plain"),
    "it is on the host's network": pod(hostNetwork=True),
    "it has ended": pod(phase="Succeeded"),
    "it is of the control plane": pod(labels={names.COMPONENT_LABEL: "identity"}),
    "it is a node's own": pod(annotations={"kubernetes.io/config.mirror": "x"}),
    "its namespace is gone": pod("gone", annotations={names.INJECT_ANNOTATION: "enabled"}),
}


@pytest.mark.parametrize("left_alone", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_others_are_not(left_alone):
    assert found(left_alone) == {}


def test_what_the_webhook_leaves_alone_is_not():
    system = copy.deepcopy(MESHED)
    system["metadata"]["name"] = "kube-system"
    assert found(pod("kube-system"), namespaces=[system]) == {}
    off = copy.deepcopy(MESHED)
    off["metadata"]["labels"] = {names.ADMISSION_WEBHOOKS_LABEL: "disabled"}
    assert found(pod(), namespaces=[off]) == {}


def test_the_finding_names_workload_cause_and_remedy():
    (check,) = INJECTION.checks
    facts = Facts("tulle", NOW, {"pods": [pod()], "namespaces": [MESHED]}, None)
    with pytest.raises(Failed, match=r"deployment/web in shop \(1\); restart them: kubectl"):
        check.judge(facts)
    for scope in (Scope.INSTALL, Scope.PROXY):
        assert INJECTION in CATEGORIES[scope]
