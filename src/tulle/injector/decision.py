"""Whether a pod gets a proxy, and the sentence that says why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tulle import names

Json = dict[str, Any]

ENABLING = ("enabled", "ingress")
VALID = ("enabled", "disabled", "ingress")
FOREIGN_PROXIES = frozenset(
    {"linkerd-proxy", "linkerd-init", "linkerd-network-validator", "istio-proxy", "istio-init"}
)

HOST_NETWORK = "host_network_enabled"
SIDECAR_EXISTS = "sidecar_already_exists"
UNSUPPORTED = "unsupported_resource"
ANNOTATION_ABSENT = "injection_enable_annotation_absent"
ANNOTATION_DISABLED = "injection_disable_annotation_present"
INVALID_AT_WORKLOAD = "invalid_inject_annotation_at_workload"
INVALID_AT_NAMESPACE = "invalid_inject_annotation_at_ns"
WEBHOOKS_DISABLED = "admission_webhooks_disabled"


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a pod stays as it is: the reasons by their names in metrics, and in words."""

    reasons: tuple[str, ...]
    sentences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return "; ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Decision:
    skip: Skip | None
    annotation_at: str = ""  # "namespace" or "workload": what enabled or disabled it


def decide(
    spec: Json,
    annotations: Mapping[str, str],
    namespace: str,
    namespace_annotations: Mapping[str, str],
    namespace_labels: Mapping[str, str],
    *,
    unless_disabled: bool = False,
) -> Decision:
    """`unless_disabled` is for who asks in person: only a workload's own `disabled` says no."""
    found: list[tuple[str, str]] = []
    if spec.get("hostNetwork"):
        found.append(
            (
                HOST_NETWORK,
                "hostNetwork is enabled, and a proxy there would redirect the whole node's traffic",
            )
        )
    if existing := existing_proxy(spec):
        found.append((SIDECAR_EXISTS, f"the pod has a proxy already: container {existing}"))
    if unless_disabled:
        refused = annotations.get(names.INJECT_ANNOTATION) == "disabled"
        asked: tuple[str, str] | None = _disabled() if refused else None
        at = "workload" if annotations.get(names.INJECT_ANNOTATION) else ""
    elif namespace_labels.get(names.ADMISSION_WEBHOOKS_LABEL) == "disabled":
        label = f"{names.ADMISSION_WEBHOOKS_LABEL}: disabled"
        asked, at = (WEBHOOKS_DISABLED, f"the namespace {namespace} has the label {label}"), ""
    else:
        asked, at = _asked(annotations, namespace, namespace_annotations)
    if asked:
        found.append(asked)
    if not found:
        return Decision(None, at)
    reasons, sentences = zip(*found, strict=True)
    return Decision(Skip(reasons, sentences), at)


def existing_proxy(spec: Json) -> str | None:
    """The name of a container that is a proxy, or that sets up the redirect to one."""
    ours = {names.PROXY_CONTAINER, names.INIT_CONTAINER}
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if container.get("name") in FOREIGN_PROXIES | ours:
            return str(container["name"])
    return None


def _disabled() -> tuple[str, str]:
    return ANNOTATION_DISABLED, f"the pod has the annotation {names.INJECT_ANNOTATION}: disabled"


def _asked(
    annotations: Mapping[str, str], namespace: str, namespace_annotations: Mapping[str, str]
) -> tuple[tuple[str, str] | None, str]:
    """What the two inject annotations say: a reason against or None, and which of them decided."""
    at_namespace = namespace_annotations.get(names.INJECT_ANNOTATION) or ""
    at_workload = annotations.get(names.INJECT_ANNOTATION) or ""
    if at_namespace and at_namespace not in VALID:
        return (INVALID_AT_NAMESPACE, _invalid(at_namespace, f"the namespace {namespace}")), ""
    if at_workload and at_workload not in VALID:
        return (INVALID_AT_WORKLOAD, _invalid(at_workload, "the pod")), ""
    if at_workload == "disabled":
        return _disabled(), "workload"
    if at_workload in ENABLING:
        return None, "namespace" if at_namespace in ENABLING else "workload"
    if at_namespace in ENABLING:
        return None, "namespace"
    sentence = (
        f"neither the pod nor the namespace {namespace} has the annotation "
        f"{names.INJECT_ANNOTATION}: enabled"
    )
    return (ANNOTATION_ABSENT, sentence), ""


def _invalid(value: str, where: str) -> str:
    return f"{where} has {names.INJECT_ANNOTATION}: {value!r}; it must be one of {', '.join(VALID)}"
