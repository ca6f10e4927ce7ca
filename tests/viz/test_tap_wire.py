"""What a tap is called by its URL, how events are cut from a stream, and which pods are meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tulle.k8s.store import Store
from tulle.viz.tap.pods import (
    BadSelector,
    Pods,
    fits,
    prune,
    requirements,
    tappable,
    why_not,
)
from tulle.viz.tap.target import PLURALS, Target, target_of
from tulle.viz.tap.wire import BadFrame, Frames, framed

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


@given(NAMES, st.sampled_from(sorted(set(PLURALS) - {"namespace"})), st.just("") | NAMES)
def test_a_url_means_the_target_that_it_was_made_of(namespace, kind, name):
    target = Target(namespace, kind, name)
    assert target_of(target.path) == target


def test_the_urls_are_those_that_rbac_knows():
    prefix = "/apis/tap.linkerd.io/v1alpha1/watch/namespaces"
    assert Target("shop", "deployment", "web").path == f"{prefix}/shop/deployments/web/tap"
    assert Target("shop", "pod").path == f"{prefix}/shop/pods//tap"
    assert Target("shop", "namespace", "shop").path == f"{prefix}/shop/tap"


@pytest.mark.parametrize(
    "path",
    [
        "/apis/tap.linkerd.io/v1alpha1/watch/namespaces/shop/services/web/tap",
        "/apis/tap.linkerd.io/v1alpha1/watch/namespaces/shop/deployments/web",
        "/apis/tap.linkerd.io/v1alpha1/watch/namespaces//tap",
        "/apis/tap.linkerd.io/v1alpha1/watch/namespaces/shop/deployments/web/tap/more",
        "/api/v1/namespaces/shop/pods",
    ],
)
def test_other_urls_mean_nothing(path):
    assert target_of(path) is None


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(1, 50))
def test_messages_survive_any_cut_of_the_stream(messages, size):
    stream = b"".join(framed(message) for message in messages)
    frames = Frames()
    found = []
    for start in range(0, len(stream), size):
        found += frames.feed(stream[start : start + size])
    assert found == messages


def test_a_page_of_text_is_no_stream_of_messages():
    with pytest.raises(BadFrame):
        list(Frames().feed(b"<html>not a tap stream</html>"))


LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("selector", "holds"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=back", True),
        ("app in (web, api)", True),
        ("app notin (web,api)", False),
        ("tier", True),
        ("!tier", False),
        ("!other,app=web", True),
        ("app=api", False),
        ("other=x", False),
    ],
)
def test_selectors_mean_what_kubectl_means(selector, holds):
    assert all(fits(LABELS, part) for part in requirements(selector)) is holds


@pytest.mark.parametrize("selector", ["app in web", "what is this"])
def test_what_is_no_selector_is_refused(selector):
    with pytest.raises(BadSelector):
        requirements(selector)


def pod(name, *, owner=None, address="10.1.0.1", meshed=True, annotations=None, phase="Running"):
    labels = {"pod-template-hash": "5d4f8"}
    if meshed:
        labels["linkerd.io/control-plane-ns"] = "tulle"
    kind, owner_name = owner or ("ReplicaSet", "web-5d4f8")
    reference = {"kind": kind, "name": owner_name, "controller": True}
    return prune(
        {
            "metadata": {
                "namespace": "shop",
                "name": name,
                "labels": labels,
                "annotations": annotations or {},
                "ownerReferences": [reference],
            },
            "spec": {"serviceAccountName": "web"},
            "status": {"podIP": address, "phase": phase},
        }
    )


ENABLED = {"viz.linkerd.io/tap-enabled": "true"}


def kept(*pods):
    store = Store()
    found = Pods(store)
    for item in pods:
        store.put("pods", item.key, item)
    return store, found


def test_a_target_stands_for_the_pods_of_its_workload():
    one = pod("web-5d4f8-a", annotations=ENABLED)
    other = pod("db-0", owner=("StatefulSet", "db"), address="10.1.0.2", annotations=ENABLED)
    _, pods = kept(one, other)
    assert pods.of(Target("shop", "deployment", "web"), "") == [one]
    assert pods.of(Target("shop", "deployment"), "") == [one]
    assert pods.of(Target("shop", "replicaset", "web-5d4f8"), "") == [one]
    assert pods.of(Target("shop", "statefulset", "db"), "") == [other]
    assert pods.of(Target("shop", "namespace", "shop"), "") == [one, other]
    assert pods.of(Target("shop", "pod", "db-0"), "") == [other]
    assert pods.of(Target("other", "deployment", "web"), "") == []


def test_an_address_belongs_to_the_pod_that_has_it_now():
    first, second = pod("web-5d4f8-a"), pod("web-5d4f8-b")
    store, pods = kept(first)
    assert pods.at("10.1.0.1") == first
    store.put("pods", second.key, second)
    store.put("pods", first.key, None)
    assert pods.at("10.1.0.1") == second
    assert pods.at("10.1.0.1").metric_labels() == {
        "namespace": "shop",
        "pod": "web-5d4f8-b",
        "deployment": "web",
        "serviceaccount": "web",
        "control_plane_ns": "tulle",
        "pod_template_hash": "5d4f8",
    }


def test_an_ended_pod_is_none():
    assert pod("job-1", phase="Succeeded") is None


def test_the_reason_names_each_pod_that_cannot_be_tapped():
    older = pod("old")
    disabled = pod("shy", annotations={**ENABLED, "viz.linkerd.io/disable-tap": "true"})
    stranger = pod("bare", meshed=False)
    found = [older, disabled, stranger]
    assert tappable(found) == []
    text = why_not(found, Target("shop", "deployment", "web"))
    assert "disable-tap on shy" in text
    assert "old started before tap was installed" in text
    assert "kubectl rollout restart -n shop deployment/web" in text
    assert "not meshed: bare" in text
