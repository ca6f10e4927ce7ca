"""Whether rate limits and egress networks count, and how their status says so."""

from tulle.index.index import Reader
from tulle.policy.conditions import of_egress_network, of_rate_limit, status

TARGET = {"group": "policy.linkerd.io", "kind": "Server", "name": "web"}


def limit(world, name, created):
    spec = {"targetRef": TARGET, "total": {"requestsPerSecond": 1}}
    world.policy("RateLimit", name, spec, creationTimestamp=created)


def said(world, name):
    return of_rate_limit(Reader(world.index), world.store.get("RateLimit", "shop", name))


def test_a_limit_needs_its_server(world):
    limit(world, "one", "2026-01-01T00:00:00Z")
    assert said(world, "one") == "NoMatchingTarget"
    world.policy("Server", "web", {"podSelector": {}, "port": 80})
    assert said(world, "one") == "Accepted"


def test_of_several_limits_of_a_server_the_oldest_counts(world):
    world.policy("Server", "web", {"podSelector": {}, "port": 80})
    limit(world, "first", "2026-01-01T00:00:00Z")
    limit(world, "a-later-one", "2026-01-02T00:00:00Z")
    assert (said(world, "first"), said(world, "a-later-one")) == ("Accepted", "Conflicted")


def test_an_egress_network_that_was_read_counts(world):
    world.policy("EgressNetwork", "all", {"trafficPolicy": "Deny"})
    item = world.store.get("EgressNetwork", "shop", "all")
    assert of_egress_network(Reader(world.index), item) == "Accepted"


def test_a_status_is_written_once_and_keeps_what_others_say():
    theirs = {"type": "Theirs", "status": "True"}
    item = {"spec": {"targetRef": TARGET}, "status": {"conditions": [theirs]}}
    made = status(item, "NoMatchingTarget", "then")
    assert made["targetRef"] == TARGET
    assert made["conditions"][0] == theirs
    assert made["conditions"][1] == {
        "type": "Accepted",
        "status": "False",
        "reason": "NoMatchingTarget",
        "message": "",
        "lastTransitionTime": "then",
    }
    item["status"] = made
    assert status(item, "NoMatchingTarget", "later") is None
    changed = status(item, "Accepted", "later")
    assert [c["status"] for c in changed["conditions"]] == ["True", "True"]
    assert changed["conditions"][1]["lastTransitionTime"] == "later"
    assert len(changed["conditions"]) == 2


def test_a_status_of_an_egress_network_has_no_target():
    assert "targetRef" not in status({"spec": {"trafficPolicy": "Deny"}}, "Accepted", "now")
