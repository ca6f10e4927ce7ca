"""Policies that no proxy could follow are refused, in words; those that one can are let in."""

import pytest

from tulle.index.index import Reader
from tulle.install import charts, viz
from tulle.install.manifests import complete
from tulle.install.plan import Given
from tulle.policy.validate import JUDGES, refusals
from tulle.routes import GATEWAY_GROUP, POLICY_GROUP

SERVER = {"podSelector": {"matchLabels": {"app": "web"}}, "port": 80}
TO_SERVER = {"group": POLICY_GROUP, "kind": "Server", "name": "web"}
ACCOUNT = {"kind": "ServiceAccount", "name": "client"}
MESH = {"group": POLICY_GROUP, "kind": "MeshTLSAuthentication", "name": "clients"}
PARENT = {"group": "core", "kind": "Service", "name": "web", "port": 80}


def said(world, kind, spec, group=POLICY_GROUP, name="new", **metadata):
    item = {"metadata": {"name": name, "namespace": "shop", **metadata}, "spec": spec}
    return "; ".join(refusals(group, kind, item, Reader(world.index)))


def route(*, parent=PARENT, **rule):
    return {
        "parentRefs": [parent],
        "rules": [{"backendRefs": [{"name": "web", "port": 80}], **rule}],
    }


def profile(**parts):
    return {"routes": [{"name": "all", "condition": {"pathRegex": "/.*"}, **parts}]}


GOOD = [
    ("Server", SERVER),
    ("Server", {**SERVER, "port": "http", "proxyProtocol": "gRPC", "accessPolicy": "audit"}),
    ("Server", {"externalWorkloadSelector": {}, "port": 80}),
    ("ServerAuthorization", {"server": {"name": "web"}, "client": {"unauthenticated": True}}),
    (
        "ServerAuthorization",
        {"server": {"selector": {}}, "client": {"meshTLS": {"identities": ["*.shop", "*"]}}},
    ),
    ("AuthorizationPolicy", {"targetRef": TO_SERVER, "requiredAuthenticationRefs": [ACCOUNT]}),
    (
        "AuthorizationPolicy",
        {"targetRef": {"kind": "Namespace", "name": "shop"}, "requiredAuthenticationRefs": []},
    ),
    ("MeshTLSAuthentication", {"identities": ["web.shop.serviceaccount.identity.tulle.local"]}),
    ("MeshTLSAuthentication", {"identityRefs": [ACCOUNT, {"kind": "Namespace", "name": "shop"}]}),
    ("NetworkAuthentication", {"networks": [{"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}]}),
    ("NetworkAuthentication", {"networks": [{"cidr": "::/0"}, {"cidr": "10.0.0.1"}]}),
    (
        "HTTPLocalRateLimitPolicy",
        {
            "targetRef": TO_SERVER,
            "total": {"requestsPerSecond": 10},
            "identity": {"requestsPerSecond": 10},
            "overrides": [{"requestsPerSecond": 5, "clientRefs": [ACCOUNT]}],
        },
    ),
    ("EgressNetwork", {"trafficPolicy": "Deny"}),
    ("HTTPRoute", route(matches=[{"path": {"value": "/a"}}], timeouts={"request": "1m30s"})),
    ("HTTPRoute", {"parentRefs": [{"name": "edge"}], "rules": [{"filters": [{"type": "Other"}]}]}),
]


@pytest.mark.parametrize(("kind", "spec"), GOOD)
def test_what_can_be_followed_is_let_in(world, kind, spec):
    assert said(world, kind, spec) == ""


def auth(*required, target=TO_SERVER):
    return {"targetRef": target, "requiredAuthenticationRefs": list(required)}


def limit(**parts):
    return {"targetRef": TO_SERVER, **parts}


def network(cidr, *excepted):
    return {"networks": [{"cidr": cidr, "except": list(excepted)}]}


def filtered(kind, **parts):
    return route(filters=[{"type": kind, **parts}])


RATE = {"requestsPerSecond": 1}
BAD = [
    ("Server", {**SERVER, "accessPolicy": "open"}, "accessPolicy 'open' is none of all-unauth"),
    ("Server", {**SERVER, "proxyProtocol": "http"}, "none of unknown, HTTP/1"),
    ("Server", {"port": 80}, "podSelector or by externalWorkloadSelector"),
    ("Server", {**SERVER, "externalWorkloadSelector": {}}, "give one of them"),
    ("Server", {**SERVER, "port": 0}, "port 0 is neither"),
    ("Server", {**SERVER, "port": "HTTP"}, "port 'HTTP' is neither"),
    ("Server", {**SERVER, "port": "8080"}, "port '8080' is neither"),
    ("ServerAuthorization", {"server": {}, "client": {"unauthenticated": True}}, "by name or by"),
    ("ServerAuthorization", {"server": {"name": "web"}, "client": {}}, "client names nobody"),
    (
        "ServerAuthorization",
        {"server": {"name": "web"}, "client": {"meshTLS": {"identities": ["a b"]}}},
        "the identity 'a b' is no DNS name",
    ),
    ("AuthorizationPolicy", auth(target={"kind": "Server", "name": "a"}), f"group: {POLICY_GROUP}"),
    ("AuthorizationPolicy", auth(target={"kind": "Namespace", "name": "b"}), "its own only"),
    ("AuthorizationPolicy", auth(MESH, ACCOUNT), "2 requiredAuthenticationRefs are for the client"),
    ("AuthorizationPolicy", auth({"kind": "Pod", "name": "a"}), "core/Pod, which is none of"),
    ("MeshTLSAuthentication", {}, "give either identities or identityRefs"),
    ("MeshTLSAuthentication", {"identities": ["*a.b"]}, "'*a.b' is no DNS name"),
    ("MeshTLSAuthentication", {"identityRefs": [MESH]}, "an identityRef is"),
    ("NetworkAuthentication", {"networks": []}, "networks is empty"),
    ("NetworkAuthentication", network("10.0.0.0/33"), "write a network such as"),
    ("NetworkAuthentication", network("10.0.0.0/8", "11.0.0.0/8"), "11.0.0.0/8 is excepted"),
    ("NetworkAuthentication", network("10.0.0.0/8", "10.0.0.0/8"), "nothing of 10.0.0.0/8 is left"),
    ("NetworkAuthentication", network("::/0", "::/1", "8000::/1"), "nothing of ::/0 is left"),
    ("HTTPLocalRateLimitPolicy", limit(), "it limits nothing"),
    ("HTTPLocalRateLimitPolicy", limit(total={"requestsPerSecond": 0}), "the least is 1"),
    ("HTTPLocalRateLimitPolicy", limit(total=RATE, identity={"requestsPerSecond": 2}), "more than"),
    (
        "HTTPLocalRateLimitPolicy",
        limit(total=RATE, overrides=[{**RATE, "clientRefs": [MESH]}]),
        "a clientRef is",
    ),
    ("HTTPLocalRateLimitPolicy", {"targetRef": MESH, "total": RATE}, "targetRef is"),
    ("EgressNetwork", {"trafficPolicy": "Deny", "networks": []}, "leave it out"),
    ("EgressNetwork", network("all"), "'all' does not appear to be"),
    (
        "HTTPRoute",
        route(matches=[{"path": {"value": "a"}}]),
        "rules[0]: a path begins with a slash",
    ),
    ("HTTPRoute", filtered("URLRewrite", urlRewrite={"hostname": "a"}), "the filter URLRewrite"),
    ("HTTPRoute", filtered("RequestRedirect"), "needs requestRedirect"),
    (
        "HTTPRoute",
        filtered("RequestRedirect", requestRedirect={"path": {"replaceFullPath": "a"}}),
        "a redirect's path",
    ),
    ("HTTPRoute", route(backendRefs=[{"name": "web"}]), "backend Service web needs a port"),
    ("HTTPRoute", route(timeouts={"request": "soon"}), "timeouts.request is 'soon'"),
    (
        "HTTPRoute",
        route(parent={"group": POLICY_GROUP, "kind": "EgressNetwork", "name": "all"}),
        "EgressNetwork all needs a port",
    ),
]


@pytest.mark.parametrize(("kind", "spec", "words"), BAD)
def test_what_cannot_be_followed_is_refused(world, kind, spec, words):
    assert words in said(world, kind, spec)


BAD_ELSEWHERE = [
    (GATEWAY_GROUP, "HTTPRoute", filtered("RequestMirror"), "the filter RequestMirror"),
    (GATEWAY_GROUP, "GRPCRoute", filtered("RequestRedirect"), "the filter RequestRedirect"),
    (GATEWAY_GROUP, "TLSRoute", {"parentRefs": [PARENT], "rules": [{}, {}]}, "it has 2 rules"),
    (GATEWAY_GROUP, "TCPRoute", route(backendRefs=[{"name": "web"}]), "needs a port"),
    ("linkerd.io", "ServiceProfile", profile(condition={}), "the route all: condition is empty"),
    ("linkerd.io", "ServiceProfile", profile(condition={"path": "/"}), "has path, which is none"),
    (
        "linkerd.io",
        "ServiceProfile",
        profile(condition={"pathRegex": "("}),
        "no regular expression",
    ),
    ("linkerd.io", "ServiceProfile", profile(timeout="1"), "the route all: timeout is '1'"),
    (
        "linkerd.io",
        "ServiceProfile",
        profile(responseClasses=[{"condition": {"status": {"min": 500, "max": 400}}}]),
        "500 to 400",
    ),
    (
        "linkerd.io",
        "ServiceProfile",
        {"retryBudget": {"retryRatio": -1, "minRetriesPerSecond": 1, "ttl": "2h"}},
        "retryRatio is below 0; retryBudget.ttl is 2h",
    ),
    (
        "linkerd.io",
        "ServiceProfile",
        {"dstOverrides": [{"authority": "web:80", "weight": "x"}]},
        "the authority 'web:80'",
    ),
]


@pytest.mark.parametrize(("group", "kind", "spec", "words"), BAD_ELSEWHERE)
def test_what_cannot_be_followed_of_other_groups_is_refused(world, group, kind, spec, words):
    assert words in said(world, kind, spec, group, name="web.shop.svc.cluster.local")


def test_a_profile_is_named_as_its_service_is(world):
    good = said(world, "ServiceProfile", profile(), "linkerd.io", name="web.shop.svc.cluster.local")
    assert good == ""
    assert "no DNS name" in said(world, "ServiceProfile", profile(), "linkerd.io", name="web")


def test_expressions_that_only_rust_knows_are_left_to_it(world):
    spec = profile(condition={"pathRegex": r"/\p{L}+"})
    name = "web.shop.svc.cluster.local"
    assert said(world, "ServiceProfile", spec, "linkerd.io", name=name) == ""


def test_two_servers_may_not_share_a_port_of_a_pod(world):
    world.policy("Server", "old", SERVER)
    assert "the Server old has port 80 of the same pods" in said(world, "Server", SERVER)
    assert said(world, "Server", SERVER, name="old") == ""  # it changes
    assert said(world, "Server", {**SERVER, "port": 81}) == ""
    assert "the same pods" in said(world, "Server", {**SERVER, "podSelector": {}})
    by_tier = {"podSelector": {"matchLabels": {"tier": "front"}}, "port": "http"}
    assert said(world, "Server", by_tier) == ""
    ports = [{"name": "http", "containerPort": 80}]
    world.pod("web-1", "10.0.0.1", ports=ports, labels={"tier": "front"})
    assert "port 80 of the pod web-1" in said(world, "Server", by_tier)
    assert said(world, "Server", {**by_tier, "port": "grpc"}) == ""


def test_what_is_being_deleted_and_other_kinds_are_let_in(world):
    assert said(world, "Server", {"port": 0}, deletionTimestamp="2026-01-01T00:00:00Z") == ""
    assert said(world, "Deployment", {}, "apps") == ""


def test_what_we_install_ourselves_is_let_in(world):
    values = viz.values_from(Given(), complete(charts.default_values()))
    judged = 0
    for item in viz.render(values):
        group = item["apiVersion"].rpartition("/")[0]
        if (group, item["kind"]) in JUDGES:
            judged += 1
            assert refusals(group, item["kind"], item, Reader(world.index)) == []
    assert judged > 3
