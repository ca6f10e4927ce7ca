"""The chart tulle is what `tulle install` prints for the same values, object by object."""

import datetime
from random import Random

import pytest
import yaml

from tests.chart.drawn import another, assert_same, both, merge, tree
from tulle import names
from tulle.install import charts, own_namespace
from tulle.install.anchors import make_issuer, verify_serving
from tulle.install.manifests import render
from tulle.install.objects import decoded
from tulle.install.pem import BadCertificates
from tulle.install.plan import Given, certificates, values_from
from tulle.install.validate import CHOICES, DURATIONS
from tulle.install.values import FREE_MAPS, BadValue

from charting.marks import leaves  # isort: skip

CHART = "tulle"
NOW = datetime.datetime.now(datetime.UTC)
ISSUER = make_issuer(CHART, "cluster.local", NOW)
OTHER = make_issuer(CHART, "cluster.local", NOW)
IDENTITY = {
    "identityTrustAnchorsPEM": ISSUER.trust_anchors,
    "identity": {"issuer": {"tls": {"crtPEM": ISSUER.certificate, "keyPEM": ISSUER.key}}},
}
SOMEBODY_ELSES = {"identity": {"issuer": {"scheme": "kubernetes.io/tls", "tls": {}}}}
TRACING = {
    "enabled": True,
    "collector": {
        "endpoint": "collector.tracing:4317",
        "meshIdentity": {"serviceAccountName": "collector", "namespace": "tracing"},
    },
}
LEGAL = {
    "clusterNetworks": "10.0.0.0/8,fd00::/8",
    "imagePullPolicy": "Always",
    "controllerLogLevel": "trace",
    "controllerLogFormat": "json",
    "clusterDomain": "corp.local",
    "identityTrustAnchorsPEM": ISSUER.trust_anchors + OTHER.trust_anchors,
    "identity.issuer.clockSkewAllowance": "3s",
    "identity.issuer.issuanceLifetime": "1h",
    "imagePullSecrets": [{"name": "mine"}],
    "tolerations": [{"operator": "Exists"}],
    "policyController.additionalArgs": ["--allow-l5d-request-headers"],
    "proxy.outboundConnectTimeout": "2s",
    "proxy.inboundConnectTimeout": "2s",
    "proxy.outboundDiscoveryCacheUnusedTimeout": "2s",
    "proxy.inboundDiscoveryCacheUnusedTimeout": "2s",
    "proxy.logLevel": "warn,linkerd=debug, other[span]=trace",
    "proxy.logFormat": "json",
    "proxy.logHTTPHeaders": "insecure",
    "proxy.accessLog": "apache",
    "proxy.runtime.workers.maximum": "4",
    "proxy.runtime.workers.maximumCPURatio": "0.50",
    "proxy.gid": 0,
    "proxy.requireIdentityOnInboundPorts": "80,90-99",
    "proxy.opaquePorts": "25,8080-8090, 9443",
    "proxy.defaultInboundPolicy": "deny",
    "proxy.outboundTransportMode": "transport-header",
    "proxy.metrics.maxSeries": 100,
    "proxy.metrics.dropLabels": ["pod", "instance"],
    "proxy.additionalEnv": [
        {"name": "LINKERD2_PROXY_LOG", "value": "trace"},
        {"name": "MORE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "MORE", "value": "last"},
    ],
    "proxyInit.iptablesMode": "legacy",
    "proxyInit.ignoreInboundPorts": "",
    "proxyInit.ignoreOutboundPorts": "",
    "proxyInit.kubeAPIServerPorts": "",
    "proxyInit.skipSubnets": "10.1.0.0/16",
    "webhookFailurePolicy": "Fail",
    "proxyInjector.crtPEM": "certificate",
    "proxyInjector.keyPEM": "key",
    "policyValidator.crtPEM": "certificate",
    "policyValidator.keyPEM": "key",
    **{
        f"proxy.resources.{kind}.{word}": text
        for kind in ("cpu", "memory", "ephemeral-storage")
        for word, text in (("request", "10m"), ("limit", "2"))
    },
}
# Values that go with others.
TOGETHER = {
    "identity.externalCA": SOMEBODY_ELSES,
    "identity.issuer.scheme": merge(
        {"identityTrustAnchorsPEM": OTHER.trust_anchors}, SOMEBODY_ELSES
    ),
    "proxy.tracing.enabled": {"proxy": {"tracing": TRACING}},
    "proxy.tracing.labels": {
        "proxy": {"tracing": TRACING},
        "commonLabels": {"app.kubernetes.io/name": "mesh"},
    },
    **{
        f"proxy.tracing.{key}": {"proxy": {"tracing": TRACING}}
        for key in (
            "traceServiceName",
            "protocol",
            "collector.endpoint",
            "collector.meshIdentity.serviceAccountName",
            "collector.meshIdentity.namespace",
        )
    },
}
for _webhook in ("proxyInjector", "policyValidator"):
    _given = {_webhook: {"crtPEM": "certificate", "keyPEM": "key"}}
    TOGETHER |= {
        f"{_webhook}.crtPEM": _given,
        f"{_webhook}.keyPEM": _given,
        f"{_webhook}.caBundle": _given,
        f"{_webhook}.externalSecret": {_webhook: {"caBundle": "bundle"}},
        f"{_webhook}.injectCaFrom": {_webhook: {"externalSecret": True}},
    }
SKIPPED = {"identity.issuer.tls.crtPEM", "identity.issuer.tls.keyPEM", "identity.issuer.scheme"}
# Helm makes no authority, and follows no annotation on the control plane's own pods.
HELMS_OWN = ("identityTrustAnchorsPEM is missing", "podAnnotations")
NEVER_EMPTY = {*CHOICES, *DURATIONS, "proxy.logLevel", "clusterDomain", "identityTrustAnchorsPEM"}
DEFAULTS = dict(leaves(charts.default_values(), FREE_MAPS))


def setting(path):
    """The values in which one is not the default, with those that it needs."""
    found = merge({}, TOGETHER.get(path, IDENTITY))
    if "identityTrustAnchorsPEM" not in found and "scheme" not in str(found):
        merge(found, IDENTITY)
    if path not in SKIPPED:
        merge(found, tree(path, setting_of(path)))
    return found


def setting_of(path):
    return LEGAL.get(path, another(DEFAULTS[path]))


def by_command_line(tmp_path, values, namespace=CHART):
    path = tmp_path / "given.yaml"
    path.write_text(yaml.safe_dump(values))
    found = values_from(Given(files=[str(path)]))
    return render(found, certificates(found, namespace, NOW), namespace, maker="helm")


def rendered(drawn, tmp_path, values, namespace=CHART):
    helms = drawn(CHART, values, "--namespace", namespace)
    return both(helms, by_command_line(tmp_path, values, namespace))


def test_the_defaults(drawn, tmp_path):
    helms, ours = rendered(drawn, tmp_path, IDENTITY)
    assert len(ours) > 25
    assert_same(helms, ours)


def test_another_namespace(drawn, tmp_path):
    helms, ours = rendered(drawn, tmp_path, IDENTITY, "mesh")
    assert_same(helms, ours)


@pytest.mark.parametrize("more", [{}, {"cniEnabled": True}, {"proxy": {"nativeSidecar": False}}])
def test_high_availability(drawn, tmp_path, more):
    values = merge(merge(charts.high_availability_values(), IDENTITY), more)
    helms, ours = rendered(drawn, tmp_path, values)
    assert_same(helms, ours)


@pytest.mark.parametrize("path", DEFAULTS)
def test_each_value_alone(drawn, tmp_path, path):
    helms, ours = rendered(drawn, tmp_path, setting(path))
    assert_same(helms, ours)


@pytest.mark.parametrize("form", [{}, {"cniEnabled": True}, {"proxy": {"nativeSidecar": False}}])
def test_all_values_together(drawn, tmp_path, form):
    values = {}
    for path in DEFAULTS:
        if path not in SKIPPED and not path.startswith(("proxyInjector.", "policyValidator.")):
            merge(values, setting(path))
    merge(values, {"identity": {"externalCA": False, "issuer": {"scheme": "linkerd.io/tls"}}})
    merge(values, IDENTITY)
    merge(values, {"cniEnabled": False, "proxy": {"nativeSidecar": True}})
    helms, ours = rendered(drawn, tmp_path, merge(values, form))
    assert_same(helms, ours)


@pytest.mark.parametrize("seed", range(12))
def test_some_values_together_and_some_empty(drawn, tmp_path, seed):
    """What depends on two values at once is found here, if anything does."""
    random = Random(seed)
    values = merge({}, IDENTITY)
    for path, default in DEFAULTS.items():
        if path in SKIPPED or path in TOGETHER or random.random() < 0.6:
            continue
        can_be_empty = path not in NEVER_EMPTY and isinstance(default, str | list | dict)
        empty = can_be_empty and random.random() < 0.5
        merge(values, tree(path, type(default)() if empty else setting_of(path)))
    helms, ours = rendered(drawn, tmp_path, values)
    assert_same(helms, ours)


def test_numbers_stand_for_their_text_and_a_text_for_a_list_of_it(drawn, tmp_path):
    values = {
        "linkerdVersion": 7,
        "proxy": {"resources": {"cpu": {"limit": 2}}, "metrics": {"dropLabels": "pod"}},
    }
    helms, ours = rendered(drawn, tmp_path, merge(values, IDENTITY))
    assert_same(helms, ours)


def test_what_is_nothing_is_empty(drawn, tmp_path):
    values = {"priorityClassName": None, "tolerations": None, "proxy": {"accessLog": None}}
    helms, ours = rendered(drawn, tmp_path, merge(values, IDENTITY))
    assert_same(helms, ours)


def test_the_hook_gives_the_namespace_what_the_command_line_writes(drawn, tmp_path):
    values = merge({"commonLabels": {"example.com/x": "z"}}, IDENTITY)
    (job,) = [item for item in drawn(CHART, values) if item["kind"] == "Job"]
    namespace, *_ = by_command_line(tmp_path, values)
    words = job["spec"]["template"]["spec"]["containers"][0]["args"]
    patched = own_namespace.patch_of(own_namespace.parser().parse_args(words))
    metadata = {key: namespace["metadata"][key] for key in ("labels", "annotations")}
    assert patched == {"metadata": metadata}


def test_what_is_served_is_trusted_and_for_the_service(drawn):
    objects = {(item["kind"], item["metadata"]["name"]): item for item in drawn(CHART, IDENTITY)}
    for service, kind, configuration in (
        ("tulle-proxy-injector", "Mutating", names.INJECTOR_WEBHOOK_CONFIG),
        ("tulle-policy-validator", "Validating", names.POLICY_VALIDATOR_WEBHOOK_CONFIG),
    ):
        served = objects["Secret", f"{service}-k8s-tls"]["data"]["tls.crt"]
        (webhook,) = objects[f"{kind}WebhookConfiguration", configuration]["webhooks"]
        bundle, now = webhook["clientConfig"]["caBundle"], datetime.datetime.now(datetime.UTC)
        verify_serving(decoded(served), decoded(bundle), f"{service}.{CHART}.svc", now)


def test_no_private_key_is_published(drawn):
    values = merge({"proxyInjector": {"crtPEM": "certificate", "keyPEM": "secret-key"}}, IDENTITY)
    (config,) = [i for i in drawn(CHART, values) if i["metadata"]["name"] == names.CONFIG_CONFIGMAP]
    assert "BEGIN CERTIFICATE" in config["data"]["values"]
    assert "PRIVATE" not in config["data"]["values"]
    assert "secret-key" not in config["data"]["values"]


EXPIRED = make_issuer(CHART, "cluster.local", NOW - datetime.timedelta(days=366))
NOBODYS = tree(
    "identity.issuer", {"scheme": "kubernetes.io/tls", "tls": {"crtPEM": "", "keyPEM": ""}}
)
BAD = [
    ({"identityTrustAnchorsPEM": ""}, "identityTrustAnchorsPEM is missing: Helm makes no"),
    (tree("identity.issuer.tls.keyPEM", ""), "identity.issuer.tls.keyPEM is missing: Helm"),
    (tree("identity.issuer.tls.keyPEM", "x"), "identity.issuer.tls.keyPEM is not PEM"),
    (tree("identity.issuer.tls.crtPEM", "x"), "identity.issuer.tls.crtPEM is not a readable"),
    (tree("identity.issuer.tls.crtPEM", EXPIRED.certificate), "tls.crtPEM expired at 20"),
    ({"identityTrustAnchorsPEM": ISSUER.key}, "identityTrustAnchorsPEM holds a private key"),
    ({"identityTrustAnchorsPEM": "x"}, "identityTrustAnchorsPEM is not PEM"),
    (tree("identity.issuer.scheme", "kubernetes.io/tls"), "somebody else writes the issuer's Sec"),
    (merge({"identityTrustAnchorsPEM": ""}, NOBODYS), "needs the trust anchors of that"),
    (tree("identity.externalCA", True), "identity.externalCA needs identity.issuer.scheme=kube"),
    ({"proxyInjector": {"externalSecret": True}}, "proxyInjector.externalSecret needs proxyInj"),
    ({"policyValidator": {"crtPEM": "x"}}, "policyValidator.crtPEM and policyValidator.keyPEM go"),
    ({"podAnnotations": {"config.linkerd.io/proxy-uid": "1"}}, "podAnnotations: config.linkerd.io"),
    (tree("proxy.tracing.enabled", True), "the value proxy.tracing.collector.endpoint must be set"),
    (tree("proxy.ports.admin", 4140), "proxy.ports: two of admin, control, inbound and outbound"),
    (tree("proxy.ports.admin", 0), "at '/proxy/ports/admin': minimum: got 0, want 1"),
    (tree("proxy.logLevl", "x"), "at '/proxy': additional properties 'logLevl' not allowed"),
    (tree("proxy.logLevel", "a b"), 'proxy.logLevel is "a b", which is not levels (off, error'),
    (tree("proxy.defaultInboundPolicy", "no"), "at '/proxy/defaultInboundPolicy': value must be"),
    (tree("proxy.inboundConnectTimeout", "1"), "which is not a duration such as 300ms, 20s or"),
    (tree("proxy.opaquePorts", "80-"), 'proxy.opaquePorts is "80-", which is not ports and'),
    (tree("proxy.resources.cpu.limit", "1x"), "which is not a quantity such as 100m or 64Mi"),
    (
        tree("proxy.resources.memory", {"request": "1Gi", "limit": "900Mi"}),
        "proxy.resources.memory: the request 1Gi is above the limit 900Mi",
    ),
    ({"clusterNetworks": "10.0.0.0/8,x"}, "which is not networks such as 10.0.0.0/8"),
    ({"clusterDomain": "A"}, 'clusterDomain is "A", which is not a lower-case DNS name'),
    ({"controllerReplicas": 0}, "at '/controllerReplicas': minimum: got 0, want 1"),
    ({"policyController": {"additionalArgs": ["--x"]}}, "at '/policyController/additionalArgs/0'"),
]


@pytest.mark.parametrize(("values", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_a_bad_value_is_refused_in_words_and_by_both(drawn, tmp_path, values, said):
    values = merge(merge({}, IDENTITY), values)
    done = drawn(CHART, values, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    if not said.startswith(HELMS_OWN):
        with pytest.raises((BadValue, BadCertificates)):
            by_command_line(tmp_path, values)
