"""Takes the proxy, and the marks that it left, out of an object. Pure."""

import copy
from typing import Any

from tulle import names
from tulle.install.podtemplate import pod_template

Json = dict[str, Any]

CONTAINERS = {names.PROXY_CONTAINER, names.INIT_CONTAINER, names.DEBUG_CONTAINER}
CONTAINERS |= {"linkerd-proxy", "linkerd-init", "linkerd-network-validator", "linkerd-debug"}
VOLUMES = {
    names.IDENTITY_VOLUME,
    names.TOKEN_VOLUME,
    names.XTABLES_VOLUME,
    names.GATE_VOLUME,
    names.PODINFO_VOLUME,
}
VOLUMES |= {
    "linkerd-identity-end-entity",
    "linkerd-identity-token",
    "linkerd-proxy-init-xtables-lock",
    "linkerd-podinfo",
}
MARKED_KINDS = ("Namespace", "Service")


def unmeshed(item: Json) -> tuple[Json, bool]:
    """The object without its proxy, and whether anything was there to take out."""
    result = copy.deepcopy(item)
    template = pod_template(result)
    if template is not None:
        _strip_containers(template["spec"])
        if names.COMPONENT_LABEL not in (template.get("metadata") or {}).get("labels", {}):
            _strip_marks(template)
    elif result.get("kind") in MARKED_KINDS:
        _strip_marks(result)
    return result, result != item


def _strip_containers(spec: Json) -> None:
    for key in ("containers", "initContainers"):
        if key in spec:
            spec[key] = [item for item in spec[key] or [] if item.get("name") not in CONTAINERS]
        for container in spec.get(key) or []:
            _strip_gate(container)
    if not spec.get("initContainers"):
        spec.pop("initContainers", None)
    if "volumes" in spec:
        spec["volumes"] = [item for item in spec["volumes"] or [] if item["name"] not in VOLUMES]
        if not spec["volumes"]:
            del spec["volumes"]


def _strip_gate(container: Json) -> None:
    mounts = container.get("volumeMounts")
    if not mounts:
        return
    container["volumeMounts"] = [m for m in mounts if m.get("name") != names.GATE_VOLUME]
    if not container["volumeMounts"]:
        del container["volumeMounts"]


def _strip_marks(item: Json) -> None:
    metadata = item.get("metadata") or {}
    for key in ("annotations", "labels"):
        marks = metadata.get(key)
        if not marks:
            continue
        kept = {name: value for name, value in marks.items() if not _is_mark(name, value)}
        if kept:
            metadata[key] = kept
        else:
            del metadata[key]


def _is_mark(name: str, value: Any) -> bool:
    """Keys that start with linkerd.io, but not the wish to stay without a proxy."""
    if name == names.INJECT_ANNOTATION and value == "disabled":
        return False
    return name.startswith("linkerd.io")
