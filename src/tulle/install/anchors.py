"""The certificates: a trust anchor and an issuer made, or those of a user judged."""

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tulle.install.pem import (
    BadCertificates,
    load_certificates,
    load_private_key,
)
from tulle.serve.self_signed import (
    certificate_builder,
    certificate_pem,
    make_self_signed,
    new_key,
    private_key_pem,
)

ROOT_LIFETIME = datetime.timedelta(days=3650)
ISSUER_LIFETIME = datetime.timedelta(days=365)
RSA_BITS = (2048, 4096)

STEP_HINT = (
    "make one with: step certificate create … --profile intermediate-ca --kty EC --crv P-256"
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """What identity signs with, and what every proxy verifies against. All of it PEM."""

    trust_anchors: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class ServingCertificate:
    """A webhook's own certificate, and what the API server verifies it against."""

    certificate: str
    key: str
    ca_bundle: str


@dataclass(frozen=True, slots=True)
class Sources:
    """How messages name the three inputs: a file's path, or a key of the values."""

    trust_anchors: str = "identityTrustAnchorsPEM"
    certificate: str = "identity.issuer.tls.crtPEM"
    key: str = "identity.issuer.tls.keyPEM"


def make_issuer(namespace: str, trust_domain: str, now: datetime.datetime) -> Issuer:
    """A new trust anchor and an issuer that it signed. The anchor's key is forgotten at once."""
    root_key, issuer_key = new_key(), new_key()
    root = _authority(
        f"root.{namespace}.{trust_domain}",
        root_key,
        None,
        (root_key, now, ROOT_LIFETIME, 1),
    )
    issuer = _authority(
        f"identity.{namespace}.{trust_domain}",
        issuer_key,
        root,
        (root_key, now, ISSUER_LIFETIME, 0),
    )
    return Issuer(certificate_pem(root), certificate_pem(issuer), private_key_pem(issuer_key))


def make_serving_certificate(host: str, now: datetime.datetime) -> ServingCertificate:
    """A certificate for one DNS name that is its own trust anchor."""
    made = make_self_signed(host, now)
    return ServingCertificate(made.certificate, made.key, made.certificate)


def verify_issuer(issuer: Issuer, sources: Sources, now: datetime.datetime) -> None:
    """Raises BadCertificates with the first thing that keeps proxies from trusting the issuer."""
    anchors = load_certificates(issuer.trust_anchors, sources.trust_anchors)
    chain = load_certificates(issuer.certificate, sources.certificate)
    key = load_private_key(issuer.key, sources.key)
    verify_anchors(anchors, sources.trust_anchors, now)
    verify_issuer_chain(chain, anchors, sources, now)
    if key.public_key() != chain[0].public_key():
        raise BadCertificates(f"{sources.key} is not the key of {sources.certificate}")


def verify_anchors(anchors: list[x509.Certificate], source: str, now: datetime.datetime) -> None:
    for anchor in anchors:
        verify_anchor_crypto(anchor, source)
        _require_authority(anchor, source)
    if not any(_is_current(anchor, now) for anchor in anchors):
        verify_current(anchors[0], source, now)


def verify_anchor_crypto(anchor: x509.Certificate, source: str) -> None:
    key = anchor.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return
    if isinstance(key, rsa.RSAPublicKey) and key.key_size in RSA_BITS:
        return
    raise BadCertificates(
        f"{source}: {common_name(anchor)} has {_key_words(anchor)}; "
        "a trust anchor needs a P-256 key, or RSA of 2048 or 4096 bits"
    )


def verify_issuer_crypto(certificate: x509.Certificate, source: str) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadCertificates(
            f"{source}: the issuer {common_name(certificate)} has {_key_words(certificate)}; "
            f"proxies accept P-256 only; {STEP_HINT}"
        )


def verify_issuer_chain(
    chain: list[x509.Certificate],
    anchors: list[x509.Certificate],
    sources: Sources,
    now: datetime.datetime,
) -> None:
    verify_issuer_crypto(chain[0], sources.certificate)
    _require_authority(chain[0], sources.certificate)
    verify_current(chain[0], sources.certificate, now)
    verify_signed_by(chain, anchors, sources)


def verify_current(certificate: x509.Certificate, source: str, now: datetime.datetime) -> None:
    end, start = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    if now > end:
        raise BadCertificates(f"{source}: {common_name(certificate)} expired on {_when(end)}")
    if now < start:
        raise BadCertificates(
            f"{source}: {common_name(certificate)} is not valid before {_when(start)}; "
            "is this machine's clock right?"
        )


def verify_signed_by(
    chain: list[x509.Certificate], anchors: list[x509.Certificate], sources: Sources
) -> None:
    """Each certificate of the chain is signed by the next one, and one of them by an anchor."""
    for below, certificate in enumerate(chain):
        for anchor in anchors:
            if certificate == anchor or _is_signed_by(certificate, anchor):
                _require_path_length(anchor, below + (certificate != anchor), sources)
                return
        following = chain[below + 1 : below + 2]
        if not following or not _is_signed_by(certificate, following[0]):
            break
    raise BadCertificates(
        f"{sources.certificate}: {common_name(chain[0])} (signed by "
        f"{chain[0].issuer.rfc4514_string()}) was not signed by any certificate in "
        f"{sources.trust_anchors}; give the trust anchor that signed it"
    )


def verify_serving(text: str, ca_bundle: str, host: str, now: datetime.datetime) -> None:
    """What the API server would ask of a webhook's certificate."""
    certificate = load_certificates(text, "the webhook's certificate")[0]
    authorities = load_certificates(ca_bundle, "the webhook's caBundle")
    verify_current(certificate, "the webhook's certificate", now)
    if not any(certificate == item or _is_signed_by(certificate, item) for item in authorities):
        raise BadCertificates(
            "the webhook's certificate was not signed by its caBundle, so the API server refuses "
            "it; `tulle upgrade` renders a pair that fits"
        )
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        hosts = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        hosts = []
    if host not in hosts:
        raise BadCertificates(
            f"the webhook's certificate is for {', '.join(hosts) or 'no host'}, not for {host}"
        )


def common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return f'"{names[0].value!s}"' if names else "a certificate without a common name"


def _require_path_length(
    anchor: x509.Certificate, authorities_below: int, sources: Sources
) -> None:
    constraints = anchor.extensions.get_extension_for_class(x509.BasicConstraints).value
    allowed = constraints.path_length
    if allowed is not None and allowed < authorities_below:
        raise BadCertificates(
            f"{sources.trust_anchors}: {common_name(anchor)} allows no certificate authority "
            f"below it (path length {allowed}), so it cannot vouch for an issuer"
        )


def _require_authority(certificate: x509.Certificate, source: str) -> None:
    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        is_authority = found.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority:
        raise BadCertificates(
            f"{source}: {common_name(certificate)} is not a certificate authority "
            f"(basicConstraints CA:TRUE is missing); {STEP_HINT}"
        )
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise BadCertificates(
            f"{source}: {common_name(certificate)} may not sign certificates "
            "(its key usage lacks Certificate Sign)"
        )


def _is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    if certificate.issuer != authority.subject:
        return False
    key, algorithm = authority.public_key(), certificate.signature_hash_algorithm
    signed, signature = certificate.tbs_certificate_bytes, certificate.signature
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm:
            key.verify(signature, signed, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_current(certificate: x509.Certificate, now: datetime.datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _authority(
    common: str,
    key: ec.EllipticCurvePrivateKey,
    parent: x509.Certificate | None,
    signing: tuple[ec.EllipticCurvePrivateKey, datetime.datetime, datetime.timedelta, int],
) -> x509.Certificate:
    signing_key, now, lifetime, path_length = signing
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        certificate_builder(name, parent.subject if parent else name, key, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
    )
    return builder.sign(signing_key, hashes.SHA256())


def _key_words(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"an RSA key of {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"a key on the curve {key.curve.name}"
    return f"a key of the kind {type(key).__name__.strip('_')}"


def _when(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
