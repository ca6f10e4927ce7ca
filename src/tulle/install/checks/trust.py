"""Checks of certificates: anchors, issuer, the injector, and what proxies hold."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from tulle import names
from tulle.install.anchors import (
    Sources,
    common_name,
    verify_anchor_crypto,
    verify_current,
    verify_issuer_crypto,
    verify_serving,
    verify_signed_by,
)
from tulle.install.checks.facts import Facts
from tulle.install.checks.model import Category, Check, Failed, Level
from tulle.install.objects import decoded
from tulle.install.pem import BadCertificates, load_certificates, load_private_key
from tulle.install.webhooks import injector_host, validator_host
from tulle.install.workload_trust import proxy_container, trust_anchors

Json = dict[str, Any]

SOON = datetime.timedelta(days=60)
ROOTS = f"ConfigMap {names.TRUST_ROOTS_CONFIGMAP}"
ISSUER = f"Secret {names.ISSUER_SECRET}"
SOURCES = Sources(ROOTS, ISSUER, ISSUER)


def _judged(judge: Callable[[Facts], None]) -> Callable[[Facts], None]:
    def call(facts: Facts) -> None:
        try:
            judge(facts)
        except BadCertificates as error:
            raise Failed(str(error)) from error

    return call


def _bundle(facts: Facts) -> str:
    item = facts.one("roots")
    if item is None:
        raise Failed(f"the {ROOTS} does not exist in {facts.namespace}")
    text = (item.get("data") or {}).get("ca-bundle.crt")
    if not text:
        raise Failed(f"the {ROOTS} has no key ca-bundle.crt")
    return str(text)


def _roots(facts: Facts) -> list[x509.Certificate]:
    return load_certificates(_bundle(facts), ROOTS)


def _issuer(facts: Facts) -> list[x509.Certificate]:
    return load_certificates(_issuer_texts(facts)[0], ISSUER)


def _issuer_texts(facts: Facts) -> tuple[str, str]:
    item = facts.one("issuer")
    if item is None:
        raise Failed(f"the {ISSUER} does not exist in {facts.namespace}")
    data = item.get("data") or {}
    is_external = item.get("type") == "kubernetes.io/tls"
    keys = ("tls.crt", "tls.key") if is_external else ("crt.pem", "key.pem")
    missing = [key for key in keys if key not in data]
    if missing:
        raise Failed(f"the {ISSUER} lacks {' and '.join(missing)}")
    return decoded(data[keys[0]]), decoded(data[keys[1]])


def _config_valid(facts: Facts) -> None:
    certificate, key = _issuer_texts(facts)
    chain = load_certificates(certificate, ISSUER)
    if load_private_key(key, ISSUER).public_key() != chain[0].public_key():
        raise Failed(f"the key in the {ISSUER} does not belong to its certificate")


def _roots_crypto(facts: Facts) -> None:
    for root in _roots(facts):
        verify_anchor_crypto(root, ROOTS)


def _roots_current(facts: Facts) -> None:
    for root in _roots(facts):
        verify_current(root, ROOTS, facts.now)


def _roots_not_expiring(facts: Facts) -> None:
    for root in _roots(facts):
        not_expiring(root, facts, ROOTS)


def not_expiring(certificate: x509.Certificate, facts: Facts, source: str) -> None:
    end = certificate.not_valid_after_utc
    if end - facts.now < SOON:
        days = (end - facts.now).days
        raise Failed(
            f"{common_name(certificate)} in the {source} expires on {end:%Y-%m-%d}, "
            f"in {days} days; replace it before"
        )


def _issuer_crypto(facts: Facts) -> None:
    verify_issuer_crypto(_issuer(facts)[0], ISSUER)


def _issuer_current(facts: Facts) -> None:
    verify_current(_issuer(facts)[0], ISSUER, facts.now)


def _issuer_not_expiring(facts: Facts) -> None:
    not_expiring(_issuer(facts)[0], facts, ISSUER)


def _issuer_signed(facts: Facts) -> None:
    verify_signed_by(_issuer(facts), _roots(facts), SOURCES)


@dataclass(frozen=True, slots=True)
class _Served:
    """A webhook's certificate: the facts that hold it and its trust, and its name."""

    secret_fact: str
    secret: str
    webhook_fact: str
    host: Callable[[str], str]

    def text(self, facts: Facts) -> str:
        data = (facts.one(self.secret_fact) or {}).get("data") or {}
        if not data.get("tls.crt"):
            raise Failed(
                f"the Secret {self.secret} with tls.crt does not exist in {facts.namespace}; "
                "`tulle upgrade` renders it again"
            )
        return decoded(data["tls.crt"])

    def is_trusted(self, facts: Facts) -> None:
        hooks = (facts.one(self.webhook_fact) or {}).get("webhooks") or []
        bundle = hooks[0]["clientConfig"].get("caBundle") if hooks else None
        if not bundle:
            raise Failed(
                "the webhook's configuration has no caBundle, so the API server trusts nobody"
            )
        verify_serving(self.text(facts), decoded(bundle), self.host(facts.namespace), facts.now)

    def lasts(self, facts: Facts) -> None:
        source = f"Secret {self.secret}"
        not_expiring(load_certificates(self.text(facts), source)[0], facts, source)


_INJECTOR = _Served("injector tls", names.INJECTOR_TLS_SECRET, "webhook", injector_host)
_VALIDATOR = _Served(
    "validator tls", names.POLICY_VALIDATOR_TLS_SECRET, "validator webhook", validator_host
)


def _proxies_match(facts: Facts) -> None:
    wanted = _bundle(facts).strip()
    stale = []
    for pod in facts.many("pods"):
        within = facts.data_namespace in (None, pod["metadata"]["namespace"])
        anchors = trust_anchors(pod) if within and proxy_container(pod) else None
        if anchors is not None and anchors.strip() != wanted:
            stale.append(f"{pod['metadata']['namespace']}/{pod['metadata']['name']}")
    if stale:
        shown = ", ".join(stale[:10]) + (f" and {len(stale) - 10} more" if stale[10:] else "")
        raise Failed(f"these pods started with other trust anchors; restart them: {shown}")


def _check(anchor: str, text: str, judge: Callable[[Facts], None], level: Level) -> Check:
    return Check(anchor, text, _judged(judge), level)


IDENTITY = Category(
    "tulle-identity",
    (
        _check(
            "l5d-identity-cert-config-valid",
            "the issuer's Secret can be used",
            _config_valid,
            Level.FATAL,
        ),
        _check(
            "l5d-identity-trustAnchors-use-supported-crypto",
            "the trust anchors have keys that proxies accept",
            _roots_crypto,
            Level.FATAL,
        ),
        _check(
            "l5d-identity-trustAnchors-are-time-valid",
            "the trust anchors are valid now",
            _roots_current,
            Level.FATAL,
        ),
        _check(
            "l5d-identity-trustAnchors-not-expiring-soon",
            "the trust anchors are valid for 60 days more",
            _roots_not_expiring,
            Level.WARNING,
        ),
        _check(
            "l5d-identity-issuer-cert-uses-supported-crypto",
            "the issuer has a key that proxies accept",
            _issuer_crypto,
            Level.FATAL,
        ),
        _check(
            "l5d-identity-issuer-cert-is-time-valid",
            "the issuer is valid now",
            _issuer_current,
            Level.FATAL,
        ),
        _check(
            "l5d-identity-issuer-cert-not-expiring-soon",
            "the issuer is valid for 60 days more",
            _issuer_not_expiring,
            Level.WARNING,
        ),
        _check(
            "l5d-identity-issuer-cert-issued-by-trust-anchor",
            "a trust anchor signed the issuer",
            _issuer_signed,
            Level.ERROR,
        ),
    ),
)
WEBHOOKS = Category(
    "tulle-webhooks-and-apisvc-tls",
    (
        _check(
            "l5d-proxy-injector-webhook-cert-valid",
            "the API server trusts the injector's certificate",
            _INJECTOR.is_trusted,
            Level.FATAL,
        ),
        _check(
            "l5d-proxy-injector-webhook-cert-not-expiring-soon",
            "the injector's certificate is valid for 60 days more",
            _INJECTOR.lasts,
            Level.WARNING,
        ),
        _check(
            "l5d-policy-validator-webhook-cert-valid",
            "the API server trusts the policy validator's certificate",
            _VALIDATOR.is_trusted,
            Level.FATAL,
        ),
        _check(
            "l5d-policy-validator-webhook-cert-not-expiring-soon",
            "the policy validator's certificate is valid for 60 days more",
            _VALIDATOR.lasts,
            Level.WARNING,
        ),
    ),
)
IDENTITY_DATA_PLANE = Category(
    "tulle-identity-data-plane",
    (
        _check(
            "l5d-identity-data-plane-proxies-certs-match-ca",
            "every proxy has the current trust anchors",
            _proxies_match,
            Level.WARNING,
        ),
    ),
)
