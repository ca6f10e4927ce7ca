"""What a cluster is doing: components, addresses, images, and pods that wait for an image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tulle.local import images, node, plan
from tulle.local.api import Api, ApiFailed
from tulle.local.plan import Plan
from tulle.local.supervisor import COMPONENTS

PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})


@dataclass(frozen=True, slots=True)
class ComponentState:
    name: str
    pid: int | None  # as the machine counts; None: it is between two starts
    restarts: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A pod whose image the node has not."""

    namespace: str
    pod: str
    image: str


@dataclass(frozen=True, slots=True)
class Status:
    name: str
    context: str
    running: bool
    node_ready: bool
    pid: int | None
    server: str
    pods: str
    services: str
    load_balancers: str
    directory: str
    components: Sequence[ComponentState]
    images: Sequence[str]
    load_balancer_services: Sequence[str]  # NAMESPACE/NAME ADDRESS
    missing_images: Sequence[Missing]


def read(root: Path, name: str) -> Status | None:
    """None when no cluster of that name was ever brought up, or it was purged."""
    found = plan.find(root, name)
    if found is None:
        return None
    pid = node.find(found)
    ready, services, missing = _ask(found) if pid else (False, [], [])
    return Status(
        name=name,
        context=found.context,
        running=pid is not None,
        node_ready=ready,
        pid=pid,
        server=found.server,
        pods=str(found.pods),
        services=str(found.services),
        load_balancers=str(found.load_balancers),
        directory=str(found.directory),
        components=_components(found, pid) if pid else [],
        images=sorted({each.name for each in images.recorded(found)}),
        load_balancer_services=services,
        missing_images=missing,
    )


def _components(found: Plan, pid: int) -> list[ComponentState]:
    try:
        rows = json.loads((found.directory / COMPONENTS).read_text())
    except FileNotFoundError:
        return []
    outer = {process.inner_pid: process.pid for process in node.processes(pid)}
    return [ComponentState(row["name"], outer.get(row["pid"]), row["restarts"]) for row in rows]


def _ask(found: Plan) -> tuple[bool, list[str], list[Missing]]:
    try:
        with Api(found.kubeconfig, timeout_seconds=3.0) as api:
            ready = is_ready(api.get(f"/api/v1/nodes/{found.node}"))
            services = addressed(api.get("/api/v1/services")["items"])
            return ready, services, waiting(api.get("/api/v1/pods")["items"])
    except (ApiFailed, FileNotFoundError):
        return False, [], []


def is_ready(found: dict[str, object]) -> bool:
    status = found.get("status")
    conditions = status.get("conditions", []) if isinstance(status, dict) else []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def addressed(services: Sequence[dict[str, dict[str, object]]]) -> list[str]:
    """The LoadBalancer Services and their addresses."""
    rows = []
    for service in services:
        if service["spec"].get("type") != "LoadBalancer":
            continue
        balancer = service["status"].get("loadBalancer")
        ingress = balancer.get("ingress") if isinstance(balancer, dict) else None
        address = ingress[0]["ip"] if ingress else "(none yet)"
        metadata = service["metadata"]
        rows.append(f"{metadata['namespace']}/{metadata['name']} {address}")
    return rows


def waiting(pods: Sequence[dict[str, dict[str, object]]]) -> list[Missing]:
    """Pods with a container that waits for an image that is not on the node."""
    found = []
    for pod in pods:
        metadata = pod["metadata"]
        for kind in ("initContainerStatuses", "containerStatuses"):
            statuses = pod["status"].get(kind) or []
            if not isinstance(statuses, list):
                continue
            for status in statuses:
                reason = status.get("state", {}).get("waiting", {}).get("reason")
                if reason in PULL_REASONS:
                    where = (str(metadata["namespace"]), str(metadata["name"]))
                    found.append(Missing(*where, status["image"]))
    return found
