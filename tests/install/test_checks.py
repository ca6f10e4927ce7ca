"""Each check judges facts; here the facts are given, and no cluster is asked."""

import datetime
import re
from pathlib import Path

import pytest
import yaml

from tulle import names
from tulle.install import charts
from tulle.install.checks.facts import Facts, Unknown
from tulle.install.checks.model import Category, Check, Failed, Level, Result, Skipped
from tulle.install.checks.registry import CATEGORIES, Scope
from tulle.install.checks.runner import judged
from tulle.install.checks.viz import VIZ, VIZ_DATA_PLANE
from tulle.install.manifests import render
from tulle.install.plan import certificates
from tulle.k8s.client import Forbidden, NotFound

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference" / "checks.md"


def ready_pod(name, component=None, **labels):
    marks = {names.CONTROL_NAMESPACE_LABEL: "tulle", **labels}
    if component:
        marks[names.COMPONENT_LABEL] = component
    container = {"name": component or "app", "image": f"x:{names.VERSION}"}
    proxy = {"name": names.PROXY_CONTAINER, "image": f"docker.io/tulle/proxy:{names.VERSION}"}
    return {
        "metadata": {
            "name": name,
            "namespace": "tulle" if component else "shop",
            "labels": marks,
        },
        "spec": {"containers": [container], "initContainers": [proxy]},
        "status": {
            "phase": "Running",
            "podIP": "10.1.0.9",
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [{"name": names.PROXY_CONTAINER, "ready": True}],
        },
    }


@pytest.fixture
def answers(values, now):
    """What a cluster answers in which an install is well."""
    objects = render(values, certificates(values, "tulle", now), "tulle")

    def of(kind):
        return [item for item in objects if item["kind"] == kind]

    def one(kind, name):
        return next(item for item in of(kind) if item["metadata"]["name"] == name)

    control = [ready_pod(f"{c}-1", c) for c in ("identity", "destination", "proxy-injector")]
    gateway = {"name": "gateway.networking.k8s.io", "versions": [{"version": "v1"}]}
    return {
        "version": {"major": "1", "minor": "34", "gitVersion": "v1.34.4"},
        "groups": {"groups": [gateway]},
        "definitions": charts.resource_definitions(),
        "namespace": of("Namespace")[0],
        "namespaces": [*of("Namespace"), {"metadata": {"name": "shop"}}],
        "config": one("ConfigMap", names.CONFIG_CONFIGMAP),
        "roots": one("ConfigMap", names.TRUST_ROOTS_CONFIGMAP),
        "issuer": one("Secret", names.ISSUER_SECRET),
        "validator tls": one("Secret", names.POLICY_VALIDATOR_TLS_SECRET),
        "validator webhook": of("ValidatingWebhookConfiguration")[0],
        "injector tls": one("Secret", names.INJECTOR_TLS_SECRET),
        "accounts": of("ServiceAccount"),
        "deployments": of("Deployment"),
        "replicasets": [
            {"metadata": {"name": "r"}, "spec": {"replicas": 1}, "status": {"readyReplicas": 1}}
        ],
        "control pods": control,
        "cluster roles": of("ClusterRole"),
        "cluster role bindings": of("ClusterRoleBinding"),
        "webhook": of("MutatingWebhookConfiguration")[0],
        "nodes": [{"metadata": {"name": "n"}, "spec": {"podCIDR": "10.244.0.0/24"}}],
        "pods": [*control, ready_pod("web-1")],
        "cni": [],
        "services": [
            {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.7"}}
        ],
    }


def findings(scope, answers, now, data_namespace=None):
    """Anchor: error, of every check of a scope that is not well."""
    facts = Facts("tulle", now, answers, data_namespace)
    found = {}
    for category in CATEGORIES[scope]:
        for check in category.checks:
            try:
                check.judge(facts)
            except Skipped:
                continue
            except (Failed, Unknown) as error:
                found[check.anchor] = str(error)
    return found


@pytest.mark.parametrize("scope", [Scope.INSTALL, Scope.PROXY, Scope.DEFINITIONS])
def test_a_well_install_has_no_finding(answers, now, scope):
    assert findings(scope, answers, now) == {}


def absent(path="/x"):
    return NotFound(404, "NotFound", "not found", path)


@pytest.mark.parametrize(
    ("fact", "answer", "anchor", "said"),
    [
        ("config", absent(), "l5d-existence-linkerd-config", "tulle install"),
        ("namespace", absent(), "l5d-existence-ns", "does not exist"),
        ("replicasets", [], "l5d-existence-replicasets", "no ReplicaSet yet"),
        ("control pods", [], "l5d-api-control-ready", "no pod exists"),
        ("cluster roles", [], "l5d-existence-cr", "tulle-tulle-destination"),
        ("cluster role bindings", [], "l5d-existence-crb", "tulle-tulle-identity"),
        ("accounts", [], "l5d-existence-sa", "tulle-proxy-injector"),
        ("definitions", [], "l5d-existence-crd", "servers.policy.linkerd.io"),
        ("webhook", absent(), "l5d-existence-mwc", "no pod gets a proxy"),
        ("issuer", absent(), "l5d-identity-cert-config-valid", "tulle-identity-issuer"),
        ("validator webhook", absent(), "l5d-existence-vwc", "tulle upgrade"),
        ("validator webhook", absent(), "l5d-policy-validator-webhook-cert-valid", "no caBundle"),
        ("validator tls", absent(), "l5d-policy-validator-webhook-cert-valid", "tls.crt"),
        ("expected version", {"version": "9.9.9"}, "l5d-version-cli", "9.9.9 was expected"),
        ("injector tls", absent(), "l5d-proxy-injector-webhook-cert-valid", "tls.crt"),
        ("groups", {"groups": []}, "gateway-api-crd", "not installed"),
        (
            "version",
            {"major": "1", "minor": "20", "gitVersion": "v1.20.1"},
            "k8s-version",
            "v1.20.1",
        ),
    ],
)
def test_what_is_missing_is_named(answers, now, fact, answer, anchor, said):
    found = findings(Scope.INSTALL, {**answers, fact: answer}, now)
    assert said in found[anchor]


def test_a_refused_question_says_so(answers, now):
    refused = Forbidden(403, "Forbidden", "you may not list nodes", "/api/v1/nodes")
    found = findings(Scope.INSTALL, {**answers, "nodes": refused}, now)
    assert found == {"l5d-cluster-networks-cidr": "you may not list nodes"}


def test_networks_that_do_not_hold_the_pods(answers, now):
    node = {"metadata": {"name": "n"}, "spec": {"podCIDR": "11.0.0.0/24"}}
    service = {"metadata": {"name": "s", "namespace": "d"}, "spec": {"clusterIP": "11.1.1.1"}}
    changed = {**answers, "nodes": [node], "services": [service]}
    found = findings(Scope.INSTALL, changed, now)
    assert "11.0.0.0/24 of node n" in found["l5d-cluster-networks-cidr"]
    assert "d/s (11.1.1.1)" in found["l5d-cluster-networks-pods"]


def test_a_pod_that_waits_says_what_for(answers, now):
    waiting = ready_pod("identity-1", "identity")
    waiting["status"] = {
        "phase": "Pending",
        "initContainerStatuses": [
            {
                "name": "tulle-init",
                "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}},
            }
        ],
    }
    found = findings(Scope.INSTALL, {**answers, "control pods": [waiting]}, now)
    assert "container tulle-init is ErrImagePull: no" in found["l5d-api-control-ready"]


def test_certificates_that_end_soon_are_a_warning(answers, now):
    later = now + datetime.timedelta(days=330)
    found = findings(Scope.INSTALL, answers, later)
    assert set(found) == {
        "l5d-identity-issuer-cert-not-expiring-soon",
        "l5d-proxy-injector-webhook-cert-not-expiring-soon",
        "l5d-policy-validator-webhook-cert-not-expiring-soon",
    }
    assert "in 35 days" in found["l5d-identity-issuer-cert-not-expiring-soon"]


def test_an_expired_issuer(answers, now):
    found = findings(Scope.INSTALL, answers, now + datetime.timedelta(days=366))
    assert "expired on 2027-06-01" in found["l5d-identity-issuer-cert-is-time-valid"]


def test_an_issuer_of_another_anchor(answers, values, now):
    other = certificates(values, "tulle", now)
    roots = {**answers["roots"], "data": {"ca-bundle.crt": other.trust_anchors}}
    found = findings(Scope.INSTALL, {**answers, "roots": roots}, now)
    assert "not signed by any" in found["l5d-identity-issuer-cert-issued-by-trust-anchor"]


def test_a_proxy_with_old_anchors(answers, now):
    stale = ready_pod("web-2")
    stale["spec"]["initContainers"][0]["env"] = [
        {"name": "LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS", "value": "old"}
    ]
    found = findings(Scope.PROXY, {**answers, "pods": [*answers["pods"], stale]}, now)
    assert "shop/web-2" in found["l5d-identity-data-plane-proxies-certs-match-ca"]


def test_proxies_that_are_not_ready_or_old(answers, now):
    sick = ready_pod("web-2")
    sick["status"]["initContainerStatuses"][0]["ready"] = False
    sick["spec"]["initContainers"][0]["image"] = "docker.io/tulle/proxy:0.0.9"
    found = findings(Scope.PROXY, {**answers, "pods": [sick]}, now)
    assert found["l5d-data-plane-ready"] == "proxies are not ready in shop/web-2"
    assert "shop/web-2 (0.0.9)" in found["l5d-data-plane-version"]


def test_finished_pods_do_not_count(answers, now):
    done = ready_pod("job-1")
    done["status"] = {"phase": "Succeeded"}
    changed = {**answers, "pods": [*answers["pods"], done]}
    assert findings(Scope.PROXY, changed, now) == {}


def test_the_namespace_of_the_data_plane(answers, now):
    assert "missing" in findings(Scope.PROXY, answers, now, "missing")["l5d-data-plane-exists"]
    assert findings(Scope.PROXY, answers, now, "shop") == {}


def test_settings_in_the_wrong_place(answers, now):
    pod = ready_pod("web-2", **{names.INJECT_ANNOTATION: "enabled"})
    service = {
        "metadata": {
            "name": "s",
            "namespace": "shop",
            "annotations": {"config.linkerd.io/skip-inbound-ports": "1"},
        },
        "spec": {"clusterIP": "None"},
    }
    found = findings(Scope.PROXY, {**answers, "pods": [pod], "services": [service]}, now)
    assert "shop/web-2 (linkerd.io/inject)" in found["l5d-data-plane-pod-labels"]
    assert "shop/s" in found["l5d-data-plane-services-annotations"]


def test_opaque_ports_that_disagree(answers, now):
    key = names.OPAQUE_PORTS_ANNOTATION
    pod = ready_pod("db-1", app="db")
    pod["metadata"]["annotations"] = {key: ""}
    service = {
        "metadata": {"name": "db", "namespace": "shop", "annotations": {key: "3306"}},
        "spec": {"selector": {"app": "db"}, "ports": [{"port": 3306}]},
    }
    found = findings(Scope.PROXY, {**answers, "pods": [pod], "services": [service]}, now)
    assert "shop/db and shop/db-1 (3306)" in found["linkerd-opaque-ports-definition"]


def test_replicas_only_matter_with_high_availability(answers, now):
    config = answers["config"]
    stored = yaml.safe_load(config["data"]["values"])
    stored["highAvailability"] = True
    changed = {**answers, "config": {**config, "data": {"values": yaml.safe_dump(stored)}}}
    found = findings(Scope.INSTALL, changed, now)
    assert "tulle-identity (0)" in found["l5d-control-plane-replicas"]


def pre_answers(now, *, allowed=True):
    beat = now.isoformat()
    node = {
        "metadata": {"name": "n"},
        "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": beat}]},
    }

    class Allowed(dict):
        def __missing__(self, key):
            return {"status": {"allowed": allowed, "reason": "no rights"}}

    return Allowed(
        version={"major": "1", "minor": "34"},
        groups={"groups": []},
        namespace=absent(),
        nodes=[node],
        authentication={},
    )


def test_pre_on_a_fit_cluster(now):
    found = findings(Scope.PRE, pre_answers(now), now)
    assert set(found) == {"gateway-api-crd"}


def test_pre_without_rights(now):
    found = findings(Scope.PRE, pre_answers(now, allowed=False), now)
    assert found["pre-k8s-cluster-k8s"].startswith("not allowed to create namespaces: no rights")
    assert "pre-k8s" in found


def test_pre_where_the_namespace_exists(now):
    found = findings(
        Scope.PRE,
        {
            **pre_answers(now),
            **{
                f"{verb} {kind}": {"status": {"allowed": True}}
                for verb in ("create", "get")
                for kind in (
                    "namespaces",
                    "clusterroles",
                    "clusterrolebindings",
                    "customresourcedefinitions",
                    "mutatingwebhookconfigurations",
                    "validatingwebhookconfigurations",
                    "serviceaccounts",
                    "services",
                    "deployments",
                    "cronjobs",
                    "configmaps",
                    "secrets",
                )
            },
            "namespace": {},
        },
        now,
    )
    assert "tulle upgrade" in found["pre-ns"]


def test_pre_where_clocks_are_apart(now):
    later = now + datetime.timedelta(hours=1)
    assert "5 minutes apart" in findings(Scope.PRE, pre_answers(now), later)["pre-k8s-clock-skew"]


def test_every_anchor_is_explained():
    explained = set(re.findall(r"^### (\S+)$", DOCS.read_text(), re.M))
    known = {
        check.anchor
        for categories in (*CATEGORIES.values(), (VIZ, VIZ_DATA_PLANE))
        for category in categories
        for check in category.checks
    }
    assert known <= explained
    assert explained - known == {"extensions"}


async def sections(categories, rounds, wait=0.0):
    """Runs checks over facts that change from one round to the next; the last stays."""
    left = list(rounds)

    async def gather():
        return left.pop(0) if len(left) > 1 else left[0]

    run = judged(categories, gather, wait_seconds=wait, retry_seconds=0.001)
    return [section async for section in run]


def facts(now, **answers):
    return Facts("tulle", now, answers)


def wants(name):
    def judge(known):
        if not known.answers.get(name):
            raise Failed(f"{name} is missing")

    return judge


async def test_a_retried_check_waits_for_new_facts(now):
    category = Category("c", (Check("a", "a", wants("x"), is_retried=True),))
    rounds = [facts(now), facts(now), facts(now, x=1)]
    found = await sections((category,), rounds, wait=30)
    assert found[0].lines[0].result is Result.SUCCESS


async def test_without_patience_the_first_answer_counts(now):
    category = Category("c", (Check("a", "a", wants("x"), is_retried=True),))
    found = await sections((category,), [facts(now), facts(now, x=1)])
    assert found[0].lines[0].error == "x is missing"
    assert found[0].lines[0].hint == "https://tulle.dev/checks/#a"


async def test_a_fatal_finding_ends_the_checks(now):
    first = Category("c", (Check("a", "a", wants("x"), Level.FATAL), Check("b", "b", wants("x"))))
    second = Category("d", (Check("e", "e", wants("x")),))
    found = await sections((first, second), [facts(now)])
    assert [(s.name, len(s.lines), s.is_fatal) for s in found] == [("c", 1, True)]


async def test_a_warning_is_no_failure(now):
    category = Category("c", (Check("a", "a", wants("x"), Level.WARNING),))
    found = await sections((category,), [facts(now)])
    assert found[0].is_success
    assert found[0].lines[0].result is Result.WARNING
