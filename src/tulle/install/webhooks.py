"""How the API server asks the injector, and the certificate that it trusts for that."""

from typing import Any

from tulle import names
from tulle.install.anchors import ServingCertificate
from tulle.install.objects import Place, encoded, secret

Json = dict[str, Any]

COMPONENT = "proxy-injector"


def injector_host(namespace: str) -> str:
    return f"{names.PROXY_INJECTOR}.{namespace}.svc"


def renews_certificate(values: Json) -> bool:
    """The injector renews what the install made, not what somebody else gave or writes."""
    settings = values["proxyInjector"]
    return not (settings["externalSecret"] or settings["crtPEM"])


def injector_secret(place: Place, serving: ServingCertificate) -> Json:
    data = {"tls.crt": serving.certificate, "tls.key": serving.key}
    return secret(place, names.INJECTOR_TLS_SECRET, COMPONENT, data, "kubernetes.io/tls")


def injector_webhook(place: Place, values: Json, ca_bundle: str) -> Json:
    settings = values["proxyInjector"]
    client: Json = {
        "service": {
            "name": names.PROXY_INJECTOR,
            "namespace": place.namespace,
            "path": "/",
            "port": 443,
        }
    }
    if ca_bundle:
        client["caBundle"] = encoded(ca_bundle)
    webhook: Json = {
        "name": names.INJECTOR_WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client,
        "failurePolicy": values["webhookFailurePolicy"],
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "Never",
        "sideEffects": "NoneOnDryRun",
        "timeoutSeconds": settings["timeoutSeconds"],
        "namespaceSelector": _namespaces(),
        "objectSelector": _objects(),
        "rules": [
            {
                "operations": ["CREATE"],
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "resources": ["pods", "services"],
                "scope": "Namespaced",
            }
        ],
    }
    found = place.cluster_object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        names.INJECTOR_WEBHOOK_CONFIG,
        COMPONENT,
        webhooks=[webhook],
    )
    if settings["injectCaFrom"]:
        found["metadata"]["annotations"] = {
            "cert-manager.io/inject-ca-from": settings["injectCaFrom"]
        }
    return found


def _namespaces() -> Json:
    return {
        "matchExpressions": [
            {
                "key": names.ADMISSION_WEBHOOKS_LABEL,
                "operator": "NotIn",
                "values": ["disabled"],
            },
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": ["kube-system", "cert-manager"],
            },
        ]
    }


def _objects() -> Json:
    return {
        "matchExpressions": [
            {"key": names.COMPONENT_LABEL, "operator": "DoesNotExist"},
            {"key": names.CNI_RESOURCE_LABEL, "operator": "DoesNotExist"},
        ]
    }
