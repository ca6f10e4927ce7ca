"""The objects of tap: who trusts whom, and that applying them again changes nothing."""

import base64
import datetime

import pytest
from cryptography import x509

from tulle.install.anchors import make_serving_certificate
from tulle.install.objects import decoded
from tulle.install.plan import Given
from tulle.install.values import BadValue
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


def test_what_is_trusted_stays_so_until_it_ends():
    """After a renewal a replica may serve the certificate before; what has ended is left out."""
    first = rendered()
    stored = {key: decoded(text) for key, text in first["Secret", "tap-k8s-tls"]["data"].items()}
    now = datetime.datetime.now(datetime.UTC)
    earlier = make_serving_certificate("tap.tulle-viz.svc", now).certificate
    ended = make_serving_certificate("tap.tulle-viz.svc", now - datetime.timedelta(days=9999))
    bundle = earlier + ended.certificate + stored["tls.crt"]
    items = render(
        values_from(Given(), {}), secrets={"tap-k8s-tls": stored}, trusted={"tap-k8s-tls": bundle}
    )
    (service,) = (item for item in items if item["kind"] == "APIService")
    assert decoded(service["spec"]["caBundle"]) == earlier + stored["tls.crt"]
    again = render(
        values_from(Given(), {}), trusted={"tap-k8s-tls": decoded(service["spec"]["caBundle"])}
    )
    (service,) = (item for item in again if item["kind"] == "APIService")
    assert decoded(service["spec"]["caBundle"]).startswith(earlier + stored["tls.crt"])


def test_headers_that_no_tap_shows_are_the_components_argument():
    values = values_from(Given(settings=("tap.ignoreHeaders[0]=Cookie",)), {})
    found = {item["metadata"]["name"]: item for item in render(values) if "spec" in item}
    assert "--ignore-headers=Cookie" in str(found["tap"])
    with pytest.raises(BadValue, match="is not the name of a header"):
        values_from(Given(settings=("tap.ignoreHeaders[0]=a b",)), {})


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
