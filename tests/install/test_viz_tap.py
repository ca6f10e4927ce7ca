"""The objects of tap: who trusts whom, and that applying them again changes nothing."""

import base64

from cryptography import x509

from tulle.install.objects import decoded
from tulle.install.plan import Given
from tulle.install.viz import render, values_from


def rendered(secrets=None, namespace="tulle-viz"):
    items = render(values_from(Given(), {}), namespace, secrets)
    return {(item["kind"], item["metadata"]["name"]): item for item in items}


def test_the_api_server_trusts_the_certificates_that_the_components_serve():
    found = rendered(namespace="numbers")
    tap = found["Secret", "tap-k8s-tls"]["data"]["tls.crt"]
    assert found["APIService", "v1alpha1.tap.linkerd.io"]["spec"]["caBundle"] == tap
    webhook = found["MutatingWebhookConfiguration", "tulle-tap-injector-webhook-config"]
    injector = found["Secret", "tap-injector-k8s-tls"]["data"]["tls.crt"]
    assert webhook["webhooks"][0]["clientConfig"]["caBundle"] == injector
    certificate = x509.load_pem_x509_certificate(base64.b64decode(tap))
    alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert alternative.value.get_values_for_type(x509.DNSName) == ["tap.numbers.svc"]


def test_stored_certificates_are_kept():
    first = rendered()
    secrets = {
        name: {key: decoded(text) for key, text in first["Secret", name]["data"].items()}
        for name in ("tap-k8s-tls", "tap-injector-k8s-tls")
    }
    assert rendered(secrets) == first


def test_the_injector_names_the_identity_of_tap():
    spec = rendered()["Deployment", "tap-injector"]["spec"]["template"]["spec"]
    expected = "--tap-identity=tap.tulle-viz.serviceaccount.identity.tulle.cluster.local"
    assert expected in spec["containers"][0]["args"]


def test_a_webhook_that_does_not_answer_stops_no_pod():
    webhook = rendered()["MutatingWebhookConfiguration", "tulle-tap-injector-webhook-config"]
    assert webhook["webhooks"][0]["failurePolicy"] == "Ignore"


def test_users_are_bound_to_a_role_that_only_taps():
    rules = rendered()["ClusterRole", "tulle-tulle-viz-tap-admin"]["rules"]
    assert rules[0] == {"apiGroups": ["tap.linkerd.io"], "resources": ["*"], "verbs": ["watch"]}
    assert rules[1]["verbs"] == ["list"]
