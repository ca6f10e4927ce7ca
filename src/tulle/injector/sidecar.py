"""Pod in, meshed pod out: the one pure function behind webhook, `inject --manual` and `install`."""

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tulle import names
from tulle.injector import annotations as config
from tulle.injector import containers, opaque
from tulle.injector.decision import Skip, decide
from tulle.injector.settings import Settings

Json = dict[str, Any]

CREATED_BY = f"{names.PROGRAM}/proxy-injector {names.VERSION}"


@dataclass(frozen=True, slots=True)
class Owner:
    """The workload that a pod belongs to."""

    kind: str  # Deployment, StatefulSet, …
    name: str


@dataclass(frozen=True, slots=True)
class Injection:
    """The answer for one pod. `pod` is what to use, whether it got a proxy or not."""

    pod: Json
    report: Skip | None  # why it got no proxy; None: it got one
    annotations: dict[str, str]  # all that the result carries
    warnings: tuple[str, ...] = ()  # annotations that could not be followed, in words
    annotation_at: str = ""  # "namespace" or "workload": which inject annotation decided


def inject(
    pod_template: Json,
    settings: Settings,
    *,
    namespace: str,
    namespace_annotations: Mapping[str, str],
    namespace_labels: Mapping[str, str] | None = None,
    owner: Owner | None = None,
    component: str | None = None,
    manual: bool = False,
    created_by: str = CREATED_BY,
) -> Injection:
    """The pod, or pod template, with its sidecar, if it is to have one.

    `component` names the control-plane Deployment when the pod is of the control plane: such a
    pod always gets a proxy, and never waits for itself. `manual`: a person asks for it, so only
    the pod's own `disabled`, the host network or an existing proxy stand against it.
    """
    pod = copy.deepcopy(pod_template)
    metadata, spec = pod.setdefault("metadata", {}), pod.setdefault("spec", {})
    own: dict[str, str] = dict(metadata.get("annotations") or {})
    decision = decide(
        spec,
        own,
        namespace,
        namespace_annotations,
        namespace_labels or {},
        unless_disabled=manual or component is not None,
    )
    added = _inherited(settings, spec, own, namespace_annotations)
    if decision.skip is not None:
        ports = {k: v for k, v in added.items() if k == names.OPAQUE_PORTS_ANNOTATION}
        if ports:
            metadata["annotations"] = {**own, **ports}
        return Injection(pod, decision.skip, {**own, **ports}, annotation_at=decision.annotation_at)
    meant = config.apply(
        settings,
        own,
        namespace_annotations,
        pod_labels=metadata.get("labels") or {},
        port_names=_port_names(spec),
    )
    final = _of_component(meant.settings, component)
    warnings = (*meant.warnings, *_udp_warnings(spec))
    _add_containers(spec, final, component)
    own.update(added)
    own.update(_made_by(final, created_by))
    if final.cni:
        arguments = containers.redirect_arguments(final, component=component)
        own[names.REDIRECT_ANNOTATION] = " ".join(arguments)
    own.pop(names.GATE_ANNOTATION, None)
    if containers.is_gated(final, final.is_native_in(spec)):
        own[names.GATE_ANNOTATION] = names.GATE_CLOSED
    metadata["annotations"] = own
    metadata["labels"] = {**(metadata.get("labels") or {}), **_labels(settings, namespace, owner)}
    return Injection(pod, None, own, warnings, decision.annotation_at)


def _of_component(settings: Settings, component: str | None) -> Settings:
    """The control plane's own pods end at once, and identity's waits for nobody.

    Its proxy is certified by the container that would wait for it, and it cannot ask for a policy
    before; so it is told that nobody may reach the service without TLS.
    """
    if component is None:
        return settings
    if component != names.IDENTITY:
        return replace(settings, wait_before_exit_seconds=0)
    return replace(
        settings,
        wait_before_exit_seconds=0,
        await_proxy=False,
        default_inbound_policy="all-unauthenticated",
        require_tls_ports=str(names.IDENTITY_GRPC_PORT),
    )


def _inherited(
    settings: Settings,
    spec: Json,
    own: Mapping[str, str],
    namespace_annotations: Mapping[str, str],
) -> dict[str, str]:
    """The namespace's configuration, and the default opaque ports that the pod really has."""
    added = config.inherited(own, namespace_annotations)
    if names.OPAQUE_PORTS_ANNOTATION not in {*own, *added}:
        found = opaque.of_pod(spec, settings.opaque_ports)
        if found:
            added[names.OPAQUE_PORTS_ANNOTATION] = found
    return added


def _made_by(settings: Settings, created_by: str) -> dict[str, str]:
    digest = hashlib.sha256(settings.trust_anchors_pem.encode()).hexdigest()
    return {
        names.CREATED_BY_ANNOTATION: created_by,
        names.PROXY_VERSION_ANNOTATION: settings.proxy_tag,
        names.TRUST_ROOT_SHA_ANNOTATION: digest,
    }


def _labels(settings: Settings, namespace: str, owner: Owner | None) -> dict[str, str]:
    labels = {
        names.CONTROL_NAMESPACE_LABEL: settings.control_namespace,
        names.WORKLOAD_NAMESPACE_LABEL: namespace,
    }
    if owner is not None:
        labels[f"{names.PROXY_OWNER_LABEL_PREFIX}{owner.kind.lower()}"] = owner.name[:63].rstrip(
            "-._"
        )
    return labels


def _add_containers(spec: Json, settings: Settings, component: str | None) -> None:
    native = settings.is_native_in(spec)
    sidecar = containers.proxy(
        settings,
        component=component,
        inbound_ports=settings.pod_inbound_ports or inbound_ports(spec),
        native=native,
    )
    first = [] if settings.cni else [containers.init(settings, component=component)]
    started_before = [*first, sidecar] if native else first
    ordinary = list(spec.get("containers") or [])
    existing = list(spec.get("initContainers") or [])
    if native:
        spec["initContainers"] = [*started_before, *existing]
    else:  # other init containers run without a proxy, so the redirect is set after them
        spec["initContainers"] = [*existing, *started_before]
        if containers.is_gated(settings, native):
            ordinary = [containers.gated(container) for container in ordinary]
        ordinary = [sidecar, *ordinary]
        if not spec["initContainers"]:
            del spec["initContainers"]
    if settings.debug:
        ordinary.append(containers.debug(settings))
    spec["containers"] = ordinary
    ours = containers.volumes(settings, native)
    taken = {volume["name"] for volume in ours}
    kept = [v for v in spec.get("volumes") or [] if v.get("name") not in taken]
    spec["volumes"] = [*kept, *ours]


def _all_containers(spec: Json) -> Iterable[Json]:
    yield from spec.get("initContainers") or []
    yield from spec.get("containers") or []


def _is_tcp(port: Json) -> bool:
    return str(port.get("protocol", "TCP")) == "TCP"


def _port_names(spec: Json) -> dict[str, int]:
    return {
        port["name"]: int(port["containerPort"])
        for container in _all_containers(spec)
        for port in container.get("ports") or []
        if port.get("name") and _is_tcp(port)
    }


def inbound_ports(spec: Json) -> str:
    """The TCP ports that the containers name, and those of their HTTP probes, in order."""
    found: set[int] = set()
    for container in _all_containers(spec):
        ports = container.get("ports") or []
        found.update(int(port["containerPort"]) for port in ports if _is_tcp(port))
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            port = ((container.get(probe) or {}).get("httpGet") or {}).get("port")
            if isinstance(port, int):  # a named one is among the container's ports
                found.add(port)
    return ",".join(map(str, sorted(found)))


def _udp_warnings(spec: Json) -> list[str]:
    return [
        f"the container {container.get('name')} has the UDP port {port['containerPort']}, "
        "which does not pass through the proxy"
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("protocol") == "UDP"
    ]
