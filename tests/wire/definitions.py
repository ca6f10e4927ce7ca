"""Policy's kinds, defined while a test runs."""

from tulle.k8s.client import ApiError, Conflict

POLICY = "apis/policy.linkerd.io"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(plural, kind, version):
    """The least of a custom resource: any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "metadata": {"name": f"{plural}.policy.linkerd.io"},
        "spec": {
            "group": "policy.linkerd.io",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


async def define(cluster, *kinds):
    for plural, kind, version in kinds:
        try:
            await cluster.client.create(CRDS, definition(plural, kind, version))
        except Conflict:
            continue
    for plural, _, version in kinds:
        while True:
            try:
                await cluster.client.get(f"/{POLICY}/{version}/{plural}")
                break
            except ApiError:  # 404 first, then 429 while its storage starts
                continue
