"""What Helm makes in place of the Namespace object: a hook that marks the release's namespace.

Helm makes that namespace itself (`--create-namespace`) and lets no chart hold it; so a Job puts
the labels and annotations on it that the command line's manifest has.
"""

import argparse
import asyncio
from typing import Any

from tulle import names
from tulle.install.objects import RBAC, Place, component_command, unprivileged
from tulle.install.rbac import rule
from tulle.k8s.client import Client

Json = dict[str, Any]

NAME = "namespace-metadata"
HOOK = {
    "helm.sh/hook": "pre-install,pre-upgrade",
    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
}


def hook(place: Place, namespace: Json, image: str, values: Json, user: int) -> list[Json]:
    """Account, rights and Job that give the release's namespace the metadata of `namespace`."""
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": place.namespace}
    role = {"apiGroup": RBAC, "kind": "Role", "name": NAME}
    rules = [rule("", ["namespaces"], ["patch"], [place.namespace])]
    spec = {"backoffLimit": 4, "template": _pod(namespace, image, values, user)}
    found = [
        place.object("v1", "ServiceAccount", NAME, NAME),
        place.object(f"{RBAC}/v1", "Role", NAME, NAME, rules=rules),
        place.object(f"{RBAC}/v1", "RoleBinding", NAME, NAME, roleRef=role, subjects=[subject]),
        place.object("batch/v1", "Job", NAME, NAME, spec=spec),
    ]
    for item in found:
        weight = "1" if item["kind"] == "Job" else "0"
        item["metadata"]["annotations"] = {**HOOK, "helm.sh/hook-weight": weight}
    return found


def _pod(namespace: Json, image: str, values: Json, user: int) -> Json:
    metadata = namespace["metadata"]
    labels = ",".join(f"{key}={text}" for key, text in metadata["labels"].items())
    annotations = metadata.get("annotations") or {}
    marks = [f"--annotation={key}={text}" for key, text in annotations.items()]
    container: Json = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": values["imagePullPolicy"],
        "command": component_command("tulle.install.own_namespace"),
        "args": [metadata["name"], f"--labels={labels}", *marks],
        "securityContext": unprivileged(user),
    }
    spec: Json = {
        "serviceAccountName": NAME,
        "restartPolicy": "Never",
        "containers": [container],
        "nodeSelector": values["nodeSelector"],
    }
    for key in ("tolerations", "imagePullSecrets", "priorityClassName"):
        if values[key]:
            spec[key] = values[key]
    return {"metadata": {"annotations": {names.INJECT_ANNOTATION: "disabled"}}, "spec": spec}


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(description=__doc__)
    found.add_argument("namespace")
    found.add_argument("--labels", default="", metavar="KEY=TEXT,KEY=TEXT")
    found.add_argument("--annotation", action="append", default=[], metavar="KEY=TEXT")
    return found


def patch_of(given: argparse.Namespace) -> Json:
    """The change of the namespace that the arguments mean."""
    texts = {"labels": given.labels.split(","), "annotations": given.annotation}
    metadata = {word: dict(text.split("=", 1) for text in items) for word, items in texts.items()}
    return {"metadata": metadata}


async def _change(namespace: str, change: Json) -> None:
    async with await Client.from_environment() as client:
        await client.patch(f"/api/v1/namespaces/{namespace}", change)


def main() -> None:
    given = parser().parse_args()
    asyncio.run(_change(given.namespace, patch_of(given)))


if __name__ == "__main__":
    main()
