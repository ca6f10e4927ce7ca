"""What a route's status says of its parents."""

import pytest

from tulle.index.index import Reader
from tulle.policy.status import merged, statuses

PARENT = {"group": "core", "kind": "Service", "name": "web", "port": 80}
OURS = "linkerd.io/policy-controller"
THEIRS = {"controllerName": "example.com/gateway", "parentRef": {"name": "edge"}}


def said(world, *parents, backend="web"):
    rules = [{"backendRefs": [{"name": backend, "port": 80}]}]
    world.policy("HTTPRoute", "route", {"parentRefs": list(parents), "rules": rules})
    route = world.store.get("HTTPRoute", "shop", "route")
    found = statuses(Reader(world.index), route)
    return [(status.position, status.rejected, status.unresolved) for status in found]


@pytest.fixture
def web(world):
    world.service()
    return world


def test_a_service_with_an_address_and_that_port_accepts(web):
    assert said(web, PARENT) == [(0, None, None)]


@pytest.mark.parametrize("change", [{"name": "gone"}, {"port": 81}])
def test_a_service_that_is_not_there_or_lacks_the_port_does_not(web, change):
    assert said(web, {**PARENT, **change}) == [(0, "NoMatchingParent", None)]


def test_a_headless_service_does_not(web):
    web.service(clusterIP="None")
    assert said(web, PARENT) == [(0, "NoMatchingParent", None)]


def test_a_server_of_the_same_namespace_accepts(web):
    web.policy("Server", "http", {"podSelector": {}, "port": 80})
    parent = {"group": "policy.linkerd.io", "kind": "Server", "name": "http"}
    assert said(web, parent) == [(0, None, None)]
    assert said(web, {**parent, "name": "other"}) == [(0, "NoMatchingParent", None)]


def test_backends_that_are_not_there_are_told(web):
    assert said(web, PARENT, backend="gone") == [(0, None, "BackendNotFound")]


def test_the_parents_of_others_are_left_to_them(web):
    assert said(web, {"name": "edge"}, PARENT) == [(1, None, None)]


def item(**status):
    return {"metadata": {"generation": 3}, "spec": {"parentRefs": [PARENT]}, "status": status}


def found(web):
    said(web, PARENT)
    return statuses(Reader(web.index), web.store.get("HTTPRoute", "shop", "route"))


def test_entries_of_others_stay_and_ours_are_written_once(web):
    status = found(web)
    parents = merged(item(parents=[THEIRS]), status, "now")
    assert [entry["controllerName"] for entry in parents] == [THEIRS["controllerName"], OURS]
    assert parents[1]["parentRef"] == PARENT
    assert {c["type"]: c["status"] for c in parents[1]["conditions"]} == {
        "Accepted": "True",
        "ResolvedRefs": "True",
    }
    assert merged(item(parents=parents), status, "later") is None


def test_a_condition_that_changes_gets_a_new_time_and_the_other_keeps_its(web):
    before = merged(item(), found(web), "then")
    web.remove("Service", "web")
    route = web.store.get("HTTPRoute", "shop", "route")
    after = merged(item(parents=before), statuses(Reader(web.index), route), "now")
    accepted, resolved = after[0]["conditions"]
    assert (accepted["reason"], accepted["lastTransitionTime"]) == ("NoMatchingParent", "now")
    assert (resolved["reason"], resolved["lastTransitionTime"]) == ("BackendNotFound", "now")
    web.service(ports=((81, "", 81),))
    third = merged(item(parents=before), statuses(Reader(web.index), route), "now")
    assert [c["lastTransitionTime"] for c in third[0]["conditions"]] == ["now", "then"]
