"""ServiceProfiles made from descriptions of routes."""

import re

import pytest

from tulle.install.profile import (
    BadDescription,
    open_api_routes,
    path_regex,
    protobuf_routes,
    service_profile,
)

PROTO = """
syntax = "proto3";
package shop.v1; // a comment with service Fake { rpc No(A) returns (B); }
/* rpc Neither (A) returns (B); */
option go_package = "a//b";
message Item { string rpc = 1; }
service Cart {
  rpc Get (A) returns (B) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Put (A) returns (stream B);
  rpc Drop (A) returns (B) { option (x.y) = { a: "}" }; option idempotency_level = IDEMPOTENT; }
}
service Other { rpc Ping (A) returns (B) {} }
"""


def test_protobuf():
    routes = protobuf_routes(PROTO)
    assert [route["name"] for route in routes] == ["Get", "Put", "Drop", "Ping"]
    assert routes[0]["condition"] == {"method": "POST", "pathRegex": r"/shop\.v1\.Cart/Get"}
    assert [route.get("isRetryable", False) for route in routes] == [True, False, True, False]
    assert re.fullmatch(routes[3]["condition"]["pathRegex"], "/shop.v1.Other/Ping")


def test_protobuf_without_services():
    with pytest.raises(BadDescription, match="no service with an rpc"):
        protobuf_routes("message A {}")


def test_open_api():
    document = {
        "basePath": "/api",
        "paths": {
            "/books/{id}": {
                "put": {"responses": {"500": {}, "200": {}}, "x-linkerd-timeout": "1s"},
                "get": {"x-linkerd-retryable": True, "responses": {"default": {}}},
            },
            "/a": {"get": {}, "parameters": []},
        },
    }
    routes = open_api_routes(document)
    assert [route["name"] for route in routes] == [
        "GET /api/a",
        "GET /api/books/{id}",
        "PUT /api/books/{id}",
    ]
    assert routes[1]["isRetryable"] is True
    assert "responseClasses" not in routes[1]
    assert routes[2]["timeout"] == "1s"
    assert routes[2]["responseClasses"] == [
        {"condition": {"status": {"min": 200, "max": 200}}},
        {"condition": {"status": {"min": 500, "max": 500}}, "isFailure": True},
    ]


@pytest.mark.parametrize(
    ("server", "base"),
    [
        ("https://shop.example/api/v1/", "/api/v1"),
        ("/api/{version}", "/api/{version}"),
        ("https://shop.example", ""),
        ("", ""),
    ],
)
def test_open_api_3(server, base):
    document = {
        "openapi": "3.1.0",
        "servers": [{"url": server}, {"url": "https://other.example/x"}],
        "paths": {
            "/books/{id}": {"$ref": "#/components/pathItems/book~1one"},
            "/gone": {"$ref": "elsewhere.yaml"},
        },
        "components": {
            "pathItems": {
                "book/one": {
                    "parameters": [],
                    "get": {"responses": {"2XX": {}, "5xx": {}, "404": {}, "default": {}}},
                }
            }
        },
    }
    (route,) = open_api_routes(document)
    assert route["name"] == f"GET {base}/books/{{id}}"
    assert [
        (found["condition"]["status"]["min"], found["condition"]["status"]["max"])
        for found in route["responseClasses"]
    ] == [(200, 299), (404, 404), (500, 599)]
    assert route["responseClasses"][-1]["isFailure"] is True


def test_what_is_no_open_api():
    for document in (None, [], {"openapi": "3.0.0"}):
        with pytest.raises(BadDescription, match="not OpenAPI"):
            open_api_routes(document)


def test_paths():
    pattern = path_regex("/a.b/{x}/c-d/{y}")
    assert re.fullmatch(pattern, "/a.b/1/c-d/2")
    assert not re.fullmatch(pattern, "/aXb/1/c-d/2")
    assert not re.fullmatch(pattern, "/a.b/1/2/c-d/3")


@pytest.mark.parametrize(("service", "namespace"), [("Web", "a"), ("1web", "a"), ("web", "a.b")])
def test_names_are_judged(service, namespace):
    with pytest.raises(BadDescription, match="is not the name of"):
        service_profile(service, namespace, "cluster.local", [])
