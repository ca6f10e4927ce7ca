"""What is kept of Kubernetes' own kinds."""

import pytest

from tulle.index.authority import AddressTarget, InvalidAuthority, ServiceTarget, parse
from tulle.index.objects import endpoint_slice, service
from tulle.index.pods import pod
from tulle.index.policies import selector
from tulle.index.ports import PortSet
from tulle.index.profiles import thousandths


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("80,443", {80, 443}, {81}),
        ("8000-8010", {8000, 8010}, {7999, 8011}),
        (" 25 , 4444-4445", {25, 4444}, {26}),
        ("", set(), {80}),
    ],
)
def test_port_sets(text, inside, outside):
    ports = PortSet(text)
    assert all(port in ports for port in inside)
    assert not any(port in ports for port in outside)


def test_a_port_set_knows_names():
    assert PortSet("db").holds(5432, {"db": 5432})
    assert not PortSet("db").holds(5432, {"web": 5432})


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("web.shop.svc.cluster.local:80", ServiceTarget("shop", "web", 80)),
        ("web.shop.svc.cluster.local.:80", ServiceTarget("shop", "web", 80)),
        ("web.shop.svc.cluster.local", ServiceTarget("shop", "web", 80)),
        ("db-0.db.shop.svc.cluster.local:5", ServiceTarget("shop", "db", 5, "db-0")),
        ("web.shop.svc:80", ServiceTarget("shop", "web", 80)),
        ("10.0.0.1:80", AddressTarget("10.0.0.1", 80)),
        ("[::1]:80", AddressTarget("::1", 80)),
    ],
)
def test_authorities(text, target):
    assert parse(text, "cluster.local") == target


@pytest.mark.parametrize(
    "text", ["example.com:80", "web.shop.svc.cluster.local:0", "web:x", ".shop.svc.cluster.local:1"]
)
def test_what_is_no_authority_of_ours(text):
    with pytest.raises(InvalidAuthority):
        parse(text, "cluster.local")


def test_a_headless_service_has_no_address():
    spec = {"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"port": 80}]}
    found = service({"metadata": {"name": "a", "namespace": "b"}, "spec": spec})
    assert found.cluster_ips == ()
    assert found.port(80).target == 80
    assert found.port(81) is None


def test_a_slice_of_no_service_is_not_kept():
    assert endpoint_slice({"metadata": {"name": "a", "namespace": "b"}}) is None


PROXY = {
    "name": "tulle-proxy",
    "restartPolicy": "Always",
    "ports": [{"name": "linkerd-admin", "containerPort": 4191}],
    "env": [{"name": "LINKERD2_PROXY_INBOUND_LISTEN_ADDR", "value": "[::]:5143"}],
    "livenessProbe": {"httpGet": {"port": 4191, "path": "/live"}},
}


def test_a_native_sidecar_counts_as_a_container_and_an_init_container_does_not():
    setup = {"name": "setup", "ports": [{"name": "x", "containerPort": 1}]}
    found = pod(
        {
            "metadata": {"name": "a", "namespace": "b"},
            "spec": {"initContainers": [setup, PROXY], "containers": [{"name": "app"}]},
        }
    )
    assert found.ports == (("linkerd-admin", 4191),)
    assert found.probes == ((4191, "/live"),)
    assert found.proxy.inbound == 5143


@pytest.mark.parametrize(
    ("expression", "labels", "is_selected"),
    [
        ({"key": "a", "operator": "In", "values": ["1"]}, {"a": "1"}, True),
        ({"key": "a", "operator": "In", "values": ["1"]}, {}, False),
        ({"key": "a", "operator": "NotIn", "values": ["1"]}, {}, True),
        ({"key": "a", "operator": "Exists"}, {"a": ""}, True),
        ({"key": "a", "operator": "DoesNotExist"}, {"a": ""}, False),
    ],
)
def test_selectors(expression, labels, is_selected):
    assert selector({"matchExpressions": [expression]}).selects(labels) is is_selected


@pytest.mark.parametrize(("weight", "expected"), [(1, 1000), ("500m", 500), ("2k", 2_000_000)])
def test_weights(weight, expected):
    assert thousandths(weight) == expected
