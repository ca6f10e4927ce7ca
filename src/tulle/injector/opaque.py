"""The opaque-ports annotation that pods and Services get when they have well-known ones. Pure."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from tulle import names
from tulle.injector.settings import Settings

Json = dict[str, Any]


def _contains(ports: str, wanted: int) -> bool:
    for item in ports.split(","):
        first, _, last = item.partition("-")
        if first and int(first) <= wanted <= int(last or first):
            return True
    return False


def _joined(ports: Iterable[int]) -> str:
    return ",".join(map(str, dict.fromkeys(ports)))


def of_pod(spec: Json, opaque_ports: str) -> str:
    """The container ports that are opaque by default."""
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    ports = [int(port["containerPort"]) for c in containers for port in c.get("ports") or []]
    return _joined(port for port in ports if _contains(opaque_ports, port))


def of_service(spec: Json, opaque_ports: str) -> str:
    """The Service ports that lead to a port that is opaque by default."""
    found = []
    for port in spec.get("ports") or []:
        target = port.get("targetPort") or port["port"]
        if isinstance(target, int) and _contains(opaque_ports, target):
            found.append(int(port["port"]))
    return _joined(found)


def annotate_service(
    service: Json, settings: Settings, namespace_annotations: Mapping[str, str]
) -> Json:
    """The Service with the annotation, of its namespace or by default, unless it has its own."""
    own = (service.get("metadata") or {}).get("annotations") or {}
    key = names.OPAQUE_PORTS_ANNOTATION
    if key in own:
        return service
    ports = namespace_annotations.get(key) or of_service(
        service.get("spec") or {}, settings.opaque_ports
    )
    if not ports:
        return service
    result = copy.deepcopy(service)
    result.setdefault("metadata", {})["annotations"] = {**own, key: ports}
    return result
