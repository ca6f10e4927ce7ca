"""Where the charts lie, and what is read from them: default values and definitions."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tulle import names

Json = dict[str, Any]
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

RELEASE_NAMESPACE = "{{ .Release.Namespace }}"


@cache
def directory() -> Path:
    """Beside the package in an installed wheel, at the root of a source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "charts"
    return installed if installed.is_dir() else package.parent.parent / "charts"


@cache
def _document(path: str) -> Any:
    return yaml.load((directory() / path).read_text(), Loader=Loader)


def default_values() -> Json:
    values: Json = copy.deepcopy(_document("tulle/values.yaml"))
    return values


def high_availability_values() -> Json:
    values: Json = copy.deepcopy(_document("tulle/values-ha.yaml"))
    return values


def viz_values() -> Json:
    values: Json = copy.deepcopy(_document("tulle-viz/values.yaml"))
    return values


def viz_high_availability_values() -> Json:
    values: Json = copy.deepcopy(_document("tulle-viz/values-ha.yaml"))
    return values


def resource_definitions(namespace: str = names.CONTROL_NAMESPACE) -> list[Json]:
    """The CustomResourceDefinitions of the chart tulle-crds, as Helm would render them."""
    found = []
    for path in sorted((directory() / "tulle-crds" / "templates").glob("*.yaml")):
        text = path.read_text().replace(RELEASE_NAMESPACE, namespace)
        found.append(yaml.load(text, Loader=Loader))
    return found
