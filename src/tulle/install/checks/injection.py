"""A check for pods that ask for a proxy and have none, by the injector's own decision."""

from typing import Any

from tulle import names
from tulle.injector.decision import decide
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Level
from tulle.workload import owner

Json = dict[str, Any]

# The webhook's own exceptions.
NAMESPACES_LEFT_ALONE = ("kube-system", "cert-manager")
LABELS_LEFT_ALONE = (names.COMPONENT_LABEL, names.CNI_RESOURCE_LABEL)
SHOWN = 10


def _asks(pod: Json, namespace: Json) -> bool:
    """Whether a pod would get a proxy if it were created now."""
    above, metadata = namespace["metadata"], pod["metadata"]
    if above["name"] in NAMESPACES_LEFT_ALONE:
        return False
    if any(label in (metadata.get("labels") or {}) for label in LABELS_LEFT_ALONE):
        return False
    decision = decide(
        pod["spec"],
        metadata.get("annotations") or {},
        above["name"],
        above.get("annotations") or {},
        above.get("labels") or {},
    )
    return decision.skip is None


def _is_running(pod: Json) -> bool:
    """A mirror pod is written in a node's file, and no webhook can change that."""
    is_mirror = "kubernetes.io/config.mirror" in (pod["metadata"].get("annotations") or {})
    phase = (pod.get("status") or {}).get("phase")
    is_going = pod["metadata"].get("deletionTimestamp")
    return phase not in ("Succeeded", "Failed") and not is_mirror and not is_going


def unmeshed(facts: Facts) -> dict[str, int]:
    """Workload, as `deployment/web in shop` -> how many of its pods have no proxy."""
    namespaces = {item["metadata"]["name"]: item for item in facts.many("namespaces")}
    found: dict[str, int] = {}
    for pod in facts.many("pods"):
        space = pod["metadata"]["namespace"]
        namespace = namespaces.get(space)
        if facts.data_namespace not in (None, space) or namespace is None:
            continue
        if _is_running(pod) and _asks(pod, namespace):
            kind, name = owner(pod["metadata"])
            workload = f"{kind.lower()}/{name} in {space}"
            found[workload] = found.get(workload, 0) + 1
    return found


def _all_meshed(facts: Facts) -> None:
    found = unmeshed(facts)
    if not found:
        return
    shown = ", ".join(f"{name} ({count})" for name, count in sorted(found.items())[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise Failed(
        "pods without the proxy that they ask for, since they were created before they were to "
        f"have one or while no injector answered: {shown}{more}; "
        "restart them: kubectl -n NAMESPACE rollout restart WORKLOAD"
    )


INJECTION = Category(
    "tulle-injection",
    (
        Check(
            "tulle-pods-have-proxies",
            "every pod that asks for a proxy has one",
            _all_meshed,
            Level.WARNING,
        ),
    ),
)
