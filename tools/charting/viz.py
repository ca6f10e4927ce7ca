"""The templates of the chart tulle-viz, from what `tulle viz install` renders."""

import copy
import datetime
from functools import cache
from typing import Any

import yaml

from charting.chart import Chart, Pattern
from charting.marks import Marks, Off, marked, put
from charting.template import EMBEDDED
from tulle import names
from tulle.install import charts, own_namespace
from tulle.install.anchors import make_serving_certificate
from tulle.install.objects import encoded
from tulle.install.validate import DURATION
from tulle.install.values import FREE_MAPS
from tulle.install.viz import DURATIONS, HEADER, render
from tulle.install.viz_objects import VizPlace, controller_image
from tulle.install.viz_web import SPARE_MEBIBYTES
from tulle.viz.recorded import rule_file

Json = dict[str, Any]

NAMESPACE = "zqnamespacezq"
INTERVAL = "7001s"
SERVED = {
    names.TAP: (names.TAP_TLS_SECRET, "apiregistration.k8s.io/v1", "APIService"),
    names.TAP_INJECTOR: (
        names.TAP_INJECTOR_TLS_SECRET,
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
    ),
}
TRUSTING = {
    names.TAP: f"{names.TAP_VERSION}.{names.TAP_GROUP}",
    names.TAP_INJECTOR: names.TAP_INJECTOR_WEBHOOK_CONFIG,
}
VARIABLES = {names.TAP: "$tap", names.TAP_INJECTOR: "$tapInjector"}
FIXED = {
    "prometheus.enabled": True,
    "dashboard.restrictPrivileges": False,
    "prometheus.scrapeInterval": INTERVAL,
}
PATTERNS = {
    **{key: Pattern(DURATION.pattern, "a duration such as 10s or 6h") for key in DURATIONS},
    "tap.ignoreHeaders": Pattern(f"^{HEADER.pattern}$", "the name of a header"),
}


@cache
def _certificates() -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Real ones, as they are read on the way: what is stored, and another that is trusted."""
    now = datetime.datetime.now(datetime.UTC)
    secrets, trusted = {}, {}
    for component, (secret, _, _) in SERVED.items():
        made, other = (make_serving_certificate(component, now) for _ in range(2))
        secrets[secret] = {"tls.crt": made.certificate, "tls.key": made.key}
        trusted[secret] = other.certificate
    return secrets, trusted


def marks() -> Marks:
    found = marked(charts.viz_values(), FREE_MAPS, fixed=FIXED, expressions={})
    found.mean(NAMESPACE, "$.Release.Namespace")
    (common,) = found.values["commonLabels"]
    found.mean(f"{common}={common},", '(include "tulle-viz.labels" $values.commonLabels)')
    seldom = rule_file(INTERVAL)["groups"][1]["interval"]
    times = '(include "tulle-viz.seldom" $values.prometheus.scrapeInterval)'
    found.mean(seldom, times)
    history = found.values["dashboard"]["history"]["maxMebibytes"]
    size = f"(add (int $values.dashboard.history.maxMebibytes) {SPARE_MEBIBYTES} | toString)"
    found.mean(str(history + SPARE_MEBIBYTES), size)
    found.offs = [off for off in found.offs if "prometheus.scrapeInterval" not in off.values]
    found.mean(_digest(), '(include "tulle-viz.prometheus" $ | sha256sum)')
    for component, (secret, _, _) in SERVED.items():
        stored = _certificates()[0][secret]
        variable = VARIABLES[component]
        found.mean(encoded(stored["tls.crt"]), f"{variable}.certificate")
        found.mean(encoded(stored["tls.key"]), f"{variable}.key")
        bundle = _certificates()[1][secret] + stored["tls.crt"]
        found.mean(encoded(bundle), f"{variable}.bundle")
    return found


def _digest() -> str:
    return "zqdigestzq"


def objects(marked_values: Json, off: Off | None) -> list[Json]:
    """All that the chart holds, with the hook in the Namespace's place."""
    values = copy.deepcopy(marked_values)
    for path, value in (off.values if off else {}).items():
        put(values, path, value)
    secrets, trusted = _certificates()
    namespace, *rest = render(values, NAMESPACE, secrets, trusted=trusted, maker="helm")
    place = VizPlace(NAMESPACE, "", values["commonLabels"])
    image = controller_image(values)
    hook = own_namespace.hook(place, namespace, image, values, values["defaultUID"])
    return [_readable(item) for item in (*hook, *rest)]


def _readable(item: Json) -> Json:
    """The configuration as the tree that its text is, and the digest of it as a mark."""
    if item["kind"] == "ConfigMap":
        item["data"] = {key: {EMBEDDED: yaml.safe_load(text)} for key, text in item["data"].items()}
    if item["kind"] == "Deployment":
        annotations = item["spec"]["template"]["metadata"]["annotations"]
        if "checksum/config" in annotations:
            annotations["checksum/config"] = _digest()
    return item


def header(name: str) -> list[str]:
    lines = ['{{- $values := include "tulle-viz.values" $ | fromJson }}']
    for component, (secret, version, kind) in SERVED.items():
        if component == name:
            arguments = f'$ "{secret}" "{component}" "{version}" "{kind}" "{TRUSTING[component]}"'
            call = f'include "tulle-viz.serving" (list {arguments}) | fromJson'
            lines.append(f"{{{{- {VARIABLES[component]} := {call} }}}}")
    return lines


def file_of(item: Json) -> str:
    return str(item["metadata"]["labels"].get(names.VIZ_COMPONENT_LABEL))


CHART = Chart(
    "tulle-viz", charts.viz_values(), FREE_MAPS, marks, objects, header, file_of, patterns=PATTERNS
)
