"""`tulle viz stat` of policies: what a Server, a route or an authorization let in, and kept out."""

import json

import pytest

from tests.viz.histogram import buckets

POLICY = "/apis/policy.linkerd.io"


def named(*names, **spec):
    return [{"metadata": {"name": name, "namespace": "shop"}, "spec": spec} for name in names]


def counted(value, classification="success", **labels):
    return {"namespace": "shop", **labels, "classification": classification}, value


@pytest.fixture
def servers(objects, answers):
    """web lets in and refuses, admin only refuses, idle has no traffic."""
    objects.lists[f"{POLICY}/v1beta3/namespaces/shop/servers"] = named("web", "admin", "idle")
    key = {"namespace": "shop", "srv_name": "web"}
    answers.samples = {
        "inbound_http_authz_deny_total": [(key, 30), ({**key, "srv_name": "admin"}, 6)],
        "response_total": [counted(120, **key)],
        "latency_ms_bucket": buckets(key, 3, 5, 9),
        "tcp_open_connections{": [(key, 2)],
    }


async def test_a_server_tells_what_it_refused(servers, viz):
    code, out, _ = await viz("stat", "servers", "-n", "shop")
    assert code == 0
    assert out == (
        "NAME    UNAUTHORIZED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   "
        "TCP_CONN\n"
        "admin         0.1rps         -        -             -             -             -   "
        "       -\n"
        "idle               -         -        -             -             -             -   "
        "       -\n"
        "web           0.5rps   100.00%   2.0rps           3ms           5ms           9ms   "
        "       2\n"
    )


async def test_what_is_counted_is_what_the_server_decided_on_any_port(servers, answers, viz):
    await viz("stat", "srv/web", "-n", "shop")
    (asked,) = {query for query in answers.asked if query.startswith("sum(increase(response_total")}
    assert 'srv_name="web",srv_kind="server",namespace="shop"' in asked
    assert "unless" not in asked
    assert "target_port" not in asked
    (refused,) = {query for query in answers.asked if "deny_total" in query}
    assert refused == (
        'sum(increase(inbound_http_authz_deny_total{srv_name="web",srv_kind="server",'
        'namespace="shop"}[1m])) by (namespace, srv_name)'
    )


async def test_a_route_has_numbers_at_each_of_its_servers(objects, answers, viz):
    parents = [{"kind": "Server", "name": name} for name in ("web", "admin")]
    routes = named("list", parentRefs=parents)
    routes += named("outside", parentRefs=[{"kind": "Service", "name": "web"}])
    objects.lists[f"{POLICY}/v1beta3/namespaces/shop/httproutes"] = routes
    answers.samples = {"response_total": [counted(60, route_name="list", srv_name="web")]}
    _, out, _ = await viz("stat", "httproutes", "-n", "shop")
    header, admin, web = (line.split() for line in out.splitlines())
    assert header == [
        "NAME", "SERVER", "UNAUTHORIZED", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95",
        "LATENCY_P99",
    ]  # fmt: skip
    assert admin == ["list", "admin", *["-"] * 6]
    assert web[:5] == ["list", "web", "0.0rps", "100.00%", "1.0rps"]
    _, text, _ = await viz("stat", "httproutes", "-n", "shop", "-o", "json")
    rows = json.loads(text)
    assert [(row["server"], row.get("unauthorized")) for row in rows] == [
        ("admin", None),
        ("web", 0.0),
    ]


async def test_routes_of_services_are_told_elsewhere(objects, viz):
    outside = named("outside", parentRefs=[{"kind": "Service", "name": "web"}])
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes"
    objects.lists[path] = outside
    code, out, err = await viz("stat", "httproutes", "-n", "shop")
    assert (code, out) == (0, "")
    assert "told by viz stat-outbound" in err


@pytest.mark.parametrize(
    ("word", "path", "kind"),
    [
        ("saz", f"{POLICY}/v1beta1/namespaces/shop/serverauthorizations", "serverauthorization"),
        ("ap", f"{POLICY}/v1alpha1/namespaces/shop/authorizationpolicies", "authorizationpolicy"),
    ],
    ids=["saz", "ap"],
)
async def test_an_authorization_has_no_pods_and_no_connections(
    objects, answers, viz, word, path, kind
):
    objects.lists[path] = named("friends")
    answers.samples = {"response_total": [counted(60, authz_name="friends")]}
    _, out, _ = await viz("stat", word, "-n", "shop", "-o", "wide")
    header, row = (line.split() for line in out.splitlines())
    assert header == ["NAME", "SUCCESS", "RPS", "LATENCY_P50", "LATENCY_P95", "LATENCY_P99"]
    assert row[:3] == ["friends", "100.00%", "1.0rps"]
    assert any(f'authz_kind="{kind}"' in query for query in answers.asked)


async def test_several_kinds_are_tables_in_the_order_of_their_names(servers, objects, viz):
    policies = f"{POLICY}/v1alpha1/namespaces/shop/authorizationpolicies"
    objects.lists[policies] = named("friends")
    _, out, _ = await viz("stat", "srv/web", "ap/friends", "-n", "shop")
    tables = [table.splitlines() for table in out.split("\n\n")]
    assert [table[1].split()[0] for table in tables] == ["ap/friends", "srv/web"]


async def test_everywhere_the_namespace_comes_first(objects, viz):
    objects.lists[f"{POLICY}/v1beta3/servers"] = named("web")
    _, out, _ = await viz("stat", "srv", "-A")
    assert out.splitlines()[0].split()[:3] == ["NAMESPACE", "NAME", "UNAUTHORIZED"]
    assert out.splitlines()[1].split()[:2] == ["shop", "web"]
