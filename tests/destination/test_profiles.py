"""What GetProfile says of Services, pods behind them and bare addresses."""

import pytest
from world import endpoint

from tulle.destination.profiles import ProfileView
from tulle.index.authority import parse
from tulle.proto import destination_pb2 as pb

NAME = "web.shop.svc.cluster.local"


def profile(world, authority, namespace="client"):
    target = parse(authority, world.cluster.cluster_domain)
    return pb.DestinationProfile.FromString(
        world.ask(ProfileView(world.cluster, target, namespace))
    )


@pytest.mark.parametrize("authority", [f"{NAME}:80", "10.96.0.1:80"])
def test_a_service_by_name_and_by_address(world, authority):
    world.service()
    found = profile(world, authority)
    assert found.fully_qualified_name == NAME
    assert not found.opaque_protocol
    assert found.parent_ref.resource.name == "web"
    assert found.retry_budget.min_retries_per_second == 10
    assert round(found.retry_budget.retry_ratio, 3) == 0.2
    assert found.retry_budget.ttl.seconds == 10


def test_a_port_that_the_service_lacks_gives_an_empty_profile(world):
    world.service()
    assert profile(world, f"{NAME}:81") == pb.DestinationProfile()


def test_opaque_by_default_by_annotation_and_by_namespace(world):
    world.service(ports=((3306, "db", 3306), (80, "http", 80)))
    assert profile(world, f"{NAME}:3306").opaque_protocol
    key = "config.linkerd.io/opaque-ports"
    world.put("Namespace", {"metadata": {"name": "shop", "annotations": {key: "80"}}})
    assert profile(world, f"{NAME}:80").opaque_protocol
    assert not profile(world, f"{NAME}:3306").opaque_protocol
    world.service(ports=((3306, "db", 3306), (80, "http", 80)), annotations={key: "db"})
    assert profile(world, f"{NAME}:3306").opaque_protocol
    assert not profile(world, f"{NAME}:80").opaque_protocol


def test_a_pod_of_a_headless_service_is_one_endpoint(world):
    world.service(clusterIP="None")
    world.pod("web-0", "10.1.0.1")
    world.slice(endpoint("10.1.0.1", "web-0", hostname="web-0"))
    found = profile(world, f"web-0.{NAME}:80")
    assert found.endpoint.metric_labels["pod"] == "web-0"
    assert found.endpoint.HasField("tls_identity")
    assert found.fully_qualified_name == ""


def test_a_pods_address_gives_its_endpoint_and_namespace(world):
    world.pod("web-1", "10.1.0.1", annotations={"config.linkerd.io/opaque-ports": "8080"})
    found = profile(world, "10.1.0.1:8080")
    assert found.opaque_protocol
    assert found.endpoint.metric_labels["namespace"] == "shop"
    assert found.endpoint.protocol_hint.opaque_transport.inbound_port == 4143


def test_the_proxys_own_ports_have_identity_and_labels(world):
    world.pod("web-1", "10.1.0.1")
    for port in (4190, 4191):
        found = profile(world, f"10.1.0.1:{port}").endpoint
        assert found.tls_identity.server_name.name.startswith("web.shop.")
        assert found.metric_labels["pod"] == "web-1"


def test_an_unknown_address_gets_the_defaults(world):
    found = profile(world, "203.0.113.1:443")
    assert not found.HasField("endpoint")
    assert found.HasField("retry_budget")
    assert profile(world, "203.0.113.1:3306").opaque_protocol


SPEC = {
    "routes": [
        {
            "name": "GET /books",
            "condition": {"method": "GET", "pathRegex": "/books"},
            "isRetryable": True,
            "timeout": "300ms",
            "responseClasses": [
                {"condition": {"status": {"min": 500}}, "isFailure": True},
                {"condition": {"not": {"status": {"min": 400, "max": 499}}}},
            ],
        }
    ],
    "retryBudget": {"retryRatio": 0.5, "minRetriesPerSecond": 3, "ttl": "1m"},
    "dstOverrides": [{"authority": "web-v2.shop.svc.cluster.local:80", "weight": "500m"}],
}


def test_a_service_profile_gives_routes_budget_and_overrides(world):
    world.service()
    world.policy("ServiceProfile", NAME, SPEC)
    found = profile(world, f"{NAME}:80")
    (route,) = found.routes
    assert route.metrics_labels["route"] == "GET /books"
    assert [part.WhichOneof("match") for part in route.condition.all.matches] == ["method", "path"]
    assert (route.is_retryable, route.timeout.nanos) == (True, 300_000_000)
    first, second = route.response_classes
    assert (first.condition.status.min, first.condition.status.max) == (500, 500)
    assert getattr(second.condition, "not").status.max == 499
    assert (found.retry_budget.retry_ratio, found.retry_budget.ttl.seconds) == (0.5, 60)
    assert [(entry.authority, entry.weight) for entry in found.dst_overrides] == [
        ("web-v2.shop.svc.cluster.local:80", 500)
    ]


def test_the_clients_own_profile_comes_first(world):
    world.service()
    world.policy("ServiceProfile", NAME, {"routes": [{"name": "theirs"}]})
    world.policy("ServiceProfile", NAME, {"routes": [{"name": "ours"}]}, namespace="client")
    assert profile(world, f"{NAME}:80").routes[0].metrics_labels["route"] == "ours"
    assert profile(world, f"{NAME}:80", "else").routes[0].metrics_labels["route"] == "theirs"


def test_a_traffic_split_divides_the_apex_only(world):
    world.service()
    world.service("web-v2", clusterIP="10.96.0.2")
    backends = [{"service": "web", "weight": "900m"}, {"service": "web-v2", "weight": "100m"}]
    world.policy("TrafficSplit", "canary", {"service": "web", "backends": backends})
    found = profile(world, f"{NAME}:80").dst_overrides
    assert [(entry.authority, entry.weight) for entry in found] == [
        (f"{NAME}:80", 900),
        ("web-v2.shop.svc.cluster.local:80", 100),
    ]
    assert not profile(world, "web-v2.shop.svc.cluster.local:80").dst_overrides


def test_a_split_with_matches_is_the_policys_alone(world):
    """A profile's shares hold for all requests, and a proxy that reads them asks no policy."""
    world.service()
    spec = {"service": "web", "backends": [{"service": "web-v2", "weight": 1}]}
    matches = [{"kind": "HTTPRouteGroup", "name": "testers"}]
    world.policy("TrafficSplit", "canary", {**spec, "matches": matches})
    assert not profile(world, f"{NAME}:80").dst_overrides
