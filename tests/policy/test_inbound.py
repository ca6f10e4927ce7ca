"""Who may reach a port, as WatchPort says it."""

import pytest
from world import World

from tulle.policy.inbound import PortView
from tulle.proto import inbound_pb2 as pb

TD = "serviceaccount.identity.tulle.cluster.local"
SERVER = {"podSelector": {"matchLabels": {"app": "web"}}, "port": "http"}
PORTS = [{"name": "http", "containerPort": 8080}]


def policy(world, port=8080, pod="web-1"):
    answer = world.ask(PortView(world.cluster, "shop", pod, port))
    return None if answer is None else pb.Server.FromString(answer)


@pytest.fixture
def web(world):
    world.pod("web-1", "10.1.0.1", ports=PORTS)
    return world


def server(world, **spec):
    world.policy("Server", "web-http", {**SERVER, **spec}, labels={"team": "a"})


def networks(authorization):
    return [entry.net.prefix_len for entry in authorization.networks]


def test_an_unknown_pod_has_no_policy(world):
    assert policy(world) is None


@pytest.mark.parametrize(
    ("name", "permit", "prefixes"),
    [
        ("all-unauthenticated", "unauthenticated", [0, 0]),
        ("all-authenticated", "meshTLS", [0, 0]),
        ("cluster-unauthenticated", "unauthenticated", [8, 16]),
        ("cluster-authenticated", "meshTLS", [8, 16]),
        ("audit", "unauthenticated", [0, 0]),
    ],
)
def test_default_policies(name, permit, prefixes):
    world = World(default_policy=name)
    world.pod("web-1", "10.1.0.1")
    found = policy(world)
    (authorization,) = found.authorizations
    assert dict(found.labels) == {"group": "", "kind": "default", "name": name}
    assert authorization.authentication.WhichOneof("permit") == permit
    assert networks(authorization) == prefixes
    assert authorization.metadata.default == name
    if permit == "meshTLS":
        (suffix,) = authorization.authentication.meshTLS.identities.suffixes
        assert list(suffix.parts) == []


def test_deny_allows_nobody():
    world = World(default_policy="deny")
    world.pod("web-1", "10.1.0.1")
    assert list(policy(world).authorizations) == []


def test_a_pods_policy_comes_before_its_namespaces(web):
    key = "config.linkerd.io/default-inbound-policy"
    web.put("Namespace", {"metadata": {"name": "shop", "annotations": {key: "deny"}}})
    assert policy(web).labels["name"] == "deny"
    web.pod("web-1", "10.1.0.1", annotations={key: "all-authenticated"})
    assert policy(web).labels["name"] == "all-authenticated"
    web.pod("web-1", "10.1.0.1", annotations={key: "nonsense"})
    assert policy(web).labels["name"] == "deny"


def test_opaque_ports_are_not_detected(web):
    assert policy(web, 3306).protocol.WhichOneof("kind") == "opaque"
    web.pod("web-1", "10.1.0.1", annotations={"config.linkerd.io/opaque-ports": "8080"})
    assert policy(web).protocol.WhichOneof("kind") == "opaque"
    assert policy(web, 3306).protocol.WhichOneof("kind") == "detect"


def test_probes_are_let_in_by_a_route_of_their_own(web):
    probe = {"httpGet": {"port": "http", "path": "/ready?full=1"}}
    web.pod("web-1", "10.1.0.1", ports=PORTS, container={"readinessProbe": probe})
    default, probes = policy(web).protocol.detect.http_routes
    assert (default.metadata.default, probes.metadata.default) == ("default", "probe")
    assert probes.rules[0].matches[0].path.exact == "/ready"
    assert probes.authorizations[0].metadata.default == "probe"
    assert len(policy(web, 9999).protocol.detect.http_routes) == 1


def test_a_server_denies_until_something_authorizes(web):
    server(web)
    found = policy(web)
    assert dict(found.labels)["kind"] == "server"
    assert list(found.authorizations) == []
    server(web, accessPolicy="all-unauthenticated")
    assert policy(web).authorizations[0].metadata.default == "all-unauthenticated"
    assert policy(web, 9090).labels["kind"] == "default"


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        ("unknown", "detect"),
        ("HTTP/1", "http1"),
        ("HTTP/2", "http2"),
        ("gRPC", "grpc"),
        ("opaque", "opaque"),
        ("TLS", "tls"),
    ],
)
def test_a_servers_protocol(web, protocol, kind):
    server(web, proxyProtocol=protocol)
    assert policy(web).protocol.WhichOneof("kind") == kind


def test_server_authorizations_by_name_and_by_selector(web):
    server(web)
    client = {"meshTLS": {"identities": ["*.tulle.local"], "serviceAccounts": [{"name": "ui"}]}}
    spec = {"server": {"selector": {"matchLabels": {"team": "a"}}}, "client": client}
    web.policy("ServerAuthorization", "ui", spec)
    web.policy("ServerAuthorization", "else", {"server": {"name": "other"}, "client": client})
    (found,) = policy(web).authorizations
    mesh = found.authentication.meshTLS.identities
    assert [entry.name for entry in mesh.identities] == [f"ui.shop.{TD}"]
    assert [list(entry.parts) for entry in mesh.suffixes] == [["tulle", "local"]]
    assert networks(found) == [8, 16]
    assert found.metadata.resource.kind == "serverauthorization"


def authorization(world, target, *refs, name="some"):
    spec = {"targetRef": target, "requiredAuthenticationRefs": list(refs)}
    world.policy("AuthorizationPolicy", name, spec)


TO_SERVER = {"group": "policy.linkerd.io", "kind": "Server", "name": "web-http"}
MESH = {"group": "policy.linkerd.io", "kind": "MeshTLSAuthentication", "name": "clients"}
NETWORK = {"group": "policy.linkerd.io", "kind": "NetworkAuthentication", "name": "office"}


def test_an_authorization_policy_needs_all_that_it_names(web):
    server(web)
    authorization(web, TO_SERVER, MESH, NETWORK)
    assert list(policy(web).authorizations) == []
    refs = [{"kind": "ServiceAccount", "name": "ui"}, {"kind": "Namespace", "name": "ops"}]
    web.policy("MeshTLSAuthentication", "clients", {"identityRefs": refs})
    web.policy(
        "NetworkAuthentication",
        "office",
        {"networks": [{"cidr": "10.0.0.0/24", "except": ["10.0.0.7/32"]}]},
    )
    (found,) = policy(web).authorizations
    mesh = found.authentication.meshTLS.identities
    assert [entry.name for entry in mesh.identities] == [f"ui.shop.{TD}"]
    assert list(mesh.suffixes[0].parts) == ["ops", *TD.split(".")]
    assert getattr(found.networks[0], "except")[0].prefix_len == 32


def test_an_authorization_policy_on_the_namespace_holds_for_its_servers(web):
    server(web)
    authorization(
        web, {"kind": "Namespace", "name": "shop"}, {"kind": "ServiceAccount", "name": "x"}
    )
    (found,) = policy(web).authorizations
    assert found.authentication.meshTLS.identities.identities[0].name == f"x.shop.{TD}"


ROUTE = {
    "parentRefs": [TO_SERVER],
    "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": "/api"}, "method": "GET"}]}],
}


def test_a_route_replaces_the_default_ones_and_has_authorizations_of_its_own(web):
    server(web, proxyProtocol="HTTP/1")
    web.policy("HTTPRoute", "api", ROUTE)
    target = {"group": "policy.linkerd.io", "kind": "HTTPRoute", "name": "api"}
    authorization(web, target, {"kind": "ServiceAccount", "name": "ui"})
    found = policy(web)
    (route,) = found.protocol.http1.routes
    assert route.metadata.resource.name == "api"
    assert route.rules[0].matches[0].path.prefix == "/api"
    assert len(route.authorizations) == 1
    assert list(found.authorizations) == []


def test_a_rate_limit_and_whom_it_treats_otherwise(web):
    server(web)
    override = {"requestsPerSecond": 9, "clientRefs": [{"kind": "ServiceAccount", "name": "ui"}]}
    spec = {
        "targetRef": TO_SERVER,
        "total": {"requestsPerSecond": 100},
        "identity": {"requestsPerSecond": 20},
        "overrides": [override],
    }
    web.policy("RateLimit", "limit", spec)
    limit = policy(web).protocol.detect.http_local_rate_limit
    assert (limit.total.requestsPerSecond, limit.identity.requestsPerSecond) == (100, 20)
    assert limit.overrides[0].clients.identities[0].name == f"ui.shop.{TD}"


def test_ports_that_require_identity_do_under_any_default(web):
    needed = {"config.linkerd.io/proxy-require-identity-inbound-ports": "8080"}
    web.pod("web-1", "10.1.0.1", annotations=needed)
    found = policy(web).authorizations[0].authentication
    assert found.WhichOneof("permit") == "meshTLS"
