"""Who gets a proxy, and what those are told who do not."""

import pytest

from tulle.injector import decision
from tulle.injector.decision import decide

INJECT = "linkerd.io/inject"


def at(value: str | None) -> dict[str, str]:
    return {} if value is None else {INJECT: value}


@pytest.mark.parametrize(
    ("namespace", "pod", "reason", "where"),
    [
        ("enabled", None, None, "namespace"),
        ("enabled", "enabled", None, "namespace"),
        ("enabled", "disabled", decision.ANNOTATION_DISABLED, "workload"),
        ("enabled", "ingress", None, "namespace"),
        ("ingress", None, None, "namespace"),
        ("disabled", None, decision.ANNOTATION_ABSENT, ""),
        ("disabled", "enabled", None, "workload"),
        ("disabled", "disabled", decision.ANNOTATION_DISABLED, "workload"),
        (None, None, decision.ANNOTATION_ABSENT, ""),
        (None, "enabled", None, "workload"),
        (None, "ingress", None, "workload"),
        (None, "disabled", decision.ANNOTATION_DISABLED, "workload"),
        ("enabled", "true", decision.INVALID_AT_WORKLOAD, ""),
        ("true", "enabled", decision.INVALID_AT_NAMESPACE, ""),
    ],
)
def test_the_inject_annotation(namespace, pod, reason, where) -> None:
    found = decide({}, at(pod), "shop", at(namespace), {})
    assert (found.skip.reasons if found.skip else None) == ((reason,) if reason else None)
    assert found.annotation_at == where


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"hostNetwork": True}, decision.HOST_NETWORK, "hostNetwork is enabled"),
        (
            {"containers": [{"name": "tulle-proxy"}]},
            decision.SIDECAR_EXISTS,
            "has a proxy already: container tulle-proxy",
        ),
        ({"initContainers": [{"name": "tulle-proxy"}]}, decision.SIDECAR_EXISTS, "already"),
        ({"containers": [{"name": "linkerd-proxy"}]}, decision.SIDECAR_EXISTS, "linkerd-proxy"),
        ({"containers": [{"name": "istio-proxy"}]}, decision.SIDECAR_EXISTS, "istio-proxy"),
    ],
)
@pytest.mark.parametrize("unless_disabled", [False, True])
def test_pods_that_can_have_none(spec, reason, words, unless_disabled) -> None:
    found = decide(spec, at("enabled"), "shop", {}, {}, unless_disabled=unless_disabled)
    assert found.skip is not None
    assert found.skip.reasons == (reason,)
    assert words in found.skip.sentence


def test_every_reason_is_named() -> None:
    found = decide({"hostNetwork": True}, {}, "shop", {}, {})
    assert found.skip is not None
    assert found.skip.reasons == (decision.HOST_NETWORK, decision.ANNOTATION_ABSENT)
    assert "neither the pod nor the namespace shop" in found.skip.sentence


def test_who_asks_in_person_needs_no_annotation() -> None:
    assert decide({}, {}, "shop", {}, {}, unless_disabled=True).skip is None
    refused = decide({}, at("disabled"), "shop", {}, {}, unless_disabled=True).skip
    assert refused is not None


def test_a_namespace_without_webhooks() -> None:
    labels = {"config.linkerd.io/admission-webhooks": "disabled"}
    found = decide({}, at("enabled"), "shop", {}, labels)
    assert found.skip is not None
    assert "has the label config.linkerd.io/admission-webhooks: disabled" in found.skip.sentence
