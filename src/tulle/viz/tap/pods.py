"""The pods that a tap may look into, and whose address is whose. Facts in, facts out."""

from collections.abc import Iterable
from dataclasses import dataclass

from tulle import names, workload
from tulle.k8s.client import Json
from tulle.k8s.store import Change, Key, Store
from tulle.k8s.watch import Kind
from tulle.viz.tap.target import Target

ENDED = ("Succeeded", "Failed")
TEMPLATE_HASH = "pod-template-hash"


class NothingToTap(Exception):
    """A target without a pod that can be tapped; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TapPod:
    namespace: str
    name: str
    address: str  # "" while it has none of its own
    service_account: str
    owners: tuple[tuple[str, str], ...]  # kind and name: the workload, then the direct owner
    labels: tuple[tuple[str, str], ...]
    control_namespace: str  # "" unless it is meshed
    is_enabled: bool  # its proxy was told who may tap
    is_disabled: bool  # its owner does not want it tapped

    @property
    def key(self) -> Key:
        return self.namespace, self.name

    def identity(self, trust_domain: str) -> str:
        return names.workload_identity(
            self.service_account,
            self.namespace,
            control_namespace=self.control_namespace,
            trust_domain=trust_domain,
        )

    def metric_labels(self) -> dict[str, str]:
        """What metrics call this pod, for the events that it takes part in."""
        found = {"namespace": self.namespace, "pod": self.name}
        found["serviceaccount"] = self.service_account
        kind, name = self.owners[0]
        found[workload.metric_label(kind)] = name
        if self.control_namespace:
            found["control_plane_ns"] = self.control_namespace
        if template_hash := dict(self.labels).get(TEMPLATE_HASH):
            found["pod_template_hash"] = template_hash
        return found


def prune(pod: Json) -> TapPod | None:
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if status.get("phase") in ENDED:
        return None
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    direct = [
        (reference["kind"].lower(), reference["name"])
        for reference in metadata.get("ownerReferences") or ()
        if reference.get("controller")
    ]
    owner = workload.owner(metadata)
    return TapPod(
        metadata["namespace"],
        metadata["name"],
        "" if spec.get("hostNetwork") else status.get("podIP", ""),
        spec.get("serviceAccountName") or "default",
        (owner, *(found for found in direct if found != owner)),
        tuple(sorted(labels.items())),
        labels.get(names.CONTROL_NAMESPACE_LABEL, ""),
        annotations.get(names.TAP_ENABLED_ANNOTATION) == "true",
        names.TAP_DISABLED_ANNOTATION in annotations,
    )


PODS = Kind("pods", ("/api/v1/pods",), prune, required=True)


class Pods:
    """All pods of the cluster, by address and by target."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_address: dict[str, TapPod] = {}
        store.listen(PODS.name, self._moved)

    def _moved(self, change: Change) -> None:
        old, new = change.old, change.new
        if old is not None and self._by_address.get(old.address) == old:
            del self._by_address[old.address]
        if new is not None and new.address:
            self._by_address[new.address] = new

    def at(self, address: str) -> TapPod | None:
        return self._by_address.get(address)

    def of(self, target: Target, selector: str) -> list[TapPod]:
        wanted = requirements(selector)
        return [
            pod
            for pod in self._store.all(PODS.name).values()
            if is_meant(pod, target) and all(fits(dict(pod.labels), part) for part in wanted)
        ]


def is_meant(pod: TapPod, target: Target) -> bool:
    if pod.namespace != target.namespace:
        return False
    if target.kind == "namespace":
        return True
    if target.kind == "pod":
        return target.name in ("", pod.name)
    return any(
        kind == target.kind and target.name in ("", name) and kind != "pod"
        for kind, name in pod.owners
    )


def tappable(pods: Iterable[TapPod]) -> list[TapPod]:
    return [
        pod
        for pod in pods
        if pod.address and pod.control_namespace and pod.is_enabled and not pod.is_disabled
    ]


def why_not(pods: list[TapPod], target: Target) -> str:
    """Why none of a target's pods can be tapped, and what to do about it."""
    where = f"in the namespace {target.namespace}"
    if not pods:
        return f"{target} has no running pods {where}"
    unmeshed = [pod.name for pod in pods if not pod.control_namespace]
    disabled = [pod.name for pod in pods if pod.control_namespace and pod.is_disabled]
    older = [
        pod.name
        for pod in pods
        if pod.control_namespace and not pod.is_disabled and not pod.is_enabled
    ]
    reasons = []
    if disabled:
        key = names.TAP_DISABLED_ANNOTATION
        reasons.append(f"tap is disabled by the annotation {key} on {', '.join(disabled)}")
    if older:
        reasons.append(
            f"{', '.join(older)} started before tap was installed; "
            f"restart with: kubectl rollout restart -n {target.namespace} {target}"
        )
    if unmeshed:
        reasons.append(f"not meshed: {', '.join(unmeshed)}")
    return f"no pod of {target} {where} can be tapped: " + (
        "; ".join(reasons) or "none has an address yet"
    )


class BadSelector(Exception):
    """A label selector that cannot be read."""


Requirement = tuple[str, str, frozenset[str]]  # key, operator, values


def requirements(selector: str) -> list[Requirement]:
    """`a=b,c!=d,e,!f,g in (x,y)`, as kubectl takes it."""
    found = []
    depth, start = 0, 0
    for position, char in enumerate(f"{selector},"):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            if part := selector[start:position].strip():
                found.append(_requirement(part))
            start = position + 1
    return found


def _requirement(part: str) -> Requirement:
    for word, operator in ((" notin ", "notin"), (" in ", "in")):
        key, found, values = part.partition(word)
        if found:
            values = values.strip()
            if not (values.startswith("(") and values.endswith(")")):
                raise BadSelector(f"{part!r} is no part of a label selector: {operator} needs (…)")
            return key.strip(), operator, frozenset(v.strip() for v in values[1:-1].split(","))
    for sign, operator in (("!=", "notin"), ("==", "in"), ("=", "in")):
        key, found, value = part.partition(sign)
        if found:
            return key.strip(), operator, frozenset((value.strip(),))
    if " " in part:
        raise BadSelector(f"{part!r} is no part of a label selector")
    return (
        (part[1:].strip(), "absent", frozenset())
        if part[0] == "!"
        else (
            part,
            "present",
            frozenset(),
        )
    )


def fits(labels: dict[str, str], requirement: Requirement) -> bool:
    key, operator, values = requirement
    match operator:
        case "in":
            return labels.get(key) in values
        case "notin":
            return labels.get(key) not in values
        case "present":
            return key in labels
        case _:
            return key not in labels
