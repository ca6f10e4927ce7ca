"""Destination over a real API server: what a client hears as a Service's endpoints change."""

import ipaddress

import httpx
import pytest

pytestmark = pytest.mark.apiserver

HTTP = [{"name": "http", "port": 80, "targetPort": "web"}]


def on(port):
    return [{"name": "http", "port": port, "protocol": "TCP"}]


def addresses(update):
    """What an `add` or a `remove` names, as text."""
    kind = update.WhichOneof("update")
    if kind == "no_endpoints":
        return set()
    found = update.add.addrs if kind == "add" else update.remove.addrs
    named = [entry.addr if kind == "add" else entry for entry in found]
    return {f"{ipaddress.IPv4Address(entry.ip.ipv4)}:{entry.port}" for entry in named}


async def test_endpoints_come_terminate_and_go(cluster, discovery):
    await cluster.service("web", HTTP)
    await cluster.pod("web-1", "10.1.0.1")
    await cluster.pod("web-2", "10.1.0.2")
    first, second = cluster.endpoint("web-1", "10.1.0.1"), cluster.endpoint("web-2", "10.1.0.2")
    stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
    assert (await stream.next()).no_endpoints.exists in (True, False)

    await cluster.slice("web", on(8080), [first])
    added = await stream.until(lambda update: addresses(update) == {"10.1.0.1:8080"})
    identity = f"web.{cluster.namespace}.serviceaccount.identity.tulle.cluster.local"
    assert added.add.addrs[0].tls_identity.dns_like_identity.name == identity
    assert added.add.addrs[0].metric_labels["deployment"] == "web"

    await cluster.slice("web", on(8080), [first, second])
    assert addresses(await stream.next()) == {"10.1.0.2:8080"}

    going = cluster.endpoint("web-1", "10.1.0.1", ready=False, serving=True, terminating=True)
    await cluster.slice("web", on(8080), [going, second])
    removed = await stream.next()
    assert removed.WhichOneof("update") == "remove"
    assert addresses(removed) == {"10.1.0.1:8080"}

    await cluster.slice("web", on(8080), [])
    assert (await stream.next()).no_endpoints.exists


async def test_a_named_port_that_moves_moves_the_endpoints(cluster, discovery):
    await cluster.service("web", HTTP)
    await cluster.pod("web-1", "10.1.1.1")
    endpoint = cluster.endpoint("web-1", "10.1.1.1")
    await cluster.slice("web", on(8080), [endpoint])
    stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
    await stream.until(lambda update: addresses(update) == {"10.1.1.1:8080"})
    await cluster.slice("web", on(9090), [endpoint])
    added, removed = await stream.next(), await stream.next()
    assert (addresses(added), addresses(removed)) == ({"10.1.1.1:9090"}, {"10.1.1.1:8080"})


async def test_an_endpoint_counts_once_its_pod_is_known(cluster, discovery):
    await cluster.service("web", HTTP)
    await cluster.slice("web", on(8080), [cluster.endpoint("web-1", "10.1.2.1")])
    stream = discovery.get(f"web.{cluster.namespace}.svc.cluster.local:80")
    await stream.until(lambda update: update.no_endpoints.exists)
    await cluster.pod("web-1", "10.1.2.1")
    added = await stream.until(addresses)
    assert added.add.addrs[0].HasField("tls_identity")


async def test_profiles_of_a_service_and_of_a_pods_admin_port(cluster, discovery):
    address = await cluster.service("web", HTTP)
    await cluster.pod("web-1", "10.1.3.1")
    name = f"web.{cluster.namespace}.svc.cluster.local"
    by_address = await discovery.profile(f"{address}:80").until(lambda p: p.fully_qualified_name)
    assert by_address.fully_qualified_name == name
    stream = discovery.profile("10.1.3.1:4191")
    profile = await stream.until(lambda profile: profile.HasField("endpoint"))
    assert profile.endpoint.tls_identity.server_name.name.startswith(f"web.{cluster.namespace}.")
    assert profile.endpoint.metric_labels["pod"] == "web-1"
    assert not profile.endpoint.protocol_hint.HasField("opaque_transport")


async def test_the_admin_port_tells_of_readiness_and_metrics(discovery):
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{discovery.admin}") as client:
        assert (await client.get("/ready")).status_code == 200
        metrics = (await client.get("/metrics")).text
    assert 'index_objects{kind="Namespace"}' in metrics
