"""The templates of the chart tulle, from what `tulle install` renders."""

import copy
import datetime
import hashlib
import json
from functools import cache
from typing import Any

from charting.chart import Chart, Form
from charting.control_checks import PATTERNS, RULES
from charting.marks import Marks, Off, marked, put, reference
from charting.template import ENVIRONMENT, JOINED
from tulle import names
from tulle.injector.environment import HIDE_HEADERS
from tulle.injector.settings import Tracing
from tulle.install import charts, own_namespace, pem
from tulle.install.anchors import Issuer, ServingCertificate, make_issuer
from tulle.install.manifests import Certificates, render
from tulle.install.objects import Place, encoded
from tulle.install.values import FREE_MAPS
from tulle.install.workloads import ALLOW_REQUEST_HEADERS, components

Json = dict[str, Any]

NAMESPACE = "zqnamespacezq"
PUBLISHED, DIGEST = "zqpublishedzq", "zqdigestzq"
ATTRIBUTES = "zqattributeszq"
ADDITIONAL = "zqadditionalzq"
HEADERS = ",zqheaderszq"
NO_ISSUER, NO_OPAQUE = "issuer", "opaque"  # left out by an Off, though no value
# Values that the code judges must be legal, and stand nowhere else all the same.
FIXED: Json = {
    "cniEnabled": False,
    "identity.externalCA": False,
    "proxyInjector.externalSecret": False,
    "policyValidator.externalSecret": False,
    "proxyInjector.crtPEM": "",
    "policyValidator.crtPEM": "",
    "proxyInjector.caBundle": "zqinjectorbundlezq",
    "policyValidator.caBundle": "zqvalidatorbundlezq",
    "proxy.logHTTPHeaders": "off",
    "proxy.defaultInboundPolicy": "cluster-authenticated",
    "proxy.opaquePorts": "65001",
    "proxy.ports.admin": 61001,
    "proxy.ports.control": 61002,
    "proxy.ports.inbound": 61003,
    "proxy.ports.outbound": 61004,
    "proxy.runtime.workers.maximum": "719999001",
    "proxy.runtime.workers.maximumCPURatio": "0.719993",
    "proxy.additionalEnv": [{"name": ADDITIONAL}],
    "proxyInit.iptablesMode": "legacy",
    "policyController.additionalArgs": [ALLOW_REQUEST_HEADERS],
}
EXPRESSIONS = {
    "proxy.logLevel": '(include "tulle.logFilter" $values.proxy.logLevel)',
    "proxy.runtime.workers.maximumCPURatio": (
        "(float64 $values.proxy.runtime.workers.maximumCPURatio | toString)"
    ),
}
# Never empty in the end, so nothing is left out for them.
FILLED = {
    "clusterDomain",
    "controllerImageVersion",
    "identityTrustAnchorsPEM",
    "identityTrustDomain",
    "linkerdVersion",
    "proxy.image.pullPolicy",
    "proxy.image.version",
    "proxy.logLevel",
    "proxy.logHTTPHeaders",
    "proxy.defaultInboundPolicy",
    "proxyInit.iptablesMode",
    "proxyInit.ignoreOutboundPorts",
    "proxyInit.kubeAPIServerPorts",
    "proxy.tracing.labels",
    "proxy.tracing.collector.endpoint",
    "proxy.tracing.collector.meshIdentity.serviceAccountName",
    "proxy.tracing.collector.meshIdentity.namespace",
    "controllerGID",
    *(f"proxy.ports.{name}" for name in ("admin", "control", "inbound", "outbound")),
}
REQUESTS = [f"proxy.resources.{kind}.request" for kind in ("cpu", "memory", "ephemeral-storage")]
LIMITS = [path.replace(".request", ".limit") for path in REQUESTS]
VARIABLES = {"proxyInjector": "$injector", "policyValidator": "$validator"}
SECRETS = {
    "proxyInjector": names.INJECTOR_TLS_SECRET,
    "policyValidator": names.POLICY_VALIDATOR_TLS_SECRET,
}
SERVICES = {
    "proxyInjector": names.PROXY_INJECTOR,
    "policyValidator": names.POLICY_VALIDATOR_SERVICE,
}
CONFIGURATIONS = {
    "proxyInjector": ("MutatingWebhookConfiguration", names.INJECTOR_WEBHOOK_CONFIG),
    "policyValidator": ("ValidatingWebhookConfiguration", names.POLICY_VALIDATOR_WEBHOOK_CONFIG),
}
FILES = {"proxyInjector": "proxy-injector", "policyValidator": "destination"}
NATIVE = "proxy.nativeSidecar"
FORMS = (
    Form(
        f"and (not {reference('cniEnabled')}) {reference(NATIVE)}",
        {"cniEnabled": False, NATIVE: True},
    ),
    Form(reference("cniEnabled"), {"cniEnabled": True, NATIVE: True}),
    Form("", {"cniEnabled": False, NATIVE: False}),
)


@cache
def _issuer() -> Issuer:
    """A real one, as its end is read on the way."""
    return make_issuer("mark", "mark", datetime.datetime.now(datetime.UTC))


def marks() -> Marks:
    found = marked(charts.default_values(), FREE_MAPS, fixed=FIXED, expressions=EXPRESSIONS)
    found.offs = [off for off in found.offs if not off.values.keys() & FILLED]
    found.offs += _joint_offs(found)
    found.mean(NAMESPACE, "$.Release.Namespace")
    found.mean(PUBLISHED, '(include "tulle.published" $)')
    found.mean(DIGEST, '(include "tulle.published" $ | sha256sum)')
    attributes = f"(list $values {json.dumps(_attributes())})"
    found.mean(ATTRIBUTES, f'(include "tulle.traceAttributes" {attributes})')
    is_shown = '(eq $values.proxy.logHTTPHeaders "insecure")'
    found.mean(HEADERS, f'(ternary "" {json.dumps(HIDE_HEADERS)} {is_shown})')
    (common,) = found.values["commonLabels"]
    found.mean(f"{common}={common},", '(include "tulle.labels" $values.commonLabels)')
    ports = found.values["proxyInit"]
    joined = f"{ports['kubeAPIServerPorts']},{ports['ignoreOutboundPorts']}"
    lists = "$values.proxyInit.kubeAPIServerPorts $values.proxyInit.ignoreOutboundPorts"
    found.mean(joined, f'(list {lists} | compact | join ",")')
    _mean_certificates(found)
    for component in _components(found.values):
        found.mean(_opaque_mark(component.component), _opaque(component.ports))
    return found


def _mean_certificates(found: Marks) -> None:
    issuer = _issuer()
    tls = "$values.identity.issuer.tls"
    expiry = pem.expiry(issuer.certificate, "").strftime("%Y-%m-%dT%H:%M:%SZ")
    found.mean(expiry, f'(include "tulle.expiry" {tls}.crtPEM)')
    found.mean(encoded(issuer.certificate), f"(b64enc {tls}.crtPEM)")
    found.mean(encoded(issuer.key), f"(b64enc {tls}.keyPEM)")
    anchors = found.values["identityTrustAnchorsPEM"]
    digest = hashlib.sha256(anchors.encode()).hexdigest()
    found.mean(digest, "(sha256sum $values.identityTrustAnchorsPEM)")
    for webhook, variable in VARIABLES.items():
        serving = _serving(found.values, webhook)
        found.mean(encoded(serving.certificate), f"{variable}.certificate")
        found.mean(encoded(serving.key), f"{variable}.key")
        found.mean(encoded(serving.ca_bundle), f"{variable}.bundle")


def _joint_offs(found: Marks) -> list[Off]:
    """What depends on several values, or on other than that a value is empty."""
    gid = found.values["proxy"]["gid"]
    group = found.values["controllerGID"]
    joint = [
        Off("ge (int $values.proxy.gid) 0", {"proxy.gid": -1}, gid, -1),
        Off("gt (int $values.controllerGID) 0", {"controllerGID": 0}, group, 0),
        Off('eq $values.identity.issuer.scheme "linkerd.io/tls"', {NO_ISSUER: True}),
        _any_of(["proxyInit.privileged", "proxyInit.closeWaitTimeoutSecs"], [False, 0]),
        _any_of(["enablePodAntiAffinity", "nodeAffinity"], [False, {}]),
        _any_of(["proxyInit.kubeAPIServerPorts", "proxyInit.ignoreOutboundPorts"], ["", ""]),
        *(_any_of(paths, [""] * len(paths)) for paths in (REQUESTS, LIMITS, REQUESTS + LIMITS)),
    ]
    for webhook, variable in VARIABLES.items():
        joint += [
            Off(f"not $values.{webhook}.crtPEM", {f"{webhook}.crtPEM": "given"}),
            Off(
                f"{variable}.bundle",
                {f"{webhook}.externalSecret": True, f"{webhook}.caBundle": ""},
            ),
        ]
    joint += [
        Off(_opaque(component.ports), {f"{NO_OPAQUE}.{component.component}": True})
        for component in _components(found.values)
    ]
    return joint


def _any_of(paths: list[str], empty: list[Any]) -> Off:
    words = " ".join(map(reference, paths))
    return Off(f"or {words}", dict(zip(paths, empty, strict=True)))


def _components(values: Json) -> Any:
    return components(values, NAMESPACE)


def _opaque_mark(component: str) -> str:
    return f"zqopaque{component.replace('-', '')}zq"


def _opaque(ports: dict[str, int]) -> str:
    numbers = " ".join(map(str, ports.values()))
    return f'(include "tulle.opaque" (list $values.proxy.opaquePorts {numbers}))'


def _serving(values: Json, webhook: str) -> ServingCertificate:
    mark = f"zq{webhook}zq".lower()
    return ServingCertificate(f"{mark}crt", f"{mark}key", values[webhook]["caBundle"])


def objects(marked_values: Json, off: Off) -> list[Json]:
    """All that the chart holds, with the hook in the Namespace's place."""
    values = copy.deepcopy(marked_values)
    changes = dict(off.values)
    without_issuer = changes.pop(NO_ISSUER, False)
    not_opaque = {key for key in changes if key.startswith(f"{NO_OPAQUE}.")}
    for path, value in changes.items():
        if path not in not_opaque:
            put(values, path, value)
    serving = {
        webhook: None if values[webhook]["externalSecret"] else _serving(marked_values, webhook)
        for webhook in VARIABLES
    }
    certificates = Certificates(
        None if without_issuer else _issuer(),
        serving["proxyInjector"],
        values["identityTrustAnchorsPEM"],
        serving["policyValidator"],
    )
    namespace, *rest = render(values, certificates, NAMESPACE, maker="helm")
    image = f"{values['controllerImage']}:{values['controllerImageVersion']}"
    place = Place(NAMESPACE, "", values["commonLabels"])
    hook = own_namespace.hook(place, namespace, image, values, values["controllerUID"])
    return [_readable(item, not_opaque) for item in (*hook, *rest)]


def _readable(item: Json, not_opaque: set[str]) -> Json:
    """What is computed from all values, or from lists of them, as marks."""
    if item["metadata"]["name"] == names.CONFIG_CONFIGMAP:
        item["data"] = {"values": PUBLISHED}
    if item["kind"] == "Deployment":
        template = item["spec"]["template"]
        annotations = template["metadata"]["annotations"]
        annotations["checksum/config"] = DIGEST
        component = item["metadata"]["labels"][names.COMPONENT_LABEL]
        if f"{NO_OPAQUE}.{component}" not in not_opaque:
            annotations[names.OPAQUE_PORTS_ANNOTATION] = _opaque_mark(component)
        if names.REDIRECT_ANNOTATION in annotations:
            arguments = annotations[names.REDIRECT_ANNOTATION].split(" ")
            annotations[names.REDIRECT_ANNOTATION] = {JOINED: {component: arguments}}
        _mark_environment(template["spec"], component)
    return item


def _mark_environment(spec: Json, component: str) -> None:
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        if container["name"] != names.PROXY_CONTAINER:
            continue
        for variable in container["env"]:
            text = variable.get("value", "")
            if variable["name"] == "LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES":
                assert text.startswith(_attributes())
                variable["value"] = ATTRIBUTES
            elif variable["name"] == "LINKERD2_PROXY_LOG":
                variable["value"] = text.replace(HIDE_HEADERS, HEADERS)
            elif variable["name"] == ADDITIONAL:
                variable["name"] = "*"
        container["env"] = {ENVIRONMENT: {component: container["env"]}}


def _attributes() -> str:
    return "".join(f"{key}={text}\n" for key, text in Tracing("", "", "").attributes)


def header(name: str) -> list[str]:
    lines = ['{{- $values := include "tulle.values" $ | fromJson }}']
    for webhook, file in FILES.items():
        if file == name:
            kind, configuration = CONFIGURATIONS[webhook]
            arguments = f'"{webhook}" "{SECRETS[webhook]}" "{SERVICES[webhook]}" "{kind}"'
            call = f'include "tulle.serving" (list $ $values {arguments} "{configuration}")'
            lines.append(f"{{{{- {VARIABLES[webhook]} := {call} | fromJson }}}}")
    return lines


def file_of(item: Json) -> str:
    return str(item["metadata"]["labels"][names.COMPONENT_LABEL])


CHART = Chart(
    "tulle",
    charts.default_values(),
    FREE_MAPS,
    marks,
    objects,
    header,
    file_of,
    forms=FORMS,
    rules=RULES,
    patterns=PATTERNS,
)
