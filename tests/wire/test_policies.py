"""Policy over a real API server, with kinds that are made while discovery runs."""

import asyncio

import pytest
from definitions import POLICY, define
from discovery import PATIENCE_SECONDS, running

from tulle.install.rbac import DESTINATION_LOCAL_RULES, DESTINATION_RULES

pytestmark = pytest.mark.apiserver

HTTP = [{"name": "http", "port": 80, "targetPort": 8080}]


async def test_a_server_and_its_authorization_change_a_port(cluster, discovery):
    await cluster.pod("web-1", "10.2.0.1", ports=[{"name": "web", "containerPort": 8080}])
    stream = discovery.watch_port(f"{cluster.namespace}:web-1", 8080)
    default = await stream.next()
    assert default.labels["name"] == "all-unauthenticated"
    assert default.protocol.detect.http_routes[0].metadata.default == "default"

    kinds = [
        ("servers", "Server", "v1beta3"),
        ("serverauthorizations", "ServerAuthorization", "v1beta1"),
    ]
    await define(cluster, *kinds)
    server = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "Server",
        "metadata": {"name": "web-http"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "port": "web",
            "proxyProtocol": "HTTP/1",
        },
    }
    await cluster.client.create(cluster.path("servers", "", f"{POLICY}/v1beta3"), server)
    denied = await stream.until(lambda policy: policy.labels["kind"] == "server")
    assert denied.protocol.WhichOneof("kind") == "http1"
    assert list(denied.authorizations) == []

    authorization = {
        "apiVersion": "policy.linkerd.io/v1beta1",
        "kind": "ServerAuthorization",
        "metadata": {"name": "web-clients"},
        "spec": {
            "server": {"name": "web-http"},
            "client": {"meshTLS": {"serviceAccounts": [{"name": "client"}]}},
        },
    }
    path = cluster.path("serverauthorizations", "", f"{POLICY}/v1beta1")
    await cluster.client.create(path, authorization)
    allowed = await stream.until(lambda policy: policy.authorizations)
    identities = allowed.authorizations[0].authentication.meshTLS.identities.identities
    name = f"client.{cluster.namespace}.serviceaccount.identity.tulle.cluster.local"
    assert [identity.name for identity in identities] == [name]


async def test_a_service_is_balanced_and_an_undefined_port_refused(cluster, discovery):
    await cluster.service("web", HTTP)
    name = f"web.{cluster.namespace}.svc.cluster.local"
    await discovery.get(f"{name}:80").until(lambda update: update.no_endpoints.exists)
    policy = await discovery.watch_policy(f"{name}:80").next()
    route = policy.protocol.detect.http1.routes[0]
    backend = route.rules[0].backends.first_available.backends[0].backend
    assert backend.balancer.discovery.dst.path == f"{name}:80"
    refused = await discovery.watch_policy(f"{name}:81").next()
    assert refused.protocol.opaque.routes[0].rules[0].filters[0].HasField("forbidden")


async def status_of(cluster, path):
    """The route's status once somebody wrote one."""
    while True:
        route = await cluster.client.get(path)
        if parents := (route.get("status") or {}).get("parents"):
            return parents


async def test_a_routes_status_is_written_by_the_holder_of_the_lease(cluster, api_server):
    await define(cluster, ("httproutes", "HTTPRoute", "v1beta3"))
    await cluster.service("web", HTTP)
    parent = {"group": "core", "kind": "Service", "name": "web", "port": 80}
    route = {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {
            "parentRefs": [parent],
            "rules": [{"backendRefs": [{"name": "gone", "port": 80}]}],
        },
    }
    group = f"{POLICY}/v1beta3"
    await cluster.client.create(cluster.path("httproutes", "", group), route)
    flags = ("--controller-namespace", cluster.namespace)
    async with running(api_server.kubeconfig, *flags), asyncio.timeout(PATIENCE_SECONDS):
        (entry,) = await status_of(cluster, cluster.path("httproutes", "route", group))
    assert entry["parentRef"] == parent
    reasons = {condition["type"]: condition["reason"] for condition in entry["conditions"]}
    assert reasons == {"Accepted": "Accepted", "ResolvedRefs": "BackendNotFound"}
    path = cluster.path("leases", "policy-controller-write", "apis/coordination.k8s.io/v1")
    assert (await cluster.client.get(path))["spec"]["holderIdentity"]


async def conditions_of(cluster, path):
    while True:
        item = await cluster.client.get(path)
        if conditions := (item.get("status") or {}).get("conditions"):
            return [(entry["type"], entry["status"], entry["reason"]) for entry in conditions]


async def test_the_status_of_limits_and_networks_is_written(cluster, kubeconfig_of):
    """With the rights of the install."""
    group = f"{POLICY}/v1alpha1"
    kinds = [
        ("httplocalratelimitpolicies", "HTTPLocalRateLimitPolicy", "v1alpha1"),
        ("egressnetworks", "EgressNetwork", "v1alpha1"),
    ]
    await define(cluster, *kinds)
    target = {"group": "policy.linkerd.io", "kind": "Server", "name": "gone"}
    specs = [{"targetRef": target}, {"trafficPolicy": "Deny"}]
    for (plural, kind, version), spec in zip(kinds, specs, strict=True):
        body = {"apiVersion": f"policy.linkerd.io/{version}", "kind": kind, "spec": spec}
        path = cluster.path(plural, "", group)
        await cluster.client.create(path, {**body, "metadata": {"name": "one"}})
    rules = [*DESTINATION_RULES, *DESTINATION_LOCAL_RULES]
    kubeconfig = await kubeconfig_of("discovery-status", rules)
    flags = ("--controller-namespace", cluster.namespace)
    async with running(kubeconfig, *flags), asyncio.timeout(PATIENCE_SECONDS):
        limit = await conditions_of(cluster, cluster.path(kinds[0][0], "one", group))
        network = await conditions_of(cluster, cluster.path(kinds[1][0], "one", group))
    assert limit == [("Accepted", "False", "NoMatchingTarget")]
    assert network == [("Accepted", "True", "Accepted")]
