"""Manifests become meshed, and are as before when the proxy is taken out."""

import copy

import pytest

from tulle import names
from tulle.injector.settings import Settings
from tulle.install.meshing import Action, BadManifest, Wish, meshed
from tulle.install.podtemplate import TEMPLATES, pod_template
from tulle.install.unmeshing import unmeshed


def pod(**spec):
    containers = [{"name": "app", "image": "app:1", "ports": [{"containerPort": 80}]}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers, **spec}}


def workload(kind="Deployment", template=None, **metadata):
    template = template or pod()
    item = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", **metadata}}
    if kind == "Pod":
        item["metadata"].update(template["metadata"])
        return {**item, "spec": template["spec"]}
    place = item
    for step in TEMPLATES[kind][:-1]:
        place = place.setdefault(step, {})
    place["template"] = template
    return item


@pytest.fixture
def wish():
    return Wish(Settings(trust_anchors_pem="anchors"))


@pytest.fixture
def manual():
    return Wish(Settings(trust_anchors_pem="anchors"), manual=True)


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_every_kind_with_pods_is_annotated(wish, kind):
    result, outcome = meshed(workload(kind), wish)
    annotations = pod_template(result)["metadata"]["annotations"]
    assert annotations == {names.INJECT_ANNOTATION: "enabled"}
    assert outcome.action is Action.INJECTED


@pytest.mark.parametrize("kind", sorted(TEMPLATES))
def test_uninject_gives_back_what_manual_injection_got(manual, kind):
    original = workload(kind)
    result, _ = meshed(original, manual)
    spec = pod_template(result)["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["tulle-init", "tulle-proxy"]
    again, is_changed = unmeshed(result)
    assert is_changed
    assert again == original


def test_the_given_object_is_not_touched(manual):
    original = workload()
    before = copy.deepcopy(original)
    meshed(original, manual)
    assert original == before


def test_injecting_twice_is_injecting_once(manual):
    once, _ = meshed(workload(), manual)
    twice, outcome = meshed(once, manual)
    assert twice == once
    assert outcome.action is Action.INJECTED


def test_overrides_become_annotations(wish):
    key = "config.linkerd.io/proxy-cpu-request"
    asked = Wish(wish.settings, overrides={key: "20m"})
    result, _ = meshed(workload(), asked)
    assert pod_template(result)["metadata"]["annotations"][key] == "20m"


def test_ingress_stays_ingress(wish):
    template = pod()
    template["metadata"]["annotations"] = {names.INJECT_ANNOTATION: "ingress"}
    result, _ = meshed(workload(template=template), wish)
    annotations = pod_template(result)["metadata"]["annotations"]
    assert annotations[names.INJECT_ANNOTATION] == "ingress"


def test_a_namespace_is_annotated(wish):
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    result, outcome = meshed(item, wish)
    assert result["metadata"]["annotations"] == {names.INJECT_ANNOTATION: "enabled"}
    assert outcome.action is Action.ANNOTATED


def test_a_service_is_annotated_for_opaque_ports_only(wish):
    item = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}, "spec": {}}
    result, outcome = meshed(item, wish)
    assert result == item
    assert outcome.action is Action.SKIPPED
    key = names.OPAQUE_PORTS_ANNOTATION
    result, outcome = meshed(item, Wish(wish.settings, overrides={key: "3306"}))
    assert result["metadata"]["annotations"] == {key: "3306"}
    assert outcome.action is Action.ANNOTATED


def test_other_objects_pass_unchanged(wish):
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}}
    result, outcome = meshed(item, wish)
    assert result == item
    assert not outcome.is_error


def test_host_network_is_an_error(wish):
    _, outcome = meshed(workload(template=pod(hostNetwork=True)), wish)
    assert outcome.is_error
    assert "hostNetwork" in outcome.sentences[0]


def test_a_foreign_proxy_is_an_error(wish):
    template = pod()
    template["spec"]["containers"].append({"name": "istio-proxy", "image": "istio:1"})
    _, outcome = meshed(workload(template=template), wish)
    assert outcome.is_error


def test_disabled_is_no_error_even_with_host_network(wish):
    template = pod(hostNetwork=True)
    template["metadata"]["annotations"] = {names.INJECT_ANNOTATION: "disabled"}
    original = workload(template=template)
    result, outcome = meshed(original, wish)
    assert result == original
    assert outcome.action is Action.SKIPPED
    assert not outcome.is_error


def test_the_control_plane_wants_manual(wish, manual):
    template = pod()
    template["metadata"]["labels"][names.COMPONENT_LABEL] = "identity"
    with pytest.raises(BadManifest, match="deployment/web is a component of a control plane"):
        meshed(workload(template=template), wish)
    _, outcome = meshed(workload(template=template), manual)
    assert outcome.action is Action.INJECTED


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("config.linkerd.io/proxy-cpu-request", "lots", "cannot be 'lots'"),
        ("config.linkerd.io/skip-inbound-port", "1", "did you mean"),
        ("config.linkerd.io/admin-port", "70000", "cannot be '70000'"),
        ("linkerd.io/inject", "on", "must be one of enabled, disabled, ingress"),
        ("linkerd.io/inject", True, "put it in quotes"),
    ],
)
def test_mistaken_annotations_are_told(wish, key, value, said):
    template = pod()
    template["metadata"]["annotations"] = {key: value}
    with pytest.raises(BadManifest) as caught:
        meshed(workload(template=template), wish)
    assert said in str(caught.value)
    assert "deployment/web" in str(caught.value)


def test_udp_is_warned_of(wish):
    template = pod()
    template["spec"]["containers"][0]["ports"][0]["protocol"] = "UDP"
    _, outcome = meshed(workload(template=template), wish)
    assert outcome.warnings == ("udp",)
    assert outcome.action is Action.INJECTED


def test_uninject_takes_linkerds_proxy_out_too():
    template = pod()
    template["metadata"]["annotations"] = {
        "linkerd.io/inject": "enabled",
        "config.linkerd.io/proxy-log-level": "debug",
    }
    template["spec"]["containers"].append({"name": "linkerd-proxy", "image": "l5d:1"})
    template["spec"]["initContainers"] = [{"name": "linkerd-init", "image": "l5d:1"}]
    template["spec"]["volumes"] = [{"name": "linkerd-identity-end-entity", "emptyDir": {}}]
    result, _ = unmeshed(workload(template=template))
    kept = pod()
    kept["metadata"]["annotations"] = {"config.linkerd.io/proxy-log-level": "debug"}
    assert pod_template(result) == kept


def test_uninject_keeps_the_wish_to_stay_without():
    template = pod()
    template["metadata"]["annotations"] = {names.INJECT_ANNOTATION: "disabled"}
    original = workload(template=template)
    assert unmeshed(original) == (original, False)
