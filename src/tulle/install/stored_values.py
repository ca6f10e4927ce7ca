"""The values that the installed control plane runs with, read from its ConfigMap."""

from typing import Any

import yaml

from tulle import names
from tulle.install import charts
from tulle.install.values import laid_over
from tulle.k8s.client import Client, NotFound

Json = dict[str, Any]


class NoInstall(Exception):
    """The cluster has no control plane where it was looked for; the message is for the user."""


async def read_values(client: Client, namespace: str) -> Json:
    path = f"/api/v1/namespaces/{namespace}/configmaps/{names.CONFIG_CONFIGMAP}"
    try:
        text = (await client.get(path))["data"]["values"]
    except NotFound as error:
        raise NoInstall(
            f"the namespace {namespace} has no ConfigMap {names.CONFIG_CONFIGMAP}, so no control "
            "plane is installed there; install one (tulle install), or use --ignore-cluster"
        ) from error
    # A value that this version knows and that one did not has its default.
    return laid_over(charts.default_values(), yaml.safe_load(text) or {})
