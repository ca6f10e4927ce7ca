"""From what the user gave to what is rendered: layered values, and certificates."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tulle.install import charts
from tulle.install.anchors import (
    Issuer,
    ServingCertificate,
    Sources,
    make_issuer,
    make_serving_certificate,
    verify_anchors,
    verify_issuer,
)
from tulle.install.manifests import Certificates, complete
from tulle.install.pem import BadCertificates, load_certificates
from tulle.install.validate import validate
from tulle.install.values import (
    BadValue,
    merge,
    parse_set,
    parse_set_file,
    read_values_file,
)
from tulle.install.webhooks import injector_host, validator_host

Json = dict[str, Any]

CERTIFICATE_FLAGS = {
    "identity-trust-anchors-file": "identityTrustAnchorsPEM",
    "identity-issuer-certificate-file": "identity.issuer.tls.crtPEM",
    "identity-issuer-key-file": "identity.issuer.tls.keyPEM",
}
EXTERNAL_SCHEME = "kubernetes.io/tls"


@dataclass(frozen=True, slots=True)
class Given:
    """What stands on the command line, in the order in which the later wins."""

    high_availability: bool = False
    files: Sequence[str] = ()
    settings: Sequence[str] = ()
    texts: Sequence[str] = ()
    contents: Sequence[str] = ()
    flags: Json | None = None


def values_from(given: Given, stored: Json | None = None) -> Json:
    """Defaults, then HA's, what is stored in the cluster, files, --set and the flags."""
    found = charts.default_values()
    if given.high_availability:
        found = merge(found, charts.high_availability_values(), source="values-ha.yaml")
    found = complete(layered(found, given, stored))
    validate(found)
    return found


def layered(base: Json, given: Given, stored: Json | None = None) -> Json:
    """What is given, laid on the defaults; a key that they do not know is refused."""
    layers: list[tuple[str, Json]] = [("the stored values", stored or {})]
    layers += [(path, read_values_file(path)) for path in given.files]
    layers += [("--set", parse_set(text)) for text in given.settings]
    layers += [("--set-string", parse_set(text, as_text=True)) for text in given.texts]
    layers += [("--set-file", parse_set_file(text)) for text in given.contents]
    layers.append(("the flags", given.flags or {}))
    found = base
    for source, layer in layers:
        found = merge(found, layer, source=source)
    return found


def certificates(
    values: Json,
    namespace: str,
    now: datetime.datetime,
    *,
    sources: Sources | None = None,
    stored: Certificates | None = None,
) -> Certificates:
    """Given ones are judged; stored ones are kept; what is neither is made."""
    issuer, anchors = _issuer(values, namespace, now, sources or Sources(), stored)
    injector = _serving(
        values, "proxyInjector", injector_host(namespace), now, stored.serving if stored else None
    )
    validator = _serving(
        values,
        "policyValidator",
        validator_host(namespace),
        now,
        stored.validating if stored else None,
    )
    return Certificates(issuer, injector, anchors, validator)


def _issuer(
    values: Json,
    namespace: str,
    now: datetime.datetime,
    sources: Sources,
    stored: Certificates | None,
) -> tuple[Issuer | None, str]:
    tls = values["identity"]["issuer"]["tls"]
    given = Issuer(values["identityTrustAnchorsPEM"], tls["crtPEM"], tls["keyPEM"])
    is_external = values["identity"]["externalCA"]
    if values["identity"]["issuer"]["scheme"] == EXTERNAL_SCHEME:
        return None, _external_anchors(given, is_external, sources, now, stored)
    if is_external:
        raise BadValue(
            "--identity-external-ca needs --identity-external-issuer: "
            "who writes the trust anchors must write the issuer's Secret too"
        )
    if stored and stored.issuer and not (given.certificate or given.key):
        kept = stored.issuer
        merged = Issuer(given.trust_anchors or kept.trust_anchors, kept.certificate, kept.key)
        verify_issuer(merged, sources, now)
        return merged, merged.trust_anchors
    if not _all_or_none(given, sources):
        made = make_issuer(namespace, values["identityTrustDomain"], now)
        return made, made.trust_anchors
    verify_issuer(given, sources, now)
    return given, given.trust_anchors


def _external_anchors(
    given: Issuer,
    is_external: bool,
    sources: Sources,
    now: datetime.datetime,
    stored: Certificates | None,
) -> str:
    if given.certificate or given.key:
        raise BadValue(
            "--identity-external-issuer says that somebody else writes the issuer's Secret, "
            f"so {sources.certificate} and {sources.key} must not be given"
        )
    anchors = given.trust_anchors or (stored.trust_anchors if stored else "")
    if anchors:
        verify_anchors(
            load_certificates(anchors, sources.trust_anchors), sources.trust_anchors, now
        )
    elif not is_external:
        raise BadValue(
            "--identity-external-issuer needs the trust anchors of that issuer: give "
            "--identity-trust-anchors-file, or --identity-external-ca if their ConfigMap is "
            "written by somebody else too"
        )
    return anchors


def _all_or_none(given: Issuer, sources: Sources) -> bool:
    parts = {
        sources.trust_anchors: given.trust_anchors,
        sources.certificate: given.certificate,
        sources.key: given.key,
    }
    missing = [name for name, text in parts.items() if not text]
    if missing and len(missing) < len(parts):
        flags = ", ".join(f"--{flag}" for flag in CERTIFICATE_FLAGS)
        raise BadCertificates(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: give "
            f"{flags} together, or none of them to have certificates made"
        )
    return not missing


def _serving(
    values: Json,
    key: str,
    host: str,
    now: datetime.datetime,
    stored: ServingCertificate | None,
) -> ServingCertificate | None:
    """Of the webhook whose settings stand below `key`."""
    settings = values[key]
    if settings["externalSecret"]:
        if not (settings["caBundle"] or settings["injectCaFrom"]):
            raise BadValue(
                f"{key}.externalSecret needs {key}.caBundle or {key}.injectCaFrom, or the API "
                "server would not trust the webhook"
            )
        return None
    if settings["crtPEM"] or settings["keyPEM"]:
        if not (settings["crtPEM"] and settings["keyPEM"]):
            raise BadValue(f"{key}.crtPEM and {key}.keyPEM go together")
        bundle = settings["caBundle"] or settings["crtPEM"]
        return ServingCertificate(settings["crtPEM"], settings["keyPEM"], bundle)
    return stored or make_serving_certificate(host, now)
