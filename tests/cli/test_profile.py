"""`tulle profile` without a cluster."""

import json


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
