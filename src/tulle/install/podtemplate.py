"""Where each kind of workload keeps the template of its pods. Pure."""

from typing import Any

Json = dict[str, Any]

TEMPLATES = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "Pod": (),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
}


def pod_template(item: Json) -> Json | None:
    """The template, to be read or changed in place; a pod is its own. None: it has none."""
    path = TEMPLATES.get(str(item.get("kind")))
    if path is None:
        return None
    place: Any = item
    for step in path:
        if not isinstance(place, dict) or not isinstance(place.get(step), dict):
            return None
        place = place[step]
    return place if isinstance(place.get("spec"), dict) else None


def replaced(item: Json, template: Json) -> Json:
    """A copy of the object with another pod template."""
    path = TEMPLATES[str(item["kind"])]
    if not path:
        return {**template, "apiVersion": item["apiVersion"], "kind": item["kind"]}
    result = dict(item)
    place = result
    for step in path[:-1]:
        place[step] = dict(place[step])
        place = place[step]
    place[path[-1]] = template
    return result


def display_name(item: Json) -> str:
    """As kubectl writes it: deployment/web."""
    name = (item.get("metadata") or {}).get("name", "")
    return f"{str(item.get('kind', '')).lower()}/{name}"
