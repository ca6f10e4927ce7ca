"""Checks that the CNI plugin is on every node, where the install or any pod relies on it."""

import datetime
from typing import Any

from tulle import names
from tulle.install.checks.existence import values
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Level, Skipped

Json = dict[str, Any]

START_WITHIN = datetime.timedelta(seconds=30)  # a pod that takes longer is held, not slow
SHOWN = 10


def _name(pod: Json) -> str:
    return f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"


def _relying(facts: Facts) -> list[Json]:
    """Pods whose redirect is the plugin's."""
    return [
        pod
        for pod in facts.many("pods")
        if names.REDIRECT_ANNOTATION in (pod["metadata"].get("annotations") or {})
    ]


def _plugin(facts: Facts) -> Json:
    found = [item for item in facts.many("cni") if item["metadata"]["name"] == names.CNI]
    if found:
        return found[0]
    relying = _relying(facts)
    if not relying and not values(facts).get("cniEnabled"):
        raise Skipped
    raise Failed(
        f"no namespace has the DaemonSet {names.CNI}, and without it "
        + (f"{len(relying)} pods such as {_name(relying[0])}" if relying else "new meshed pods")
        + f" cannot start; create it: {names.PROGRAM} install-cni | kubectl apply -f -"
    )


def _exists(facts: Facts) -> None:
    _plugin(facts)


def _ready(facts: Facts) -> None:
    status = _plugin(facts).get("status") or {}
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if ready < wanted or not wanted:
        raise Failed(
            f"the CNI plugin is ready on {ready} of {wanted} nodes; its log says what is in the "
            f"way on the others: kubectl logs -A -l k8s-app={names.CNI}"
        )


def _is_held(pod: Json, now: datetime.datetime) -> bool:
    """On a node for a while, and no container of the application was ever started."""
    status = pod.get("status") or {}
    begun = status.get("startTime")
    if begun is None or now - datetime.datetime.fromisoformat(begun) < START_WITHIN:
        return False
    ordinary = [
        item.get("state") or {}
        for item in status.get("containerStatuses") or []
        if item["name"] != names.PROXY_CONTAINER
    ]
    is_waiting = all("waiting" in state for state in ordinary)
    return status.get("phase") == "Pending" and is_waiting


def _none_held(facts: Facts) -> None:
    relying = _relying(facts)
    if not relying:
        raise Skipped
    held = [pod for pod in relying if _is_held(pod, facts.now)]
    if not held:
        return
    shown = ", ".join(
        f"{_name(pod)} on {pod['spec'].get('nodeName', 'no node')}" for pod in held[:SHOWN]
    )
    more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
    raise Failed(
        f"applications wait for a proxy that carries nothing: {shown}{more}; either the plugin did "
        "not see the pod start (once it is ready on that node, delete the pod), or the proxy gets "
        f"no certificate; its log says which: kubectl logs POD -c {names.PROXY_CONTAINER}"
    )


CNI = Category(
    "linkerd-cni-plugin",
    (
        Check("cni-plugin-ds-exists", "the CNI plugin's DaemonSet exists", _exists),
        Check("cni-plugin-ready", "the CNI plugin is ready on every node", _ready, is_retried=True),
        Check(
            "cni-plugin-missed-no-pod",
            "no pod is held back since its traffic is not redirected",
            _none_held,
            Level.WARNING,
            is_retried=True,
        ),
    ),
)
