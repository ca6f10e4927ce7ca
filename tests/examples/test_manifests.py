"""The example's manifests on a real API server, in a namespace that enforces `restricted`."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tulle.k8s.client import Client

TODO = Path(__file__).parents[2] / "examples" / "todo"
LEVEL = {"pod-security.kubernetes.io/enforce": "restricted"}

pytestmark = pytest.mark.apiserver


def objects(name: str) -> list[dict[str, Any]]:
    return [item for item in yaml.safe_load_all((TODO / name).read_text()) if item]


@pytest.mark.parametrize("manifest", ["backend.yaml", "ui.yaml"])
async def test_a_restricted_namespace_takes_them(manifest: str, api: Client) -> None:
    deployment, service = objects(manifest)
    name = deployment["metadata"]["name"]
    space = f"restricted-{name}"
    metadata = {"name": space, "labels": LEVEL}
    await api.create("/api/v1/namespaces", {"kind": "Namespace", "metadata": metadata})
    # What a cluster's controller manager would do: an account, and a pod of the Deployment.
    account = {"kind": "ServiceAccount", "metadata": {"name": "default"}}
    await api.create(f"/api/v1/namespaces/{space}/serviceaccounts", account)
    await api.create(f"/apis/apps/v1/namespaces/{space}/deployments", deployment)
    template = deployment["spec"]["template"]
    pod = {"kind": "Pod", **template, "metadata": {**template["metadata"], "name": name}}
    await api.create(f"/api/v1/namespaces/{space}/pods", pod)

    made = await api.create(f"/api/v1/namespaces/{space}/services", service)
    selected = made["spec"]["selector"]
    assert selected.items() <= template["metadata"]["labels"].items()
    (port,) = made["spec"]["ports"]
    (container,) = template["spec"]["containers"]
    assert port["targetPort"] in [found["name"] for found in container["ports"]]
    assert port["port"] == container["ports"][0]["containerPort"]
