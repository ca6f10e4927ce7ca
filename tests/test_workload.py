"""Which workload a pod belongs to."""

import pytest

from tulle.workload import metric_label, owner


def pod(kind, name, **labels):
    reference = {"kind": kind, "name": name, "controller": True}
    return {"name": "pod", "labels": labels, "ownerReferences": [reference]}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (pod("ReplicaSet", "web-abc", **{"pod-template-hash": "abc"}), ("deployment", "web")),
        (pod("ReplicaSet", "web-abc"), ("replicaset", "web-abc")),
        (pod("StatefulSet", "db"), ("statefulset", "db")),
        (pod("Job", "nightly-28000000"), ("cronjob", "nightly")),
        (pod("Job", "migrate-2"), ("job", "migrate-2")),
        (pod("Job", "x", **{"linkerd.io/proxy-deployment": "web"}), ("deployment", "web")),
        ({"name": "alone"}, ("pod", "alone")),
    ],
)
def test_owners(metadata, expected):
    assert owner(metadata) == expected


def test_a_job_does_not_take_prometheus_own_label():
    assert metric_label("job") == "k8s_job"
    assert metric_label("deployment") == "deployment"
