"""Pods as viz needs them: whose they are, whether they are meshed, and what can be scraped."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tulle import names
from tulle.k8s.watch import Kind
from tulle.workload import owner

Json = dict[str, Any]

PROXY_CONTAINERS = (names.PROXY_CONTAINER, "linkerd-proxy")


@dataclass(frozen=True, slots=True)
class Port:
    """An admin port of one container."""

    container: str
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Pod:
    namespace: str
    name: str
    labels: dict[str, str] = field(hash=False)
    owners: frozenset[tuple[str, str]]  # kind and name, the owner's owner too
    address: str
    phase: str
    status: str  # as kubectl shows it
    control_namespace: str | None  # of the mesh it is in; None: not meshed
    service_account: str
    admin_ports: tuple[Port, ...]
    workload: tuple[str, str] = ("pod", "")  # kind and name of what owns it at the root
    is_ready: bool = False
    proxy_version: str = ""
    restarts: int = 0  # of all its containers together
    restarted: tuple[float, str] | None = None  # the last one: when the container ended, and why

    @property
    def has_ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    def is_selected(self, selector: dict[str, str]) -> bool:
        return bool(selector) and selector.items() <= self.labels.items()


def read(item: Json) -> Pod:
    metadata, spec, status = item["metadata"], item["spec"], item.get("status") or {}
    labels = metadata.get("labels") or {}
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    has_proxy = any(entry["name"] in PROXY_CONTAINERS for entry in containers)
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        labels=labels,
        owners=_owners(metadata),
        address=status.get("podIP", ""),
        phase=status.get("phase", "Unknown"),
        status=_status(metadata, status),
        control_namespace=labels.get(names.CONTROL_NAMESPACE_LABEL) if has_proxy else None,
        service_account=spec.get("serviceAccountName") or "default",
        admin_ports=tuple(
            Port(entry["name"], port["name"], int(port["containerPort"]))
            for entry in containers
            for port in entry.get("ports") or ()
            if str(port.get("name", "")).endswith("admin")
        ),
        workload=owner(metadata),
        is_ready=any(
            entry["type"] == "Ready" and entry["status"] == "True"
            for entry in status.get("conditions") or ()
        ),
        proxy_version=(metadata.get("annotations") or {}).get(names.PROXY_VERSION_ANNOTATION, ""),
        **_restarts(status),
    )


def _restarts(status: Json) -> Json:
    entries = [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]
    ends = [
        (datetime.fromisoformat(end["finishedAt"]).timestamp(), str(end.get("reason", "")))
        for entry in entries
        if (end := (entry.get("lastState") or {}).get("terminated")) and end.get("finishedAt")
    ]
    count = sum(int(entry.get("restartCount", 0)) for entry in entries)
    return {"restarts": count, "restarted": max(ends, default=None)}


def _owners(metadata: Json) -> frozenset[tuple[str, str]]:
    """A pod of a Deployment is its ReplicaSet's too, one of a CronJob its Job's."""
    found = {owner(metadata)}
    found |= {
        (reference["kind"].lower(), reference["name"])
        for reference in metadata.get("ownerReferences") or ()
    }
    return frozenset(found)


def _status(metadata: Json, status: Json) -> str:
    """The reason of a container that does not run, or else the pod's phase."""
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    for entry in status.get("containerStatuses") or ():
        state = entry.get("state") or {}
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("reason") or status.get("phase") or "Unknown")


WATCHED = Kind("pods", ("/api/v1/pods",), read, required=True)
