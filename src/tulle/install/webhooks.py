"""How the API server asks injector and policy validator, and which certificates it trusts."""

from typing import Any

from tulle import names
from tulle.install.anchors import ServingCertificate
from tulle.install.objects import Place, encoded, secret
from tulle.install.rbac import GATEWAY_KINDS, POLICY_KINDS

Json = dict[str, Any]

COMPONENT = "proxy-injector"
VALIDATOR_COMPONENT = "destination"
VALIDATED = {
    "policy.linkerd.io": POLICY_KINDS,
    "linkerd.io": ["serviceprofiles"],
    "gateway.networking.k8s.io": GATEWAY_KINDS,
}


def injector_host(namespace: str) -> str:
    return f"{names.PROXY_INJECTOR}.{namespace}.svc"


def validator_host(namespace: str) -> str:
    return f"{names.POLICY_VALIDATOR_SERVICE}.{namespace}.svc"


def renews_certificate(values: Json, webhook: str) -> bool:
    """A component renews what the install made, not what somebody else gave or writes."""
    settings = values[webhook]
    return not (settings["externalSecret"] or settings["crtPEM"])


def injector_secret(place: Place, serving: ServingCertificate) -> Json:
    return _secret(place, names.INJECTOR_TLS_SECRET, COMPONENT, serving)


def validator_secret(place: Place, serving: ServingCertificate) -> Json:
    return _secret(place, names.POLICY_VALIDATOR_TLS_SECRET, VALIDATOR_COMPONENT, serving)


def _secret(place: Place, name: str, component: str, serving: ServingCertificate) -> Json:
    data = {"tls.crt": serving.certificate, "tls.key": serving.key}
    return secret(place, name, component, data, "kubernetes.io/tls")


def injector_webhook(place: Place, values: Json, ca_bundle: str) -> Json:
    webhook: Json = {
        "name": names.INJECTOR_WEBHOOK,
        **_asked(place, names.PROXY_INJECTOR, values, values["proxyInjector"], ca_bundle),
        "reinvocationPolicy": "Never",
        "sideEffects": "NoneOnDryRun",
        "namespaceSelector": {"matchExpressions": [_unless_disabled(), _unless_system()]},
        "objectSelector": _objects(),
        "rules": [_rule("", ["pods", "services"], ["CREATE"])],
    }
    kind, name = "MutatingWebhookConfiguration", names.INJECTOR_WEBHOOK_CONFIG
    return _configuration(place, kind, name, COMPONENT, webhook, values["proxyInjector"])


def validator_webhook(place: Place, values: Json, ca_bundle: str) -> Json:
    settings = values["policyValidator"]
    webhook: Json = {
        "name": names.POLICY_VALIDATOR_WEBHOOK,
        **_asked(place, names.POLICY_VALIDATOR_SERVICE, values, settings, ca_bundle),
        "sideEffects": "None",
        "namespaceSelector": {"matchExpressions": [_unless_disabled()]},
        "rules": [
            _rule(group, resources, ["CREATE", "UPDATE"]) for group, resources in VALIDATED.items()
        ],
    }
    kind, name = "ValidatingWebhookConfiguration", names.POLICY_VALIDATOR_WEBHOOK_CONFIG
    return _configuration(place, kind, name, VALIDATOR_COMPONENT, webhook, settings)


def _asked(place: Place, service: str, values: Json, settings: Json, ca_bundle: str) -> Json:
    """What both webhooks have in common: whom to ask, how long, and what if nobody answers."""
    reference = {"name": service, "namespace": place.namespace, "path": "/", "port": 443}
    client: Json = {"service": reference}
    if ca_bundle:
        client["caBundle"] = encoded(ca_bundle)
    return {
        "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "failurePolicy": values["webhookFailurePolicy"],
        "matchPolicy": "Equivalent",
        "timeoutSeconds": settings["timeoutSeconds"],
    }


def _rule(group: str, resources: list[str], operations: list[str]) -> Json:
    return {
        "operations": operations,
        "apiGroups": [group],
        "apiVersions": ["*" if group else "v1"],
        "resources": resources,
        "scope": "Namespaced",
    }


def _configuration(
    place: Place, kind: str, name: str, component: str, webhook: Json, settings: Json
) -> Json:
    version = "admissionregistration.k8s.io/v1"
    found = place.cluster_object(version, kind, name, component, webhooks=[webhook])
    if settings["injectCaFrom"]:
        found["metadata"]["annotations"] = {
            "cert-manager.io/inject-ca-from": settings["injectCaFrom"]
        }
    return found


def _unless_disabled() -> Json:
    return {"key": names.ADMISSION_WEBHOOKS_LABEL, "operator": "NotIn", "values": ["disabled"]}


def _unless_system() -> Json:
    return {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system", "cert-manager"],
    }


def _objects() -> Json:
    return {
        "matchExpressions": [
            {"key": names.COMPONENT_LABEL, "operator": "DoesNotExist"},
            {"key": names.CNI_RESOURCE_LABEL, "operator": "DoesNotExist"},
        ]
    }
