"""PromQL by value: which series count, for whom, over what."""

import pytest

from tulle.viz import queries
from tulle.viz.kinds import KINDS, Resource

WEB = Resource(KINDS["deployment"], "shop", "web")
CART = Resource(KINDS["pod"], "shop", "cart-1")


def test_inbound_counts_what_the_own_proxies_received_without_probes_and_scrapes():
    assert queries.requests(queries.inbound(WEB), "1m") == (
        'sum(increase(response_total{direction="inbound",deployment="web",namespace="shop",'
        'target_port!="4191"}[1m]) unless increase(response_total{direction="inbound",'
        'deployment="web",namespace="shop",route_kind="default",route_name="probe",'
        'target_port!="4191"}[1m])) by (namespace, deployment, classification)'
    )


def test_to_counts_at_the_source_by_what_answered():
    assert queries.requests(queries.outbound(WEB, CART), "30s") == (
        'sum(increase(response_total{direction="outbound",deployment="web",namespace="shop",'
        'dst_pod="cart-1",dst_namespace="shop"}[30s])) by (namespace, deployment, classification)'
    )


def test_from_groups_by_who_received():
    text = queries.requests(queries.received_from(CART, WEB), "1m")
    assert 'deployment="web",namespace="shop",dst_pod="cart-1"' in text
    assert text.endswith("by (dst_namespace, dst_pod, classification)")


def test_no_name_asks_for_all_that_have_one():
    everywhere = Resource(KINDS["statefulset"], "")
    assert 'statefulset!=""' in queries.open_connections(queries.inbound(everywhere))


def test_a_job_is_found_by_its_own_label():
    job = Resource(KINDS["job"], "shop", "mail")
    assert queries.inbound(job).labels == {"k8s_job": "mail", "namespace": "shop"}


def test_a_namespace_is_one_label_only():
    shop = queries.inbound(Resource(KINDS["namespace"], "", "shop"))
    assert shop.labels == {"namespace": "shop"}
    assert shop.group == ("namespace",)


def test_a_service_is_found_by_the_name_that_clients_asked_for():
    service = Resource(KINDS["service"], "shop", "cart")
    text = queries.requests(queries.to_service(service, "cluster.local", None), "1m")
    assert 'authority=~"^cart\\\\.shop\\\\.svc\\\\.cluster\\\\.local.*"' in text
    assert 'dst_service="cart"' in text


def test_a_split_is_found_by_its_apex_or_by_the_leaf_that_a_proxy_chose():
    services = ("cart", "cart-2")
    text = queries.requests(queries.to_split("shop", services, "cluster.local", WEB), "1m")
    assert 'authority=~"^(cart|cart-2)\\\\.shop' in text
    assert 'dst_service!=""' in text
    assert 'deployment="web"' in text


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_a_name_cannot_leave_its_quotes(name):
    text = queries.quoted(name)
    assert text.startswith('"')
    assert '"' not in text[1:-1].replace('\\"', "").replace("\\\\", "")
    assert "\n" not in text


def test_bytes_are_counted_on_the_side_of_the_peer():
    inbound, outbound = queries.inbound(WEB), queries.outbound(WEB, CART)
    assert 'peer="src"' in queries.transferred(inbound, "1m", "read")
    assert 'peer="dst"' in queries.transferred(outbound, "1m", "read")
    assert "peer" not in queries.open_connections(inbound)


def test_edges_of_pods_do_not_group_twice_by_pod():
    assert queries.edges("pod").count(" pod,") <= 1
