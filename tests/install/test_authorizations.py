"""From policy objects to the authorizations of given pods."""

import pytest

from tulle.install.authorizations import PolicyObjects, Row, authorizations, selects


def named(kind, name, spec, **labels):
    return {"kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}


POD = {"metadata": {"labels": {"app": "web"}}}
SERVER = named("Server", "http", {"podSelector": {"matchLabels": {"app": "web"}}}, team="a")


def policy(name, kind, target):
    return named("AuthorizationPolicy", name, {"targetRef": {"kind": kind, "name": target}})


def rows(**objects):
    empty = {"servers": [SERVER], "routes": [], "policies": [], "server_authorizations": []}
    return authorizations([POD], PolicyObjects(**{**empty, **objects}))


def test_policies_of_a_server_its_routes_and_its_namespace():
    parents = {"parentRefs": [{"kind": "Server", "name": "http"}]}
    found = rows(
        routes=[named("HTTPRoute", "books", parents)],
        policies=[
            policy("all", "Namespace", "shop"),
            policy("port", "Server", "http"),
            policy("other", "Server", "admin"),
            policy("path", "HTTPRoute", "books"),
            policy("stray", "HTTPRoute", "authors"),
        ],
    )
    assert found == [
        Row("*", "http", "all"),
        Row("*", "http", "port"),
        Row("books", "http", "path"),
    ]


def test_server_authorizations_by_name_and_by_labels():
    found = rows(
        server_authorizations=[
            named("ServerAuthorization", "a", {"server": {"name": "http"}}),
            named(
                "ServerAuthorization", "b", {"server": {"selector": {"matchLabels": {"team": "a"}}}}
            ),
            named(
                "ServerAuthorization", "c", {"server": {"selector": {"matchLabels": {"team": "b"}}}}
            ),
        ]
    )
    assert [row.server_authorization for row in found] == ["a", "b"]


def test_servers_of_other_pods_do_not_count():
    other = named("Server", "http", {"podSelector": {"matchLabels": {"app": "db"}}})
    external = named("Server", "http", {"externalWorkloadSelector": {}})
    assert rows(servers=[other, external], policies=[policy("p", "Server", "http")]) == []


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "db"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector, expected):
    assert selects(selector, {"app": "web"}) is expected
