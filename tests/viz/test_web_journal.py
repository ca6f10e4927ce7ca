"""What the journal makes of what happens in the cluster."""

import pytest

from tulle.k8s.store import Store
from tulle.viz.web.journal import Journal
from tulle.viz.web.watched import kinds

NOW = 1_764_000_000.0
CREATED = "2025-11-24T15:00:00Z"  # an hour before NOW
LATER = "2025-11-24T15:30:00Z"


def deployment(image="web:1", replicas=1, rolled_out=CREATED):
    return {
        "metadata": {"namespace": "shop", "name": "web", "creationTimestamp": CREATED},
        "spec": {
            "replicas": replicas,
            "template": {"spec": {"containers": [{"image": f"registry/shop/{image}"}]}},
        },
        "status": {
            "conditions": [
                {
                    "type": "Progressing",
                    "reason": "NewReplicaSetAvailable",
                    "lastUpdateTime": rolled_out,
                }
            ]
        },
    }


def server(generation=1):
    metadata = {"namespace": "shop", "name": "web-http", "creationTimestamp": CREATED}
    return {"metadata": {**metadata, "generation": generation}, "spec": {"port": 80}}


class Cluster:
    """Objects come and go as a watch would tell it."""

    def __init__(self):
        self.store, self.journal = Store(), Journal(lambda: NOW)
        self.kinds = {kind.name: kind for kind in kinds("tulle")}
        for name in self.kinds:
            self.store.listen(name, self.journal.hear)

    def put(self, kind, item):
        metadata = item["metadata"]
        key = metadata["namespace"], metadata["name"]
        self.store.put(kind, key, self.kinds[kind].prune(item))

    def remove(self, kind, name):
        self.store.put(kind, ("shop", name), None)

    def told(self):
        return [(c.what, c.kind, c.detail) for c in self.journal.before(NOW, 50)]


@pytest.fixture
def cluster():
    return Cluster()


def test_what_was_there_before_is_told_by_its_own_times(cluster):
    cluster.put("deployments", deployment(rolled_out=LATER))
    cluster.put("servers", server())
    changes = cluster.journal.before(NOW, 50)
    assert [(change.what, NOW - change.time) for change in changes] == [
        ("rollout", 1800.0),
        ("new", 3600.0),
        ("policy", 3600.0),
    ]


def test_rollouts_scaling_and_ends_are_told_as_they_happen(cluster):
    cluster.put("deployments", deployment())
    cluster.journal.is_listed = True
    cluster.put("deployments", deployment("web:2"))
    cluster.put("deployments", deployment("web:2", replicas=3))
    cluster.put("deployments", deployment("web:2", replicas=3, rolled_out=LATER))
    cluster.remove("deployments", "web")
    told = cluster.told()
    assert ("rollout", "deployment", "its pods are replaced: web:1 became web:2") in told
    assert ("scaled", "deployment", "from 1 to 3 pods") in told
    assert ("gone", "deployment", "it was deleted") in told
    assert len(told) == 4


def test_policies_and_splits_are_told_with_what_became_of_them(cluster):
    cluster.journal.is_listed = True
    cluster.put("servers", server())
    cluster.put("servers", server(generation=2))
    cluster.remove("servers", "web-http")
    assert [detail for _, _, detail in cluster.told()] == [
        "it was created",
        "it was changed",
        "it was deleted",
    ]


def test_a_split_without_a_generation_is_told_by_its_weights(cluster):
    cluster.journal.is_listed = True
    metadata = {"namespace": "shop", "name": "cart", "creationTimestamp": CREATED}
    for weight in (90, 90, 50):
        backends = [{"service": "cart-v1", "weight": weight}]
        cluster.put("trafficsplits", {"metadata": metadata, "spec": {"backends": backends}})
    assert [what for what, _, _ in cluster.told()] == ["split", "split"]


def test_other_anchors_are_a_change_and_the_issuer_too(cluster):
    metadata = {"namespace": "tulle", "name": "tulle-identity-trust-roots"}
    for bundle in ("first", "second"):
        cluster.put("trust-roots", {"metadata": metadata, "data": {"ca-bundle.crt": bundle}})
    cluster.journal.issuer_renewed()
    assert [(what, kind) for what, kind, _ in cluster.told()] == [
        ("certificate", "configmap"),
        ("certificate", "secret"),
    ]
    assert cluster.journal.roots.namespace == "tulle"


def node(restarts, ended=NOW - 60):
    return {
        "ref": ["deployment", "shop", "web"],
        "restarts": restarts,
        "restarted": [ended, "Error"] if restarts else None,
    }


def test_a_restart_is_told_once(cluster):
    for count in (0, 1, 1, 2):
        cluster.journal.see_restarts([node(count)])
    assert [detail for _, _, detail in cluster.told()] == [
        "a container ended (Error); its first restart",
        "a container ended (Error); 2 restarts of its pods in all",
    ]
