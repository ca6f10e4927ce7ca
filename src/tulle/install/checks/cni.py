"""Checks that the CNI plugin is on every node, where the install or any pod relies on it."""

from typing import Any

from tulle import names
from tulle.install.checks.existence import values
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Skipped

Json = dict[str, Any]


def _relying(facts: Facts) -> list[str]:
    """Pods whose redirect is the plugin's."""
    return [
        f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
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
        + (f"{len(relying)} pods such as {relying[0]}" if relying else "new meshed pods")
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


CNI = Category(
    "linkerd-cni-plugin",
    (
        Check("cni-plugin-ds-exists", "the CNI plugin's DaemonSet exists", _exists),
        Check("cni-plugin-ready", "the CNI plugin is ready on every node", _ready, is_retried=True),
    ),
)
