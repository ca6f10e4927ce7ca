"""The objects of tap and tap-injector, with the certificates that the API server trusts them by."""

import datetime
from dataclasses import replace
from typing import Any

from tulle import names
from tulle.install.anchors import ServingCertificate, make_serving_certificate
from tulle.install.objects import RBAC, component_command, encoded, secret
from tulle.install.pem import expiry
from tulle.install.rbac import READ, RENEW, cluster_role_name, rule
from tulle.install.viz_objects import (
    POLICY,
    Viz,
    VizComponent,
    account,
    authorization,
    cluster_role,
    controller_image,
    deployment,
    local_role,
    logging_flags,
    server,
    service,
)
from tulle.serve.renewal import still_valid

Json = dict[str, Any]

ANY_NETWORK = ["0.0.0.0/0", "::/0"]
API_SERVER = "kube-api-server"
# A certificate with less life than this is not worth keeping.
RENEW_BEFORE = datetime.timedelta(days=30)
API_SERVICE = f"{names.TAP_VERSION}.{names.TAP_GROUP}"
TAP_RULES = [
    rule("", ["pods"], READ),
    rule("apiregistration.k8s.io", ["apiservices"], RENEW, [API_SERVICE]),
]
TAP_ADMIN_RULES = [
    rule(names.TAP_GROUP, ["*"], ["watch"]),
    rule("", ["namespaces"], ["list"]),
]
INJECTOR_RULES = [
    rule("", ["namespaces"], ["get"]),
    rule(
        "admissionregistration.k8s.io",
        ["mutatingwebhookconfigurations"],
        RENEW,
        [names.TAP_INJECTOR_WEBHOOK_CONFIG],
    ),
]


def objects(viz: Viz) -> list[Json]:
    return [_api_servers(viz), *_tap(viz), *_injector(viz)]


def _tap(viz: Viz) -> list[Json]:
    serving = _serving(viz, names.TAP, names.TAP_TLS_SECRET)
    return [
        account(viz, names.TAP),
        *cluster_role(viz, names.TAP, TAP_RULES),
        *local_role(viz, names.TAP, own_secret(names.TAP_TLS_SECRET)),
        *_tap_rights(viz),
        _secret(viz, names.TAP, names.TAP_TLS_SECRET, serving),
        service(viz, names.TAP, {"apiserver": (443, "apiserver")}),
        deployment(viz, _tap_component(viz)),
        server(viz, "tap-api", names.TAP, "apiserver", "TLS"),
        authorization(viz, "tap-api", names.TAP, "NetworkAuthentication", API_SERVER),
        _api_service(viz, serving),
    ]


def _tap_rights(viz: Viz) -> list[Json]:
    """To ask what users may, to know the API server; and the role that users are bound to."""
    place, subject = viz.place, _subject(viz, names.TAP)
    delegator = place.cluster_object(
        f"{RBAC}/v1",
        "ClusterRoleBinding",
        cluster_role_name(viz.namespace, "tap-auth-delegator"),
        names.TAP,
        roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator"},
        subjects=[subject],
    )
    reader = place.object(
        f"{RBAC}/v1",
        "RoleBinding",
        cluster_role_name(viz.namespace, "tap-auth-reader"),
        names.TAP,
        roleRef={
            "apiGroup": RBAC,
            "kind": "Role",
            "name": "extension-apiserver-authentication-reader",
        },
        subjects=[subject],
    )
    reader["metadata"]["namespace"] = "kube-system"
    admin = place.cluster_object(
        f"{RBAC}/v1",
        "ClusterRole",
        cluster_role_name(viz.namespace, "tap-admin"),
        names.TAP,
        rules=TAP_ADMIN_RULES,
    )
    return [delegator, reader, admin]


def own_secret(name: str) -> list[Json]:
    """To renew the certificate in it."""
    return [rule("", ["secrets"], RENEW, [name])]


def _subject(viz: Viz, name: str) -> Json:
    return {"kind": "ServiceAccount", "name": name, "namespace": viz.namespace}


def _tap_component(viz: Viz) -> VizComponent:
    values = viz.values
    ignored = values["tap"]["ignoreHeaders"]
    return VizComponent(
        names.TAP,
        controller_image(values),
        {"apiserver": names.TAP_HTTPS_PORT, "tap-admin": names.TAP_ADMIN_PORT},
        component_command("tulle.viz.tap"),
        [
            f"--identity-trust-domain={values['identityTrustDomain']}",
            *([f"--ignore-headers={','.join(ignored)}"] if ignored else []),
            f"--renew-certificate-in={viz.namespace}",
            *logging_flags(values),
        ],
        ("/ready", "tap-admin"),
        ("/live", "tap-admin"),
        values["tap"]["resources"],
        values["tap"]["replicas"],
        mounts=[_tls_mount(names.TAP_TLS_SECRET)],
    )


def _tls_mount(secret_name: str) -> tuple[Json, str, bool]:
    return {"name": "tls", "secret": {"secretName": secret_name}}, names.SERVING_TLS_DIR, True


def _api_service(viz: Viz, serving: ServingCertificate) -> Json:
    return viz.place.cluster_object(
        "apiregistration.k8s.io/v1",
        "APIService",
        API_SERVICE,
        names.TAP,
        spec={
            "group": names.TAP_GROUP,
            "version": names.TAP_VERSION,
            "groupPriorityMinimum": 1000,
            "versionPriority": 100,
            "service": {"name": names.TAP, "namespace": viz.namespace, "port": 443},
            "caBundle": encoded(serving.ca_bundle),
        },
    )


def _injector(viz: Viz) -> list[Json]:
    name, server_name = names.TAP_INJECTOR, "tap-injector-webhook"
    serving = _serving(viz, name, names.TAP_INJECTOR_TLS_SECRET)
    return [
        account(viz, name),
        *cluster_role(viz, name, INJECTOR_RULES),
        *local_role(viz, name, own_secret(names.TAP_INJECTOR_TLS_SECRET)),
        _secret(viz, name, names.TAP_INJECTOR_TLS_SECRET, serving),
        service(viz, name, {"tap-injector": (443, "tap-injector")}),
        deployment(viz, _injector_component(viz)),
        server(viz, server_name, name, "tap-injector", "TLS"),
        authorization(viz, server_name, name, "NetworkAuthentication", API_SERVER),
        _webhook(viz, serving),
    ]


def _injector_component(viz: Viz) -> VizComponent:
    values = viz.values
    return VizComponent(
        names.TAP_INJECTOR,
        controller_image(values),
        {
            "tap-injector": names.TAP_INJECTOR_HTTPS_PORT,
            "injector-admin": names.TAP_INJECTOR_ADMIN_PORT,
        },
        component_command("tulle.viz.tap_injector"),
        [
            f"--tap-identity={viz.identity(names.TAP)}",
            f"--renew-certificate-in={viz.namespace}",
            *logging_flags(values),
        ],
        ("/ready", "injector-admin"),
        ("/live", "injector-admin"),
        values["tapInjector"]["resources"],
        values["tapInjector"]["replicas"],
        mounts=[_tls_mount(names.TAP_INJECTOR_TLS_SECRET)],
    )


def _webhook(viz: Viz, serving: ServingCertificate) -> Json:
    """It looks for the proxy, so it is asked again if the injector came after it."""
    reference = {"name": names.TAP_INJECTOR, "namespace": viz.namespace, "path": "/", "port": 443}
    rules = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods"],
        "scope": "Namespaced",
    }
    outside = {
        "key": "kubernetes.io/metadata.name",
        "operator": "NotIn",
        "values": ["kube-system"],
    }
    webhook = {
        "name": names.TAP_INJECTOR_WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": reference, "caBundle": encoded(serving.ca_bundle)},
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [outside]},
        "objectSelector": {},
        "reinvocationPolicy": "IfNeeded",
        "rules": [rules],
        "sideEffects": "None",
        "timeoutSeconds": 10,
    }
    return viz.place.cluster_object(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        names.TAP_INJECTOR_WEBHOOK_CONFIG,
        names.TAP_INJECTOR,
        webhooks=[webhook],
    )


def _api_servers(viz: Viz) -> Json:
    """The API server calls from addresses that nobody can name beforehand; TLS proves the rest."""
    networks = [{"cidr": network} for network in ANY_NETWORK]
    return viz.place.object(
        f"{POLICY}/v1alpha1",
        "NetworkAuthentication",
        API_SERVER,
        names.TAP,
        spec={"networks": networks},
    )


def _serving(viz: Viz, service_name: str, secret_name: str) -> ServingCertificate:
    """The stored one while it is good, so that applying again changes nothing."""
    now = datetime.datetime.now(datetime.UTC)
    stored = viz.secrets.get(secret_name) or {}
    certificate, key = stored.get("tls.crt"), stored.get("tls.key")
    if certificate and key and expiry(certificate, f"Secret {secret_name}") > now + RENEW_BEFORE:
        serving = ServingCertificate(certificate, key, certificate)
    else:
        serving = make_serving_certificate(f"{service_name}.{viz.namespace}.svc", now)
    known = viz.trusted.get(secret_name, "")
    return replace(serving, ca_bundle=still_valid(now, known, serving.certificate))


def _secret(viz: Viz, component: str, name: str, serving: ServingCertificate) -> Json:
    data = {"tls.crt": serving.certificate, "tls.key": serving.key}
    return secret(viz.place, name, component, data, "kubernetes.io/tls")
