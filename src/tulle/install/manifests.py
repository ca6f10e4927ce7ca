"""The control plane as Kubernetes objects: the same input gives the same objects."""

import copy
from dataclasses import dataclass
from typing import Any

import yaml

from tulle import names
from tulle.injector.settings import Settings, ValuesError
from tulle.injector.sidecar import Owner, inject
from tulle.install import charts, pem
from tulle.install.anchors import Issuer, ServingCertificate
from tulle.install.objects import (
    Place,
    config_map,
    digest,
    namespace,
    secret,
    service,
)
from tulle.install.rbac import accounts
from tulle.install.values import BadValue
from tulle.install.webhooks import (
    injector_secret,
    injector_webhook,
    renews_certificate,
    validator_secret,
    validator_webhook,
)
from tulle.install.workloads import Component, components, deployment, disruption_budget

Json = dict[str, Any]
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What is rendered as it is. None: somebody else writes that object."""

    issuer: Issuer | None
    serving: ServingCertificate | None  # the injector's
    trust_anchors: str
    validating: ServingCertificate | None = None  # the policy validator's


def complete(values: Json) -> Json:
    """The values with each empty one that has a computed default filled in."""
    found = copy.deepcopy(values)
    found["linkerdVersion"] = found["linkerdVersion"] or names.VERSION
    version = found["linkerdVersion"]
    found["controllerImageVersion"] = found["controllerImageVersion"] or version
    image = found["proxy"]["image"]
    image["version"] = image["version"] or version
    image["pullPolicy"] = image["pullPolicy"] or found["imagePullPolicy"]
    found["identityTrustDomain"] = found["identityTrustDomain"] or found["clusterDomain"]
    return found


def without_keys(values: Json) -> Json:
    """The values as ConfigMap and Secret may hold them: no private key."""
    found = copy.deepcopy(values)
    found["identity"]["issuer"]["tls"]["keyPEM"] = ""
    for webhook in ("proxyInjector", "policyValidator"):
        found[webhook]["keyPEM"] = ""
    return found


def overrides(values: Json, defaults: Json) -> Json:
    """What the values say differently from the defaults, as a tree."""
    found: Json = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            if inner := overrides(value, default):
                found[key] = inner
        elif value != default:
            found[key] = value
    return found


def settings_of(values: Json, control_namespace: str) -> Settings:
    try:
        return Settings.from_values(values, control_namespace=control_namespace)
    except ValuesError as error:
        raise BadValue(str(error)) from error


def render(
    values: Json, certificates: Certificates, control_namespace: str, *, maker: str = "cli"
) -> list[Json]:
    """Every object of the control plane, in the order in which they are applied.

    Helm remembers the values of a release by itself.
    """
    created_by = f"{names.PROGRAM}/{maker} {values['linkerdVersion']}"
    place = Place(control_namespace, created_by, values["commonLabels"])
    published = without_keys(values)
    published["identityTrustAnchorsPEM"] = certificates.trust_anchors
    text = _text(published)
    injector, validator = certificates.serving, certificates.validating
    return [
        namespace(place),
        *accounts(
            place,
            renews_injector=renews_certificate(values, "proxyInjector"),
            renews_validator=renews_certificate(values, "policyValidator"),
        ),
        *_configuration(place, text, values, certificates),
        *_services(place),
        *_workloads(place, published, digest(text)),
        injector_webhook(place, values, _trusted(values, "proxyInjector", injector)),
        validator_webhook(place, values, _trusted(values, "policyValidator", validator)),
        *([_stored_overrides(place, values)] if maker == "cli" else []),
    ]


def _text(values: Json) -> str:
    text: str = yaml.dump(values, Dumper=Dumper, sort_keys=True)
    return text


def _trusted(values: Json, webhook: str, serving: ServingCertificate | None) -> str:
    return serving.ca_bundle if serving else str(values[webhook]["caBundle"])


def _configuration(place: Place, text: str, values: Json, certificates: Certificates) -> list[Json]:
    found = [config_map(place, names.CONFIG_CONFIGMAP, "controller", {"values": text})]
    if not values["identity"]["externalCA"]:
        bundle = {"ca-bundle.crt": certificates.trust_anchors}
        found.append(config_map(place, names.TRUST_ROOTS_CONFIGMAP, "identity", bundle))
    if certificates.issuer:
        found.append(_issuer_secret(place, certificates.issuer))
    if certificates.serving:
        found.append(injector_secret(place, certificates.serving))
    if certificates.validating:
        found.append(validator_secret(place, certificates.validating))
    return found


def _issuer_secret(place: Place, issuer: Issuer) -> Json:
    data = {"crt.pem": issuer.certificate, "key.pem": issuer.key}
    found = secret(place, names.ISSUER_SECRET, "identity", data)
    expiry = pem.expiry(issuer.certificate, "the issuer's certificate")
    found["metadata"]["annotations"] = {
        names.ISSUER_EXPIRY_ANNOTATION: expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    return found


def _services(place: Place) -> list[Json]:
    identity = ("grpc", names.IDENTITY_GRPC_PORT, names.IDENTITY_GRPC_PORT)
    destination = ("grpc", names.DESTINATION_GRPC_PORT, names.DESTINATION_GRPC_PORT)
    policy = ("grpc", names.POLICY_GRPC_PORT, names.POLICY_GRPC_PORT)
    injector = ("proxy-injector", 443, "proxy-injector")
    validator = ("policy-https", 443, "policy-https")
    return [
        service(place, names.IDENTITY, "identity", identity),
        service(place, names.IDENTITY_HEADLESS_SERVICE, "identity", identity, headless=True),
        service(place, names.DESTINATION_SERVICE, "destination", destination),
        service(
            place, names.DESTINATION_HEADLESS_SERVICE, "destination", destination, headless=True
        ),
        service(place, names.POLICY_SERVICE, "destination", policy, headless=True),
        service(place, names.POLICY_VALIDATOR_SERVICE, "destination", validator),
        service(place, names.PROXY_INJECTOR, "proxy-injector", injector),
    ]


def _workloads(place: Place, values: Json, checksum: str) -> list[Json]:
    settings = settings_of(values, place.namespace)
    found = []
    for component in components(values, place.namespace):
        bare = deployment(place, component, values, checksum)
        found.append(_meshed(place, component, bare, settings))
        if values["enablePodDisruptionBudget"]:
            found.append(disruption_budget(place, component, values))
    return found


def _meshed(place: Place, component: Component, bare: Json, settings: Settings) -> Json:
    injection = inject(
        bare["spec"]["template"],
        settings,
        namespace=place.namespace,
        namespace_annotations={},
        owner=Owner("Deployment", component.name),
        component=component.name,
        created_by=place.created_by,
    )
    bare["spec"]["template"] = injection.pod
    return bare


def _stored_overrides(place: Place, values: Json) -> Json:
    """What an upgrade starts from. The certificates stay in their own objects."""
    found = overrides(without_keys(values), complete(charts.default_values()))
    data = {"tulle-config-overrides": _text(found)}
    return secret(place, names.OVERRIDES_SECRET, "controller", data)
