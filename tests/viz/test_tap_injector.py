"""What tap-injector adds to a pod, and what its answer to the API server is."""

import base64
import json

import pytest

from tulle.k8s.client import Unreachable
from tulle.viz.tap_injector import TapWebhook, with_tap

CLIENT = "tap.tulle-viz.serviceaccount.identity.tulle.cluster.local"
DISABLED = {"viz.linkerd.io/disable-tap": "true"}


def pod(form="containers", annotations=None):
    proxy = {"name": "tulle-proxy", "env": [{"name": "A", "value": "1"}]}
    spec = {"containers": [{"name": "app"}], "initContainers": []}
    spec[form].append(proxy)
    return {"metadata": {"name": "web", "annotations": annotations or {}}, "spec": spec}


@pytest.mark.parametrize("form", ["containers", "initContainers"])
def test_the_proxy_learns_who_may_tap_it_wherever_it_stands(form):
    given = pod(form)
    found = with_tap(given, CLIENT)
    proxy = found["spec"][form][-1]
    assert proxy["env"][-1] == {"name": "LINKERD2_PROXY_TAP_SVC_NAME", "value": CLIENT}
    assert found["metadata"]["annotations"] == {"viz.linkerd.io/tap-enabled": "true"}
    assert given == pod(form), "the pod that was given stays as it is"


def test_once_more_changes_nothing():
    found = with_tap(pod(), CLIENT)
    assert with_tap(found, CLIENT) == found


def test_a_pod_without_a_proxy_or_without_the_wish_is_left_alone():
    bare = {"metadata": {}, "spec": {"containers": [{"name": "app"}]}}
    assert with_tap(bare, CLIENT) is bare
    shy = pod(annotations=DISABLED)
    assert with_tap(shy, CLIENT) is shy


class Api:
    def __init__(self, annotations=None):
        self.annotations = annotations or {}

    async def get(self, path, **_):
        if self.annotations is Unreachable:
            raise Unreachable("cannot reach the Kubernetes API")
        assert path == "/api/v1/namespaces/shop"
        return {"metadata": {"annotations": self.annotations}}


async def answer(api, content, kind="Pod"):
    body = content
    if not isinstance(content, bytes):
        request = {"uid": "u-1", "kind": {"kind": kind}, "namespace": "shop", "object": content}
        body = json.dumps({"request": request}).encode()
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await TapWebhook(api, CLIENT)({"type": "http", "method": "POST", "path": "/"}, receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_the_answer_is_a_patch():
    status, body = await answer(Api(), pod())
    response = json.loads(body)["response"]
    assert (status, response["uid"], response["allowed"]) == (200, "u-1", True)
    text = base64.b64decode(response["patch"]).decode()
    assert CLIENT in text
    assert "tap-enabled" in text


@pytest.mark.parametrize(
    ("annotations", "content", "kind"),
    [(DISABLED, pod(), "Pod"), ({}, pod(annotations=DISABLED), "Pod"), ({}, pod(), "Service")],
)
async def test_what_needs_no_change_is_let_in_as_it_is(annotations, content, kind):
    status, body = await answer(Api(annotations), content, kind)
    assert status == 200
    assert json.loads(body)["response"] == {"uid": "u-1", "allowed": True}


async def test_what_it_cannot_answer_is_an_error():
    assert (await answer(Api(), b"no json"))[0] == 400
    assert (await answer(Api(), b"{}"))[0] == 400
    assert (await answer(Api(Unreachable), pod()))[0] == 500
