"""From a pod to the workload that owns it. Pure."""

from collections.abc import Mapping
from typing import Any

from tulle import names

TEMPLATE_HASH_LABEL = "pod-template-hash"
# The metric label of a workload is its kind; prometheus itself already says `job`.
METRIC_LABELS = {"job": "k8s_job"}


def metric_label(kind: str) -> str:
    return METRIC_LABELS.get(kind, kind)


def _of_template(labels: Mapping[str, str]) -> tuple[str, str] | None:
    """What the injector wrote down when it made the pod."""
    for key, value in labels.items():
        if key.startswith(names.PROXY_OWNER_LABEL_PREFIX):
            return key.removeprefix(names.PROXY_OWNER_LABEL_PREFIX), value
    return None


def owner(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Kind (lower case) and name. A pod that nobody owns is its own workload.

    A Deployment names its ReplicaSet NAME-HASH and labels the pods with that hash; a CronJob names
    its Job NAME-MINUTES. So the owner's owner is known without watching either kind.
    """
    labels = metadata.get("labels") or {}
    if known := _of_template(labels):
        return known
    for reference in metadata.get("ownerReferences") or ():
        if not reference.get("controller"):
            continue
        kind, name = reference["kind"].lower(), reference["name"]
        stem, _, suffix = name.rpartition("-")
        if kind == "replicaset" and stem and suffix == labels.get(TEMPLATE_HASH_LABEL):
            return "deployment", stem
        if kind == "job" and stem and suffix.isdecimal() and len(suffix) >= 8:
            return "cronjob", stem
        return kind, name
    return "pod", metadata.get("name", "")
