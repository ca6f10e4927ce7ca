"""The extension viz as Kubernetes objects: each component is a module that renders its own."""

import re
from collections.abc import Callable
from typing import Any

import yaml

from tulle import names
from tulle.install import charts, viz_metrics, viz_prometheus, viz_tap, viz_web
from tulle.install.objects import secret
from tulle.install.plan import Given, layered
from tulle.install.validate import DURATION, at
from tulle.install.values import BadValue, merge
from tulle.install.viz_objects import Viz, VizPlace

Json = dict[str, Any]

VALUES_KEY = "values"
HEADER = re.compile(r":?[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # pseudo-headers too
DURATIONS = ("prometheus.scrapeInterval", "prometheus.retention")
# In the order in which they are applied.
COMPONENTS: tuple[Callable[[Viz], list[Json]], ...] = (
    viz_metrics.objects,
    viz_prometheus.objects,
    viz_tap.objects,
    viz_web.objects,
)


def values_from(given: Given, control: Json, stored: Json | None = None) -> Json:
    """Defaults, HA's, what is stored in the cluster, files, --set.

    What is empty is taken from the control plane's values.
    """
    found = charts.viz_values()
    if given.high_availability:
        found = merge(found, charts.viz_high_availability_values(), source="values-ha.yaml")
    found = layered(found, given, stored)
    found["clusterDomain"] = found["clusterDomain"] or control.get("clusterDomain")
    found["clusterDomain"] = found["clusterDomain"] or names.CLUSTER_DOMAIN
    trust = found["identityTrustDomain"] or control.get("identityTrustDomain")
    found["identityTrustDomain"] = trust or found["clusterDomain"]
    found["controllerImageVersion"] = found["controllerImageVersion"] or names.VERSION
    for part in found.values():
        if isinstance(part, dict) and isinstance(part.get("image"), dict):
            part["image"]["version"] = part["image"]["version"] or names.VERSION
    _validate(found)
    return found


def _validate(values: Json) -> None:
    prometheus = values["prometheus"]
    for path in DURATIONS:
        text = at(values, path)
        if not DURATION.match(text):
            raise BadValue(f"{path}: {text!r} is not a duration such as 10s or 6h")
    for name in values["tap"]["ignoreHeaders"]:
        if not HEADER.fullmatch(str(name)):
            raise BadValue(f"tap.ignoreHeaders: {name!r} is not the name of a header")
    if not prometheus["enabled"] and not values["prometheusUrl"]:
        raise BadValue("prometheus.enabled=false needs prometheusUrl, the address of another one")


def render(
    values: Json,
    namespace: str = names.VIZ_NAMESPACE,
    secrets: dict[str, dict[str, str]] | None = None,
    stored: Json | None = None,
    trusted: dict[str, str] | None = None,
    *,
    maker: str = "cli",
) -> list[Json]:
    """Every object of the extension.

    `secrets` are those that an earlier install stored, `stored` the values that are kept for an
    upgrade, `trusted` what the API server trusts so far (`Viz`).
    """
    created_by = f"{names.PROGRAM}/{maker} {names.VERSION}"
    viz = Viz(
        VizPlace(namespace, created_by, values["commonLabels"]),
        values,
        secrets or {},
        trusted or {},
    )
    found = [_namespace(viz), *(item for objects in COMPONENTS for item in objects(viz))]
    return found if stored is None else [*found, _stored(viz, stored)]


def _stored(viz: Viz, values: Json) -> Json:
    data = {VALUES_KEY: yaml.safe_dump(values, sort_keys=True)}
    return secret(viz.place, names.VIZ_OVERRIDES_SECRET, "", data)


def stored_values(secrets: dict[str, dict[str, str]]) -> Json | None:
    """Those that an install by the command line kept; None: there was none."""
    text = secrets.get(names.VIZ_OVERRIDES_SECRET, {}).get(VALUES_KEY)
    return None if text is None else yaml.safe_load(text) or {}


def _namespace(viz: Viz) -> Json:
    found = viz.place.cluster_object("v1", "Namespace", viz.namespace)
    # The init container of each proxy sets iptables rules, which the restricted level forbids.
    found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "privileged"
    if viz.values["prometheusUrl"]:
        found["metadata"]["annotations"] = {
            "viz.linkerd.io/external-prometheus": viz.values["prometheusUrl"]
        }
    return found
