"""Makes the objects of a manifest meshed, by an annotation or by hand. Pure."""

import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from tulle import names
from tulle.injector import annotations as configuration
from tulle.injector.decision import ANNOTATION_DISABLED, HOST_NETWORK, SIDECAR_EXISTS, decide
from tulle.injector.settings import Settings
from tulle.injector.sidecar import Owner, inject
from tulle.install.podtemplate import display_name, pod_template, replaced
from tulle.install.unmeshing import unmeshed

Json = dict[str, Any]

# Objects of these kinds only take annotations; Services only the one about opaque ports.
ANNOTATED_KINDS = ("Namespace",)
HARD_REASONS = (HOST_NETWORK, SIDECAR_EXISTS)
INJECT_VALUES = ("enabled", "disabled", "ingress")


class Action(Enum):
    INJECTED = "injected"
    ANNOTATED = "annotated"
    SKIPPED = "skipped"


class BadManifest(Exception):
    """An object that asks for something impossible; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for. `overrides` are annotations, with their whole keys."""

    settings: Settings
    manual: bool = False
    ingress: bool = False
    overrides: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one object, and the sentences that explain it."""

    kind: str
    name: str
    action: Action
    reasons: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def display(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    @property
    def is_error(self) -> bool:
        """It cannot be injected, although nobody said that it should not be."""
        return not is_disabled(self) and any(reason in HARD_REASONS for reason in self.reasons)


def meshed(item: Json, wish: Wish) -> tuple[Json, Outcome]:
    """One object, meshed if its kind can be. A proxy of ours that it has already is renewed."""
    kind, name = str(item.get("kind", "")), str((item.get("metadata") or {}).get("name", ""))
    clean, _ = unmeshed(item)
    template = pod_template(clean)
    if template is not None:
        given = _annotations(pod_template(item) or {})
        _judge_annotations(item, {**given, **wish.overrides}, wish)
        if given.get(names.INJECT_ANNOTATION) == "ingress":
            wish = replace(wish, ingress=True)
        return _meshed_workload(clean, template, kind, name, wish)
    if kind in ANNOTATED_KINDS:
        added = {names.INJECT_ANNOTATION: _inject_value(wish), **wish.overrides}
        return _annotated(clean, added), Outcome(kind, name, Action.ANNOTATED)
    ports = wish.overrides.get(names.OPAQUE_PORTS_ANNOTATION)
    if kind == "Service" and ports is not None:
        annotated = _annotated(clean, {names.OPAQUE_PORTS_ANNOTATION: ports})
        return annotated, Outcome(kind, name, Action.ANNOTATED)
    return item, Outcome(kind, name, Action.SKIPPED)


def _meshed_workload(
    item: Json, template: Json, kind: str, name: str, wish: Wish
) -> tuple[Json, Outcome]:
    metadata = template.get("metadata") or {}
    component = (metadata.get("labels") or {}).get(names.COMPONENT_LABEL)
    if component and not wish.manual:
        raise BadManifest(
            f"{display_name(item)} is a component of a control plane, whose proxy the injector "
            "leaves alone; use --manual"
        )
    own = _annotations(template)
    namespace = str((item.get("metadata") or {}).get("namespace") or "default")
    skip = decide(template["spec"], own, namespace, {}, {}, unless_disabled=True).skip
    if skip is not None:
        return item, Outcome(kind, name, Action.SKIPPED, skip.reasons, skip.sentences)
    added = {names.INJECT_ANNOTATION: _inject_value(wish), **wish.overrides}
    wanted = _annotated(template, added)
    if not wish.manual:
        return replaced(item, wanted), Outcome(kind, name, Action.INJECTED, warnings=_udp(template))
    owner = None if kind == "Pod" else Owner(kind, name)
    injection = inject(
        wanted,
        wish.settings,
        namespace=namespace,
        namespace_annotations={},
        owner=owner,
        manual=True,
        created_by=f"{names.PROGRAM}/cli {names.VERSION}",
    )
    outcome = Outcome(kind, name, Action.INJECTED, warnings=_udp(template))
    return replaced(item, injection.pod), outcome


def _annotations(template: Json) -> dict[str, Any]:
    found: dict[str, Any] = (template.get("metadata") or {}).get("annotations") or {}
    return found


def _inject_value(wish: Wish) -> str:
    return "ingress" if wish.ingress else "enabled"


def _annotated(item: Json, added: dict[str, str]) -> Json:
    result = copy.deepcopy(item)
    metadata = result.setdefault("metadata", {}) or {}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **added}
    result["metadata"] = metadata
    return result


def _judge_annotations(item: Json, annotations: dict[str, str], wish: Wish) -> None:
    """A mistake in an annotation is told here, while somebody is looking at the manifest."""
    for key, value in annotations.items():
        if not isinstance(value, str):
            raise BadManifest(
                f"{display_name(item)} has the annotation {key}: {value!r}, which is not a text; "
                "put it in quotes"
            )
    asked = annotations.get(names.INJECT_ANNOTATION)
    if asked is not None and asked not in INJECT_VALUES:
        raise BadManifest(
            f"{display_name(item)} has {names.INJECT_ANNOTATION}: {asked!r}; "
            f"it must be one of {', '.join(INJECT_VALUES)}"
        )
    template = pod_template(item) or {}
    ports = {
        port["name"]: int(port["containerPort"])
        for container in (template.get("spec") or {}).get("containers") or []
        for port in container.get("ports") or []
        if port.get("name")
    }
    meant = configuration.apply(wish.settings, annotations, {}, pod_labels={}, port_names=ports)
    if meant.warnings:
        raise BadManifest(f"{display_name(item)}: {'; '.join(meant.warnings)}")


def _udp(template: Json) -> tuple[str, ...]:
    for container in template["spec"].get("containers") or []:
        if any(port.get("protocol") == "UDP" for port in container.get("ports") or []):
            return ("udp",)
    return ()


def is_disabled(outcome: Outcome) -> bool:
    return ANNOTATION_DISABLED in outcome.reasons
