"""Accounts and the least that each component of the control plane must be allowed to do."""

from typing import Any

from tulle import names
from tulle.install.objects import RBAC, Place

Json = dict[str, Any]

READ = ["get", "list", "watch"]
RENEW = ["get", "patch"]


def rule(group: str, resources: list[str], verbs: list[str], only: list[str] | None = None) -> Json:
    found: Json = {"apiGroups": [group], "resources": resources, "verbs": verbs}
    if only:
        found["resourceNames"] = only
    return found


IDENTITY_RULES = [
    rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
    # Beside the ServiceAccount that a leaf was issued for, in whatever namespace.
    rule("", ["events"], ["create"]),
]

POLICY_KINDS = [
    "authorizationpolicies",
    "egressnetworks",
    "httplocalratelimitpolicies",
    "httproutes",
    "meshtlsauthentications",
    "networkauthentications",
    "serverauthorizations",
    "servers",
]
WITH_STATUS = ["egressnetworks", "httplocalratelimitpolicies", "httproutes"]
GATEWAY_KINDS = ["grpcroutes", "httproutes", "tcproutes", "tlsroutes"]

DESTINATION_RULES = [
    rule("", ["namespaces", "nodes", "pods", "services"], READ),
    rule("discovery.k8s.io", ["endpointslices"], READ),
    rule("linkerd.io", ["serviceprofiles"], READ),
    rule("policy.linkerd.io", POLICY_KINDS, READ),
    rule("gateway.networking.k8s.io", GATEWAY_KINDS, READ),
    rule("split.smi-spec.io", ["trafficsplits"], READ),
    rule("specs.smi-spec.io", ["httproutegroups"], READ),
    rule("policy.linkerd.io", [f"{kind}/status" for kind in WITH_STATUS], ["update"]),
    rule("gateway.networking.k8s.io", [f"{kind}/status" for kind in GATEWAY_KINDS], ["update"]),
]
# The lease by which one replica is the one to write. Kubernetes cannot limit `create` to a name.
DESTINATION_LOCAL_RULES = [
    rule("coordination.k8s.io", ["leases"], ["create"]),
    rule("coordination.k8s.io", ["leases"], ["get", "update"], [names.POLICY_WRITE_LEASE]),
]

INJECTOR_RULES = [
    rule("", ["namespaces"], ["get"]),
    rule("apps", ["replicasets"], ["get"]),
    rule("batch", ["jobs"], ["get"]),
    rule("", ["events"], ["create"]),
]


def _renewal_rules(kind: str, webhook: str) -> list[Json]:
    """Who is told to trust the certificate that a component renews before it expires."""
    return [rule("admissionregistration.k8s.io", [kind], RENEW, [webhook])]


INJECTOR_RENEWAL_RULES = _renewal_rules(
    "mutatingwebhookconfigurations", names.INJECTOR_WEBHOOK_CONFIG
)
VALIDATOR_RENEWAL_RULES = _renewal_rules(
    "validatingwebhookconfigurations", names.POLICY_VALIDATOR_WEBHOOK_CONFIG
)
INJECTOR_LOCAL_RULES = [rule("", ["secrets"], RENEW, [names.INJECTOR_TLS_SECRET])]
VALIDATOR_LOCAL_RULES = [rule("", ["secrets"], RENEW, [names.POLICY_VALIDATOR_TLS_SECRET])]


def accounts(place: Place, *, renews_injector: bool, renews_validator: bool) -> list[Json]:
    """ServiceAccounts, roles and their bindings, in the order in which they are applied."""
    injector = "proxy-injector"
    injector_rules = INJECTOR_RULES + (INJECTOR_RENEWAL_RULES if renews_injector else [])
    local_injector = _role(place, names.PROXY_INJECTOR, injector, INJECTOR_LOCAL_RULES)
    destination_rules = DESTINATION_RULES + (VALIDATOR_RENEWAL_RULES if renews_validator else [])
    local_rules = DESTINATION_LOCAL_RULES + (VALIDATOR_LOCAL_RULES if renews_validator else [])
    return [
        *_account(place, names.IDENTITY, "identity"),
        *_account(place, names.DESTINATION, "destination"),
        *_account(place, names.PROXY_INJECTOR, injector),
        *_cluster_role(place, names.IDENTITY, "identity", IDENTITY_RULES),
        *_cluster_role(place, names.DESTINATION, "destination", destination_rules),
        *_cluster_role(place, names.PROXY_INJECTOR, injector, injector_rules),
        *_role(place, names.DESTINATION, "destination", local_rules),
        *(local_injector if renews_injector else []),
    ]


def cluster_role_name(namespace: str, component: str) -> str:
    return f"{names.PROGRAM}-{namespace}-{component}"


def _account(place: Place, name: str, component: str) -> list[Json]:
    return [place.object("v1", "ServiceAccount", name, component)]


def _cluster_role(place: Place, account: str, component: str, rules: list[Json]) -> list[Json]:
    name = cluster_role_name(place.namespace, component)
    version = f"{RBAC}/v1"
    return [
        place.cluster_object(version, "ClusterRole", name, component, rules=rules),
        place.cluster_object(
            version,
            "ClusterRoleBinding",
            name,
            component,
            roleRef={"apiGroup": RBAC, "kind": "ClusterRole", "name": name},
            subjects=[_subject(place, account)],
        ),
    ]


def _role(place: Place, account: str, component: str, rules: list[Json]) -> list[Json]:
    version = f"{RBAC}/v1"
    return [
        place.object(version, "Role", account, component, rules=rules),
        place.object(
            version,
            "RoleBinding",
            account,
            component,
            roleRef={"apiGroup": RBAC, "kind": "Role", "name": account},
            subjects=[_subject(place, account)],
        ),
    ]


def _subject(place: Place, account: str) -> Json:
    return {"kind": "ServiceAccount", "name": account, "namespace": place.namespace}
