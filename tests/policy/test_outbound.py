"""How a client's traffic is routed, as OutboundPolicies says it."""

import pytest
from world import World

from tulle.index.authority import parse
from tulle.policy.outbound import OutboundView
from tulle.proto import outbound_pb2 as pb

NAME = "web.shop.svc.cluster.local"
PARENT = {"group": "core", "kind": "Service", "name": "web", "port": 80}


def policy(world, authority=f"{NAME}:80", namespace="shop"):
    target = parse(authority, world.cluster.cluster_domain)
    answer = world.ask(OutboundView(world.cluster, target, namespace))
    return None if answer is None else pb.OutboundPolicy.FromString(answer)


def http(found):
    return found.protocol.detect.http1.routes


def weights(backends):
    return {
        entry.backend.backend.metadata.resource.name: entry.weight
        for entry in backends.random_available.backends
    }


@pytest.fixture
def web(world):
    world.service()
    world.service("web-v2", clusterIP="10.96.0.2")
    return world


@pytest.mark.parametrize("authority", [f"{NAME}:80", "10.96.0.1:80"])
def test_a_service_without_routes_is_detected_and_balanced(web, authority):
    found = policy(web, authority)
    assert found.metadata.resource.name == "web"
    (route,) = http(found)
    assert route.metadata.default == "http"
    backend = route.rules[0].backends.first_available.backends[0].backend
    assert backend.balancer.discovery.dst.path == f"{NAME}:80"
    assert backend.balancer.peak_ewma.default_rtt.nanos == 30_000_000
    assert (backend.queue.capacity, backend.queue.failfast_timeout.seconds) == (100, 3)
    assert found.protocol.detect.timeout.seconds == 10
    assert found.protocol.detect.opaque.routes[0].metadata.default == "opaq"


@pytest.mark.parametrize(
    ("protocol", "kind"),
    [
        (None, "detect"),
        ("http", "http1"),
        ("kubernetes.io/h2c", "http2"),
        ("linkerd.io/opaque", "opaque"),
        ("https", "opaque"),
    ],
)
def test_the_application_protocol(web, protocol, kind):
    web.service(app_protocol=protocol)
    assert policy(web).protocol.WhichOneof("kind") == kind


def test_opaque_ports_unless_the_application_protocol_says_otherwise(web):
    annotations = {"config.linkerd.io/opaque-ports": "80"}
    web.service(annotations=annotations)
    assert policy(web).protocol.WhichOneof("kind") == "opaque"
    web.service(annotations=annotations, app_protocol="http")
    assert policy(web).protocol.WhichOneof("kind") == "http1"


def test_an_undefined_port_is_refused(web):
    route = policy(web, f"{NAME}:81").protocol.opaque.routes[0]
    assert route.rules[0].filters[0].HasField("forbidden")
    assert route.metadata.default == "undefined-port"


def test_pods_and_unknown_addresses_inside_are_not_found_and_outside_is_forwarded(web):
    web.pod("web-1", "100.64.0.9")
    assert policy(web, "100.64.0.9:80") is None
    assert policy(web, "10.9.9.9:80") is None
    assert policy(web, "other.shop.svc.cluster.local:80") is None
    found = policy(web, "203.0.113.9:443")
    assert found.metadata.default == "egress-fallback"
    backend = http(found)[0].rules[0].backends.first_available.backends[0].backend
    assert backend.forward.addr.port == 443


def test_external_names_are_not_found(web):
    web.service(type="ExternalName")
    assert policy(web) is None


def rule(*backends, **rest):
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in backends]
    return {"backendRefs": refs, **rest}


def test_a_route_divides_traffic_by_weight(web):
    spec = {"parentRefs": [PARENT], "rules": [rule(("web", 90), ("web-v2", 10))]}
    web.policy("GatewayHTTPRoute", "canary", spec)
    (route,) = http(policy(web))
    assert (route.metadata.resource.kind, route.metadata.resource.name) == ("HTTPRoute", "canary")
    assert weights(route.rules[0].backends) == {"web": 90, "web-v2": 10}
    assert route.rules[0].matches[0].path.prefix == "/"


def test_a_backend_that_is_not_there_fails_its_share(web):
    spec = {"parentRefs": [PARENT], "rules": [rule(("web", 1), ("gone", 1))]}
    web.policy("HTTPRoute", "broken", spec)
    (route,) = http(policy(web))
    broken = route.rules[0].backends.random_available.backends[1].backend
    assert broken.filters[0].failure_injector.status == 500
    assert broken.backend.WhichOneof("kind") is None


def test_matches_filters_and_timeouts(web):
    match = {
        "path": {"type": "RegularExpression", "value": "/v[12]"},
        "headers": [{"name": "x-user", "value": "a"}],
        "queryParams": [{"name": "q", "type": "RegularExpression", "value": ".*"}],
        "method": "PURGE",
    }
    filters = [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"set": [{"name": "a", "value": "b"}], "remove": ["c"]},
        },
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
        {
            "type": "RequestRedirect",
            "requestRedirect": {"scheme": "https", "statusCode": 301, "port": 8443},
        },
        {"type": "URLRewrite", "urlRewrite": {}},
    ]
    timeouts = {"request": "10s", "backendRequest": "500ms"}
    spec = {
        "parentRefs": [PARENT],
        "hostnames": ["*.example.com", "web"],
        "rules": [{"matches": [match], "filters": filters, "timeouts": timeouts}],
    }
    web.policy("HTTPRoute", "all", spec)
    (route,) = http(policy(web))
    assert list(route.hosts[0].suffix.reverse_labels) == ["com", "example"]
    (made,) = route.rules
    assert made.matches[0].path.regex == "/v[12]"
    assert made.matches[0].headers[0].exact == b"a"
    assert made.matches[0].method.unregistered == "PURGE"
    assert [entry.WhichOneof("kind") for entry in made.filters] == [
        "request_header_modifier",
        "response_header_modifier",
        "redirect",
        "failure_injector",
    ]
    assert made.filters[2].redirect.status == 301
    assert made.timeouts.request.seconds == 10
    assert made.timeouts.response.nanos == 500_000_000


def test_routes_come_by_age_then_by_name(web):
    for name, created in (("b", "2026-01-02"), ("a", "2026-01-02"), ("z", "2026-01-01")):
        spec = {"parentRefs": [PARENT], "rules": [rule()]}
        web.policy("HTTPRoute", name, spec, creationTimestamp=f"{created}T00:00:00Z")
    assert [route.metadata.resource.name for route in http(policy(web))] == ["z", "a", "b"]


def test_a_route_for_another_port_does_not_count(web):
    web.service(ports=((80, "http", 80), (81, "other", 81)))
    web.policy("HTTPRoute", "one", {"parentRefs": [PARENT], "rules": [rule()]})
    assert http(policy(web, f"{NAME}:81"))[0].metadata.default == "http"
    bare = {"kind": "Service", "group": "", "name": "web"}
    web.policy("HTTPRoute", "one", {"parentRefs": [bare], "rules": [rule()]})
    assert http(policy(web, f"{NAME}:81"))[0].metadata.resource.name == "one"


def test_the_consumers_routes_replace_the_producers(web):
    web.policy("HTTPRoute", "producer", {"parentRefs": [PARENT], "rules": [rule()]})
    parent = {**PARENT, "namespace": "shop"}
    spec = {"parentRefs": [parent], "rules": [rule()]}
    web.policy("HTTPRoute", "consumer", spec, namespace="client")
    names = [http(policy(web, namespace=ns))[0].metadata.resource.name for ns in ("shop", "client")]
    assert names == ["producer", "consumer"]


def test_grpc_routes_come_before_http_routes(web):
    match = {"method": {"service": "shop.Web", "method": "Get"}}
    spec = {"parentRefs": [PARENT], "rules": [rule(("web-v2", 1), matches=[match])]}
    web.policy("HTTPRoute", "http", {"parentRefs": [PARENT], "rules": [rule()]})
    web.policy("GRPCRoute", "grpc", spec)
    (route,) = policy(web).protocol.grpc.routes
    assert route.rules[0].matches[0].rpc.service == "shop.Web"
    assert weights(route.rules[0].backends) == {"web-v2": 1}


def test_tls_and_tcp_routes(web):
    spec = {"parentRefs": [PARENT], "hostnames": ["a.b"], "rules": [rule(("web-v2", 1))]}
    web.policy("TCPRoute", "tcp", spec)
    assert policy(web).protocol.opaque.routes[0].metadata.resource.name == "tcp"
    web.policy("TLSRoute", "tls", spec)
    assert policy(web).protocol.tls.routes[0].snis[0].exact == "a.b"


SETTINGS = {
    "retry.linkerd.io/http": "5xx,429",
    "retry.linkerd.io/limit": "3",
    "timeout.linkerd.io/request": "2s",
    "balancer.linkerd.io/failure-accrual": "consecutive",
}


def test_annotations_of_the_service(web):
    web.service(annotations=SETTINGS)
    found = policy(web)
    (route,) = http(found)
    again = route.rules[0].retry
    ranges = [(entry.start, entry.end) for entry in again.conditions.status_ranges]
    assert (again.max_retries, ranges) == (3, [(500, 599), (429, 429)])
    assert again.max_request_bytes == 65536
    assert route.rules[0].timeouts.request.seconds == 2
    breaker = found.protocol.detect.http1.failure_accrual.consecutive_failures
    assert (breaker.max_failures, breaker.backoff.max_backoff.seconds) == (7, 60)


def test_annotations_of_a_route_replace_the_services(web):
    web.service(annotations=SETTINGS)
    annotations = {"retry.linkerd.io/http": "503", "timeout.linkerd.io/idle": "1s"}
    spec = {"parentRefs": [PARENT], "rules": [rule()]}
    web.policy("HTTPRoute", "own", spec, annotations=annotations)
    made = http(policy(web))[0].rules[0]
    assert made.retry.max_retries == 1
    assert not made.timeouts.HasField("request")
    assert made.timeouts.idle.seconds == 1


def test_a_penalty_changes_the_balance(web):
    web.service(annotations={"balancer.alpha.linkerd.io/penalize-failures": "true"})
    backend = http(policy(web))[0].rules[0].backends.first_available.backends[0].backend
    assert backend.balancer.penalty_peak_ewma.penalty.seconds == 5


def test_a_traffic_split_divides_http_and_bytes(web):
    backends = [{"service": "web", "weight": 3}, {"service": "web-v2", "weight": 1}]
    web.policy("TrafficSplit", "canary", {"service": "web", "backends": backends})
    detect = policy(web).protocol.detect
    for route in (detect.http1.routes[0], detect.http2.routes[0], detect.opaque.routes[0]):
        assert weights(route.rules[0].backends) == {"web": 3000, "web-v2": 1000}


def matching_split(world, **match):
    backends = [{"service": "web-v2", "weight": 1}]
    matches = [{"kind": "HTTPRouteGroup", "name": "testers"}]
    world.policy(
        "TrafficSplit", "canary", {"service": "web", "backends": backends, "matches": matches}
    )
    if match:
        world.policy("HTTPRouteGroup", "testers", {"matches": [{"name": "one", **match}]})


def test_a_split_with_matches_divides_only_the_requests_that_fit(web):
    matching_split(web, methods=["GET", "PUT"], pathRegex="/beta.*", headers={"user": "me|you"})
    detect = policy(web).protocol.detect
    matched, rest = detect.http1.routes[0].rules
    assert weights(matched.backends) == {"web-v2": 1000}
    assert rest.backends.first_available.backends[0].backend.metadata.resource.name == "web"
    assert rest.matches[0].path.prefix == "/"
    assert [found.method.registered for found in matched.matches] == [0, 2]
    assert {found.path.regex for found in matched.matches} == {"/beta.*"}
    assert {found.headers[0].regex for found in matched.matches} == {"me|you"}
    assert detect.opaque.routes[0].rules[0].backends.HasField("first_available")


def test_a_split_for_a_group_that_is_not_there_divides_nothing(web):
    matching_split(web)
    for routes in (
        policy(web).protocol.detect.http1.routes,
        policy(web).protocol.detect.opaque.routes,
    ):
        (only,) = routes[0].rules
        assert only.backends.HasField("first_available")


def egress(world, name, namespace="shop", policy="Allow", networks=None, **rest):
    spec = {"trafficPolicy": policy, "networks": networks or []}
    world.policy("EgressNetwork", name, spec, namespace=namespace, **rest)


def test_annotations_of_an_egress_network(world):
    egress(world, "all", annotations=SETTINGS)
    found = policy(world, "203.0.113.9:443")
    assert found.protocol.detect.http1.failure_accrual.HasField("consecutive_failures")
    assert http(found)[0].rules[0].timeouts.request.seconds == 2


def test_a_time_out_of_zero_is_none(web):
    spec = {"parentRefs": [PARENT], "rules": [rule(timeouts={"request": "0s"})]}
    web.policy("HTTPRoute", "route", spec)
    assert not http(policy(web))[0].rules[0].timeouts.HasField("request")


def test_an_egress_network_allows_or_denies_what_leaves(world):
    egress(world, "all")
    found = policy(world, "203.0.113.9:443")
    assert found.metadata.resource.name == "all"
    assert http(found)[-1].metadata.default == "http-egress-allow"
    egress(world, "all", policy="Deny")
    found = policy(world, "203.0.113.9:443")
    assert http(found)[-1].rules[0].filters[0].failure_injector.status == 403
    assert found.protocol.detect.opaque.routes[0].rules[0].filters[0].HasField("forbidden")


def test_the_clients_egress_network_then_the_narrowest(world):
    egress(world, "global", namespace="tulle-egress")
    assert policy(world, "203.0.113.9:443").metadata.resource.name == "global"
    egress(world, "wide", networks=[{"cidr": "203.0.0.0/8"}])
    egress(world, "narrow", networks=[{"cidr": "203.0.113.0/24", "except": ["203.0.113.1/32"]}])
    assert policy(world, "203.0.113.9:443").metadata.resource.name == "narrow"
    assert policy(world, "203.0.113.1:443").metadata.resource.name == "wide"


@pytest.mark.parametrize("allowed", [True, False])
def test_the_cluster_decides_whether_requests_set_their_own_limits(allowed):
    world = World(allows_request_headers=allowed)
    world.service()
    (route,) = http(policy(world))
    assert [rule.allow_l5d_request_headers for rule in route.rules] == [allowed]
    world.policy("HTTPRoute", "web", {"parentRefs": [PARENT], "rules": [{}]})
    (route,) = http(policy(world))
    assert [rule.allow_l5d_request_headers for rule in route.rules] == [allowed]
    world.policy("GRPCRoute", "calls", {"parentRefs": [PARENT], "rules": [{}]})
    (route,) = policy(world).protocol.grpc.routes
    assert [rule.allow_l5d_request_headers for rule in route.rules] == [allowed]
