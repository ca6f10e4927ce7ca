"""All objects of an install, found by their label whatever their kind."""

import asyncio
from dataclasses import dataclass
from typing import Any

from tulle import names
from tulle.k8s.client import Client, NotFound

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that installs consist of. Its objects are deleted in the order of KINDS."""

    api_version: str
    kind: str
    plural: str

    @property
    def path(self) -> str:
        return (
            f"/{'api' if '/' not in self.api_version else 'apis'}/{self.api_version}/{self.plural}"
        )


# Webhooks first: nobody must wait for an injector that is gone. Definitions last: with them go
# the objects of their kinds.
KINDS = (
    Kind(
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
    ),
    Kind(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
    ),
    Kind("apiregistration.k8s.io/v1", "APIService", "apiservices"),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings"),
    Kind("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
    Kind("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
    Kind("rbac.authorization.k8s.io/v1", "Role", "roles"),
    Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("apps/v1", "Deployment", "deployments"),
    Kind("apps/v1", "DaemonSet", "daemonsets"),
    Kind("batch/v1", "CronJob", "cronjobs"),
    Kind("v1", "Service", "services"),
    Kind("v1", "ConfigMap", "configmaps"),
    Kind("v1", "Secret", "secrets"),
    Kind("v1", "ServiceAccount", "serviceaccounts"),
    Kind("v1", "Namespace", "namespaces"),
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
)

# Policies that an extension writes, beside its own pods and beside those of others.
POLICIES = tuple(
    Kind("policy.linkerd.io/" + version, kind, plural)
    for version, kind, plural in (
        ("v1alpha1", "AuthorizationPolicy", "authorizationpolicies"),
        ("v1alpha1", "MeshTLSAuthentication", "meshtlsauthentications"),
        ("v1alpha1", "NetworkAuthentication", "networkauthentications"),
        ("v1beta3", "HTTPRoute", "httproutes"),
        ("v1beta3", "Server", "servers"),
    )
)


async def policies(client: Client, selector: str) -> list[Json]:
    found = []
    for kind in POLICIES:
        found += await _listed(client, kind, selector)
    return found


async def labelled_objects(client: Client, selector: str) -> list[Json]:
    async with asyncio.TaskGroup() as tasks:
        listings = [tasks.create_task(_listed(client, kind, selector)) for kind in KINDS]
    return [item for listing in listings for item in listing.result()]


async def _listed(client: Client, kind: Kind, selector: str) -> list[Json]:
    try:
        items = await client.list(kind.path, labelSelector=selector)
    except NotFound:
        return []
    return [{**item, "apiVersion": kind.api_version, "kind": kind.kind} for item in items]


async def removable(client: Client, objects: list[Json]) -> list[Json]:
    """Without what Kubernetes makes from them by itself, such as pods, and without what is being
    deleted already, alone or with its namespace: `kubectl delete` fails at what is gone by then.
    """
    spaces = await client.list("/api/v1/namespaces")
    staying = {"", *(item["metadata"]["name"] for item in spaces if not _is_going(item))}
    return [
        item
        for item in objects
        if not item["metadata"].get("ownerReferences")
        and not _is_going(item)
        and item["metadata"].get("namespace", "") in staying
    ]


def _is_going(item: Json) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))


async def extensions(client: Client) -> list[Json]:
    """Namespaces of the extensions, such as viz."""
    return await client.list("/api/v1/namespaces", labelSelector=names.EXTENSION_LABEL)
