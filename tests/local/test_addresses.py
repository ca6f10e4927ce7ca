"""LoadBalancer addresses: one each, kept, freed, asked for, and never given twice."""

from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle.local.addresses import Service, changes, run_once, service_of
from tulle.local.api import Api
from tulle.local.apiserver import ApiServer

POOL = IPv4Network("10.9.0.0/29")  # six addresses


def service(name: str, *held: str, wanted: str | None = None, balanced: bool = True) -> Service:
    return Service("default", name, balanced, wanted, held)


def given_out(*services: Service) -> dict[str, str | None]:
    found = changes(services, POOL)
    return {each.service.name: str(each.address) if each.address else None for each in found}


def test_each_gets_the_lowest_free_address() -> None:
    services = [service("a"), service("b", "10.9.0.1"), service("c")]
    assert given_out(*services) == {"a": "10.9.0.2", "c": "10.9.0.3"}


def test_what_is_in_order_is_not_written_again() -> None:
    assert given_out(service("a", "10.9.0.4"), service("b", "10.9.0.1")) == {}


def test_a_service_that_is_no_load_balancer_any_more_loses_its_address() -> None:
    assert given_out(service("a", "10.9.0.1", balanced=False)) == {"a": None}


def test_a_foreign_address_of_another_kind_of_service_is_left_alone() -> None:
    assert given_out(service("a", "192.0.2.1", balanced=False)) == {}


def test_an_address_that_is_asked_for_is_given_first() -> None:
    found = given_out(service("a"), service("b", wanted="10.9.0.1"))
    assert found == {"a": "10.9.0.2", "b": "10.9.0.1"}


def test_an_address_outside_the_range_is_not_given() -> None:
    assert given_out(service("a", wanted="192.0.2.1")) == {}


def test_of_two_holders_one_gets_another_address() -> None:
    assert given_out(service("a", "10.9.0.1"), service("b", "10.9.0.1")) == {"b": "10.9.0.2"}


def test_an_exhausted_range_leaves_the_rest_waiting() -> None:
    assert len(given_out(*(service(f"s{n}") for n in range(8)))) == 6


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=10))
def test_after_the_changes_no_address_is_held_twice(rows: list[tuple[bool, int]]) -> None:
    services = [
        service(f"s{n}", f"10.9.0.{octet}", balanced=balanced)
        for n, (balanced, octet) in enumerate(rows)
    ]
    held: dict[str, str | None] = {
        each.name: each.addresses[0] for each in services if each.is_load_balancer
    }
    written = given_out(*services)
    held |= {name: address for name, address in written.items() if name in held}
    addresses = [address for address in held.values() if address]
    if len(held) <= 6:
        assert len(set(addresses)) == len(held)


def raw(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "n", "name": "s"}, "spec": spec, "status": {}}


def test_a_service_with_a_class_is_for_someone_else() -> None:
    ours = service_of(raw(type="LoadBalancer"))
    theirs = service_of(raw(type="LoadBalancer", loadBalancerClass="example.com/other"))
    assert (ours.is_load_balancer, theirs.is_load_balancer) == (True, False)


@pytest.mark.apiserver
@pytest.mark.skipif(bool(ApiServer.missing()), reason="etcd or kube-apiserver is not built")
def test_the_api_server_stores_the_address_and_frees_it(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }
    path = "/api/v1/namespaces/default/services/web"
    with ApiServer(tmp_path) as server, Api(server.kubeconfig) as api:
        api.apply(document)
        run_once(api, POOL)
        assert api.get(path)["status"]["loadBalancer"]["ingress"][0]["ip"] == "10.9.0.1"
        api.apply({**document, "spec": {"type": "ClusterIP", "ports": [{"port": 80}]}})
        run_once(api, POOL)
        assert not api.get(path)["status"]["loadBalancer"].get("ingress")
