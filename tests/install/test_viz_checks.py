"""The checks of viz judge facts; here they are given, and no cluster is asked."""

import datetime
import re
from pathlib import Path

import pytest

from tulle import names
from tulle.install.checks.facts import Facts, Unknown
from tulle.install.checks.model import HINTS, Failed, Skipped
from tulle.install.checks.viz import VIZ, VIZ_DATA_PLANE
from tulle.install.objects import decoded, encoded
from tulle.install.plan import Given
from tulle.install.viz import render, values_from
from tulle.k8s.client import Forbidden, NotFound
from tulle.serve.self_signed import LIFETIME, make_self_signed

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "checks.md"
NOW = datetime.datetime.now(datetime.UTC)
ABSENT = NotFound(404, "NotFound", "not found", "/x")


def pod(name, *, namespace="tulle-viz", version=names.VERSION, policy="all-unauthenticated"):
    proxy = {
        "name": names.PROXY_CONTAINER,
        "image": f"docker.io/tulle/proxy:{version}",
        "env": [{"name": "LINKERD2_PROXY_INBOUND_DEFAULT_POLICY", "value": policy}],
    }
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "app"}], "initContainers": [proxy]},
        "status": {
            "phase": "Running",
            "initContainerStatuses": [{"name": names.PROXY_CONTAINER, "ready": True}],
        },
    }


def control_pod(version=names.VERSION):
    image = f"docker.io/tulle/controller:{version}"
    labels = {names.COMPONENT_LABEL: "identity"}
    spec = {"containers": [{"name": "identity", "image": image}]}
    return {"metadata": {"name": "identity-1", "labels": labels}, "spec": spec}


@pytest.fixture
def answers():
    """What a cluster answers in which viz is well."""
    objects = render(values_from(Given(), {}))

    def of(kind):
        return [item for item in objects if item["kind"] == kind]

    def one(kind, name):
        return next(item for item in of(kind) if item["metadata"]["name"] == name)

    deployments = [{**item, "status": {"readyReplicas": 1}} for item in of("Deployment")]
    return {
        "namespace": of("Namespace")[0],
        "cluster roles": of("ClusterRole"),
        "cluster role bindings": of("ClusterRoleBinding"),
        "deployments": deployments,
        "viz pods": [pod("web-1"), pod("tap-1")],
        "control pods": [control_pod()],
        "tap tls": one("Secret", names.TAP_TLS_SECRET),
        "tap-injector tls": one("Secret", names.TAP_INJECTOR_TLS_SECRET),
        "tap webhook": of("MutatingWebhookConfiguration")[0],
        "tap api": of("APIService")[0],
        "self check": {"results": [{"status": "OK", "message": ""}]},
        "scrapes": {"meshed_pods": 2, "scraped_proxies": 2, "unreached": []},
        "namespaces": [{"metadata": {"name": "shop"}}],
        "pods": [pod("cart-1", namespace="shop")],
        "authorization policies": [],
    }


def findings(answers, now=NOW, data_namespace=None):
    """Anchor: error, of every check that is not well, to the end."""
    facts = Facts("tulle-viz", now, answers, data_namespace)
    found = {}
    for category in (VIZ, VIZ_DATA_PLANE):
        for check in category.checks:
            try:
                check.judge(facts)
            except Skipped:
                continue
            except (Failed, Unknown) as error:
                found[check.anchor] = str(error)
    return found


def test_a_well_viz_has_no_finding(answers):
    assert findings(answers) == {}


SOON = NOW + LIFETIME - datetime.timedelta(days=20)


@pytest.mark.parametrize(
    ("fact", "answer", "anchor", "said"),
    [
        ("namespace", ABSENT, "l5d-viz-ns-exists", "tulle viz install"),
        ("self check", {"error": "no pod"}, "l5d-viz-existence-client", "no pod"),
        ("cluster roles", [], "l5d-viz-cr-exists", "render them anew"),
        ("cluster roles", Forbidden(403, "", "you may not", ""), "l5d-viz-cr-exists", "may not"),
        ("cluster role bindings", [], "l5d-viz-crb-exists", "render them anew"),
        ("tap tls", ABSENT, "l5d-tap-cert-valid", "tap has no certificate"),
        ("tap api", ABSENT, "l5d-tap-cert-valid", "trust no tap"),
        ("tap api", ABSENT, "l5d-tap-api", "does not exist"),
        ("tap-injector tls", ABSENT, "l5d-tap-injector-webhook-cert-valid", "no certificate"),
        ("tap webhook", ABSENT, "l5d-tap-injector-webhook-cert-valid", "trust no tap-injector"),
        ("viz pods", [pod("web-1", version="0.0.9")], "l5d-viz-proxy-cli-version", "web-1"),
        ("control pods", [control_pod("0.0.9")], "l5d-viz-proxy-cp-version", "not 0.0.9"),
        ("control pods", [], "l5d-viz-proxy-cp-version", "tulle check"),
        (
            "self check",
            {"results": [{"status": "ERROR", "message": "Prometheus is gone"}]},
            "l5d-viz-metrics-api",
            "Prometheus is gone",
        ),
        (
            "scrapes",
            {"meshed_pods": 3, "scraped_proxies": 2, "unreached": ["shop/cart-1"]},
            "l5d-data-plane-prom",
            "1 of 3 proxies: shop/cart-1",
        ),
        (
            "pods",
            [pod("safe-1", namespace="bank", policy="deny")],
            "l5d-viz-data-plane-prom-authz",
            "tulle viz allow-scrapes -n bank",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_well_is_said(answers, fact, answer, anchor, said):
    answers[fact] = answer
    assert said in findings(answers)[anchor]


def test_certificates_of_others_and_of_long_ago(answers):
    other = make_self_signed("tap.tulle-viz.svc", NOW).certificate
    good = decoded(answers["tap tls"]["data"]["tls.crt"])
    assert good != other
    answers["tap api"]["spec"]["caBundle"] = encoded(other)
    assert "not signed by its caBundle" in findings(answers)["l5d-tap-cert-valid"]
    found = findings(answers, SOON)
    for name in ("tap", "tap-injector-webhook"):
        assert "days; replace it before" in found[f"l5d-{name}-cert-not-expiring-soon"]
    expired = findings(answers, NOW + 2 * LIFETIME)
    assert "expired on" in expired["l5d-tap-injector-webhook-cert-valid"]


def test_a_policy_for_prometheus_opens_a_namespace(answers):
    answers["pods"] = [pod("safe-1", namespace="bank", policy="deny")]
    policy = {"metadata": {"namespace": "bank", "name": "prometheus-scrape"}}
    answers["authorization policies"] = [policy]
    assert findings(answers) == {}


def test_one_namespace_is_looked_at_alone(answers):
    answers["pods"] = [pod("safe-1", namespace="bank", policy="deny")]
    assert findings(answers, data_namespace="shop") == {}
    assert (
        "nowhere does not exist"
        in findings(answers, data_namespace="nowhere")["l5d-data-plane-exists"]
    )


def test_every_hint_leads_to_its_section():
    sections = set(re.findall(r"^### (\S+)$", DOCS.read_text(), re.M))
    for category in (VIZ, VIZ_DATA_PLANE):
        for check in category.checks:
            assert check.hint.removeprefix(HINTS) in sections, check.hint
