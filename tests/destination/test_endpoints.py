"""Which endpoints a Service port has, and what a client is told of each."""

import pytest
from world import World, endpoint

from tulle.destination.endpoints import Client, address_endpoint, service_endpoints
from tulle.index.authority import ServiceTarget
from tulle.index.index import Reader


def endpoints(world, port=80, client=None, **target):
    reader = Reader(world.index)
    wanted = ServiceTarget("shop", "web", port, **target)
    service = reader.service("shop", "web")
    return service_endpoints(world.cluster, reader, service, wanted, client or Client())


def at(world, address):
    return address_endpoint(world.cluster, Reader(world.index), address)


@pytest.fixture
def web(world):
    world.service()
    world.pod("web-1", "10.1.0.1")
    world.slice(endpoint("10.1.0.1", "web-1"))
    return world


def test_a_meshed_pod_has_identity_hint_and_labels(web):
    (found,) = endpoints(web).values()
    assert found.address == ("10.1.0.1", 8080)
    assert found.identity == "web.shop.serviceaccount.identity.tulle.cluster.local"
    assert (found.hint, found.transport_port) == ("h2", None)
    labels = dict(found.labels)
    assert labels["deployment"] == "web"
    assert (labels["pod"], labels["serviceaccount"]) == ("web-1", "web")
    assert (labels["control_plane_ns"], labels["pod_template_hash"]) == ("tulle", "abc")


def test_an_unmeshed_pod_has_labels_alone(web):
    web.pod("web-1", "10.1.0.1", meshed=None)
    (found,) = endpoints(web).values()
    assert (found.identity, found.hint, found.is_meshed) == (None, None, False)


def test_a_pod_of_another_control_plane_understands_h2_but_has_no_identity_for_us(web):
    web.pod("web-1", "10.1.0.1", meshed="linkerd")
    (found,) = endpoints(web).values()
    assert (found.identity, found.hint) == (None, "h2")


def test_skipped_ports_are_as_unmeshed(web):
    skip = {"config.linkerd.io/skip-inbound-ports": "8000-8100"}
    web.pod("web-1", "10.1.0.1", annotations=skip)
    assert endpoints(web)["10.1.0.1", 8080].identity is None


def test_opaque_ports_are_hinted_and_travel_by_the_inbound_port(web):
    web.pod("web-1", "10.1.0.1", annotations={"config.linkerd.io/opaque-ports": "8080"})
    (found,) = endpoints(web).values()
    assert (found.hint, found.transport_port) == ("opaque", 4143)


def test_a_server_makes_a_port_opaque(web):
    spec = {"podSelector": {"matchLabels": {"app": "web"}}, "port": 8080}
    web.policy("Server", "raw", {**spec, "proxyProtocol": "opaque"})
    assert endpoints(web)["10.1.0.1", 8080].hint == "opaque"


def test_a_setting_makes_every_hop_travel_by_the_inbound_port_but_the_proxys_own():
    world = World(transports_always=True)
    world.pod("web-1", "10.1.0.1")
    assert at(world, ("10.1.0.1", 8080)).transport_port == 4143
    assert at(world, ("10.1.0.1", 4191)).transport_port is None


def test_upgrading_can_be_turned_off():
    world = World(h2_upgrade=False)
    world.pod("web-1", "10.1.0.1")
    assert at(world, ("10.1.0.1", 8080)).hint is None


@pytest.mark.parametrize(
    ("conditions", "count"),
    [({"ready": False}, 0), ({"ready": None}, 1), ({"going": True}, 0), ({"ready": True}, 1)],
)
def test_conditions(web, conditions, count):
    web.slice(endpoint("10.1.0.1", "web-1", **conditions))
    assert len(endpoints(web)) == count


def test_a_service_may_publish_what_is_not_ready_but_not_what_is_going(web):
    web.service(publishNotReadyAddresses=True)
    web.pod("web-2", "10.1.0.2")
    web.slice(
        endpoint("10.1.0.1", "web-1", ready=False),
        endpoint("10.1.0.2", "web-2", ready=False, going=True),
    )
    assert set(endpoints(web)) == {("10.1.0.1", 8080)}


def test_each_slice_says_where_a_named_port_leads(web):
    web.service(ports=((80, "http", "web"), (90, "admin", "admin")))
    web.pod("web-2", "10.1.0.2")
    ports = (("http", 9090), ("admin", 9999))
    web.slice(endpoint("10.1.0.2", "web-2"), name="web-2", ports=ports)
    assert set(endpoints(web)) == {("10.1.0.1", 8080), ("10.1.0.2", 9090)}
    assert set(endpoints(web, port=90)) == {("10.1.0.2", 9999)}


def test_an_undefined_port_is_asked_of_the_endpoints_themselves(web):
    assert set(endpoints(web, port=4191)) == {("10.1.0.1", 4191)}


def test_a_hostname_chooses_one_pod_of_a_headless_service(web):
    web.service(clusterIP="None")
    web.pod("web-2", "10.1.0.2")
    web.slice(
        endpoint("10.1.0.1", "web-1", hostname="web-1"),
        endpoint("10.1.0.2", "web-2", hostname="web-2"),
    )
    assert set(endpoints(web, hostname="web-2")) == {("10.1.0.2", 8080)}


def test_an_unknown_pod_is_left_out_and_an_endpoint_without_pod_is_plain(web):
    web.slice(endpoint("10.1.0.9", "unknown"), endpoint("172.16.0.1"))
    (found,) = endpoints(web).values()
    assert (found.address, found.identity) == (("172.16.0.1", 8080), None)


def zoned(address, pod, zone, hints=()):
    hint = {"hints": {"forZones": [{"name": name} for name in hints]}} if hints else {}
    return endpoint(address, pod, zone=zone, nodeName=f"node-{zone}", **hint)


@pytest.fixture
def zones(web):
    web.pod("web-2", "10.1.0.2")
    both = zoned("10.1.0.1", "web-1", "a", "a"), zoned("10.1.0.2", "web-2", "b", "b")
    web.slice(*both)
    return web


def test_hints_keep_traffic_in_its_zone(zones):
    (found,) = endpoints(zones, client=Client(zone="b")).values()
    assert found.address == ("10.1.0.2", 8080)
    assert dict(found.labels)["zone_locality"] == "local"


@pytest.mark.parametrize("zone", ["", "c"])
def test_a_zone_that_no_hint_names_gets_them_all(zones, zone):
    assert len(endpoints(zones, client=Client(zone=zone))) == 2


def test_hints_count_only_if_every_endpoint_has_one(zones):
    zones.slice(zoned("10.1.0.1", "web-1", "a", "a"), zoned("10.1.0.2", "web-2", "b"))
    assert len(endpoints(zones, client=Client(zone="a"))) == 2


def test_local_traffic_stays_on_its_node(zones):
    zones.service(internalTrafficPolicy="Local")
    assert set(endpoints(zones, client=Client(node="node-a"))) == {("10.1.0.1", 8080)}
    assert endpoints(zones, client=Client(node="node-c")) == {}


def test_a_host_port_leads_to_the_pods_own_port(world):
    port = {"name": "http", "containerPort": 8080, "hostPort": 30080}
    world.pod("web-1", "10.1.0.1", ports=[port])
    found = at(world, ("192.168.0.1", 30080))
    assert found.address == ("10.1.0.1", 8080)
    assert found.identity is not None
    assert at(world, ("192.168.0.1", 30081)) is None


def test_pods_on_the_nodes_network_and_ended_ones_have_no_address_of_their_own(world):
    world.pod("node-agent", "192.168.0.1", host_network=True)
    world.pod("job-1", "10.1.0.7", phase="Succeeded")
    assert at(world, ("192.168.0.1", 22)) is None
    assert at(world, ("10.1.0.7", 80)) is None


def test_an_address_that_moves_to_another_pod_moves(world):
    world.pod("old", "10.1.0.1")
    world.remove("Pod", "old")
    world.pod("new", "10.1.0.1")
    assert dict(at(world, ("10.1.0.1", 80)).labels)["pod"] == "new"
