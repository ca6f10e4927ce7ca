"""`tulle profile` without a cluster, and its profiles before a real API server."""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from tulle.k8s.client import Conflict, NotFound

ROOT = Path(__file__).resolve().parents[2]


def test_from_open_api(tulle):
    document = '{"paths": {"/a": {"get": {"responses": {"200": {}}}}}}'
    words = ("profile", "web", "-n", "shop", "--ignore-cluster", "-o", "json", "--open-api", "-")
    done = tulle(*words, stdin=document)
    found = json.loads(done.stdout)
    assert found["metadata"]["name"] == "web.shop.svc.cluster.local"
    assert found["spec"]["routes"][0]["name"] == "GET /a"


def test_the_template_is_a_profile(tulle, parsed):
    done = tulle("profile", "web", "--template", "--ignore-cluster", "-n", "shop")
    found = parsed(done.stdout)[0]
    assert found["kind"] == "ServiceProfile"
    assert found["spec"]["routes"][0]["condition"]["pathRegex"] == "/authors/[^/]*"


def test_exactly_one_source(tulle):
    done = tulle("profile", "web", "--ignore-cluster")
    assert done.returncode == 1
    assert "give one of --template, --open-api and --proto" in done.stderr


def proto_files():
    sys.path.insert(0, str(ROOT / "tools"))
    from stubs import crate_protos

    return crate_protos()


def test_from_the_proxy_apis_own_protobuf(tulle):
    """A real description: every rpc of it is a route that its own requests match."""
    from tulle.proto import destination_pb2

    path = proto_files() / "destination.proto"
    done = tulle(
        *("profile", "dst", "-n", "tulle", "--ignore-cluster", "-o", "json"),
        *("--proto", str(path)),
    )
    routes = json.loads(done.stdout)["spec"]["routes"]
    known = [
        f"/{service.full_name}/{method.name}"
        for service in destination_pb2.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]
    assert len(routes) == len(known) == 2
    for route, wanted in zip(routes, known, strict=True):
        assert re.fullmatch(route["condition"]["pathRegex"], wanted)
        assert route["condition"]["method"] == "POST"


@pytest.fixture
def takes(tulle, api):
    """Asks the API server, which knows our kinds, whether it would take a profile."""

    async def judge(found):
        definitions = tulle("install", "--crds", "--ignore-cluster").stdout
        for item in yaml.safe_load_all(definitions):
            if item and item["kind"] == "CustomResourceDefinition":
                with contextlib.suppress(Conflict):
                    await api.create(
                        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", item
                    )
        path = "/apis/linkerd.io/v1alpha2/namespaces/default/serviceprofiles"
        async with asyncio.timeout(60):
            while True:
                try:
                    return await api.create(path, found, dryRun="All", fieldValidation="Strict")
                except NotFound:  # the definition is not served yet
                    await asyncio.sleep(0.1)

    return judge


@pytest.mark.apiserver
@pytest.mark.parametrize("path", ["/openapi/v2", "/openapi/v3/apis/apps/v1"])
async def test_from_the_api_servers_own_description(path, tulle, api, takes, tmp_path):
    """Kubernetes describes itself in OpenAPI 2 and 3; a profile of all of it is taken."""
    document = await api.get(path)
    file = tmp_path / "description.json"
    file.write_text(json.dumps(document))
    words = ("profile", "kubernetes", "-n", "default", "--ignore-cluster", "-o", "json")
    done = tulle(*words, "--open-api", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    routes = found["spec"]["routes"]
    wanted = "/apis/apps/v1/namespaces/default/deployments/web"
    matching = [
        route["name"]
        for route in routes
        if route["condition"]["method"] == "GET"
        and re.fullmatch(route["condition"]["pathRegex"], wanted)
    ]
    assert matching == ["GET /apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    methods = {"delete", "get", "head", "options", "patch", "post", "put"}
    operations = sum(len(methods & set(item)) for item in document["paths"].values())
    assert len(routes) == operations
    taken = await takes({**found, "spec": {"routes": routes[:400]}})
    assert taken["spec"]["routes"][0] == routes[0]


@pytest.mark.apiserver
async def test_the_template_is_taken_by_the_api_server(tulle, takes, parsed):
    done = tulle("profile", "web", "--template", "--ignore-cluster", "-n", "default")
    assert (await takes(parsed(done.stdout)[0]))["kind"] == "ServiceProfile"
