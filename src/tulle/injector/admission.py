"""What to answer to one admission request: facts in, the patch and what to tell out. Pure."""

from dataclasses import dataclass
from typing import Any

from tulle import names
from tulle.injector import opaque, sidecar
from tulle.injector.decision import Skip
from tulle.injector.patch import difference
from tulle.injector.settings import Settings
from tulle.injector.sidecar import Owner

Json = dict[str, Any]

MAX_WARNING = 256  # the API server cuts longer ones


@dataclass(frozen=True, slots=True)
class Namespace:
    name: str
    annotations: dict[str, str]
    labels: dict[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """The patch, if any, and how it came about."""

    patch: list[Json]
    skip: Skip | None = None  # of pods: why there is no proxy
    warnings: tuple[str, ...] = ()
    annotation_at: str = ""
    is_injected: bool = False
    native: bool = False


def answer_pod(pod: Json, namespace: Namespace, settings: Settings, owner: Owner | None) -> Answer:
    if names.COMPONENT_LABEL in ((pod.get("metadata") or {}).get("labels") or {}):
        return Answer([])  # its proxy was put in when it was installed
    injection = sidecar.inject(
        pod,
        settings,
        namespace=namespace.name,
        namespace_annotations=namespace.annotations,
        namespace_labels=namespace.labels,
        owner=owner,
    )
    initial = (injection.pod.get("spec") or {}).get("initContainers") or []
    return Answer(
        difference(pod, injection.pod),
        injection.report,
        tuple(text[:MAX_WARNING] for text in injection.warnings),
        injection.annotation_at,
        injection.report is None,
        any(item.get("name") == names.PROXY_CONTAINER for item in initial),
    )


def answer_service(service: Json, namespace: Namespace, settings: Settings) -> Answer:
    wanted = opaque.annotate_service(service, settings, namespace.annotations)
    return Answer(difference(service, wanted))
