"""How a split is read from a route or a TrafficSplit. Without an API server."""

import pytest

from tulle.viz.web.splits import RESOURCES, is_of, splits_of

GATEWAY = RESOURCES["httproutes.gateway.networking.k8s.io"]
GRPC = RESOURCES["grpcroutes.gateway.networking.k8s.io"]
SMI = RESOURCES["trafficsplits.split.smi-spec.io"]
META = {"namespace": "client", "name": "r", "resourceVersion": "7"}
TWO = [{"name": "a", "port": 80}, {"name": "b", "port": 80, "namespace": "other"}]


def route(parent, matches=(), backends=TWO):
    rule = {"matches": list(matches), "backendRefs": backends}
    return {"metadata": META, "spec": {"parentRefs": [parent], "rules": [rule]}}


@pytest.mark.parametrize(
    ("parent", "is_ours"),
    [
        ({"group": "", "kind": "Service", "name": "web", "namespace": "shop"}, True),
        ({"group": "core", "kind": "Service", "name": "web", "namespace": "shop"}, True),
        ({"group": "", "kind": "Service", "name": "web"}, False),
        ({"group": "", "kind": "Service", "name": "cart", "namespace": "shop"}, False),
        ({"kind": "Service", "name": "web", "namespace": "shop"}, False),
        ({"name": "web", "namespace": "shop"}, False),
    ],
)
def test_a_route_is_a_services_by_its_parent(parent, is_ours):
    assert is_of(route(parent), GATEWAY, "shop", "web") is is_ours


def test_a_trafficsplit_is_its_apexs_in_its_own_namespace():
    item = {"metadata": META, "spec": {"service": "web.client.svc.cluster.local"}}
    assert is_of(item, SMI, "client", "web")
    assert not is_of(item, SMI, "shop", "web")


def test_a_weight_that_is_not_given_is_one_and_a_namespace_the_routes():
    (split,) = splits_of(route({}), GATEWAY)
    assert [(b.namespace, b.name, b.weight) for b in split.backends] == [
        ("client", "a", 1),
        ("other", "b", 1),
    ]
    assert split.pointer(1) == "/spec/rules/0/backendRefs/1/weight"


def test_what_has_no_choice_is_no_split():
    assert list(splits_of(route({}, backends=TWO[:1]), GATEWAY)) == []
    assert list(splits_of({"metadata": META, "spec": {}}, SMI)) == []


@pytest.mark.parametrize(
    ("resource", "matches", "text"),
    [
        (GATEWAY, [{"path": {"type": "PathPrefix", "value": "/"}}], ""),
        (GATEWAY, [{"path": {"type": "PathPrefix", "value": "/a/"}}], "/a/*"),
        (GATEWAY, [{"path": {"type": "Exact", "value": "/a"}}, {"method": "PUT"}], "/a or PUT"),
        (GATEWAY, [{"path": {"type": "Exact", "value": "/a"}}, {}], ""),
        (GATEWAY, [{"headers": [{"name": "x", "value": "1"}]}], "x: 1"),
        (GATEWAY, [{"queryParams": [{"name": "q", "value": "1"}]}], "?q=1"),
        (GRPC, [{"method": {"service": "shop.Cart", "method": "Add"}}], "shop.Cart/Add"),
    ],
)
def test_what_a_rule_holds_for_is_said_in_words(resource, matches, text):
    (split,) = splits_of(route({}, matches), resource)
    assert split.matches == text
