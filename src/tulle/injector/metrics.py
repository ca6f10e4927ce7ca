"""The injector's counters: admission requests and what became of them."""

from collections.abc import Mapping

from prometheus_client import Counter

from tulle import names
from tulle.injector.admission import Answer
from tulle.injector.annotations import CONFIG, ELSEWHERE, known

SETTINGS = tuple(sorted(name.replace("-", "_") for name in CONFIG.keys() | ELSEWHERE))

requests = Counter(
    "proxy_inject_admission_requests_total",
    "Admission requests to the injector.",
    ("owner_kind", "namespace", "annotation_at", *SETTINGS),
)
responses = Counter(
    "proxy_inject_admission_responses_total",
    "Answers of the injector, and why pods were left out.",
    ("owner_kind", "namespace", "skip", "skip_reason", "annotation_at", *SETTINGS),
)


def _settings(annotations: Mapping[str, str]) -> dict[str, str]:
    """The pod's own configuration as labels; extra environment may be secret, so no value."""
    found = dict.fromkeys(SETTINGS, "")
    for key, value in annotations.items():
        if (name := known(key)) is not None:
            private = key == f"{names.CONFIG_ANNOTATION_PREFIX}proxy-additional-env"
            found[name.replace("-", "_")] = "set" if private else value
    return found


def count(answer: Answer, owner_kind: str, namespace: str, annotations: Mapping[str, str]) -> None:
    common = {
        "owner_kind": owner_kind.lower(),
        "namespace": namespace,
        "annotation_at": answer.annotation_at,
        **_settings(annotations),
    }
    requests.labels(**common).inc()
    skipped = answer.skip is not None and not answer.patch
    reasons = ",".join(answer.skip.reasons) if answer.skip is not None and skipped else ""
    responses.labels(**common, skip=str(skipped).lower(), skip_reason=reasons).inc()
