"""The issuer: read from its mounted Secret, proven against the trust anchors, signing leaves."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tulle import names
from tulle.identity import pem

FILES = {  # scheme of the Secret -> its certificate and its key
    names.LINKERD_ISSUER_SCHEME: ("crt.pem", "key.pem"),
    names.KUBERNETES_ISSUER_SCHEME: ("tls.crt", "tls.key"),
}
MAX_CHAIN = 8
MAX_COMMON_NAME = 64  # RFC 5280, ub-common-name


class IssuerError(Exception):
    """Why there is nobody to sign; the message says what to put right."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    leaf: timedelta = timedelta(hours=24)
    clock_skew: timedelta = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Leaf:
    certificate: bytes  # DER
    intermediates: tuple[bytes, ...]  # DER, the issuer's own first
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Issuer:
    """A proven issuer. `chain` leads from its certificate up to, but without, an anchor."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]
    not_after: datetime  # the earliest end of the issuer, its chain and their anchor


def load(folder: Path, scheme: str, anchors: bytes, now: datetime) -> Issuer:
    """The issuer of a mounted Secret. Raises IssuerError for one that cannot sign."""
    certificate_file, key_file = (folder / name for name in FILES[scheme])
    chain = _read_certificates(certificate_file)
    try:
        key = pem.private_key(key_file.read_bytes())
    except (OSError, pem.PemError) as error:
        raise IssuerError(f"cannot read the issuer's key {key_file}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or pem.key_name(key) != "EC P-256":
        raise IssuerError(f"the issuer's key is {pem.key_name(key)}; it must be EC P-256")
    certificate = chain[0]
    if _public_bytes(certificate) != _key_bytes(key):
        raise IssuerError(f"{key_file} is not the key of the certificate in {certificate_file}")
    _require_authority(certificate)
    path = _path(certificate, chain[1:], usable_anchors(anchors), now)
    not_after = min(item.not_valid_after_utc for item in path)
    return Issuer(certificate, key, tuple(path[:-1]) or (certificate,), not_after)


def _read_certificates(file: Path) -> list[x509.Certificate]:
    try:
        found = pem.certificates(file.read_bytes())
    except (OSError, pem.PemError) as error:
        raise IssuerError(f"cannot read the issuer's certificate {file}: {error}") from error
    if not found:
        raise IssuerError(f"there is no certificate in {file}")
    return found


def usable_anchors(text: bytes) -> list[x509.Certificate]:
    """The trust anchors. Raises IssuerError for none, or for one with a key nobody can verify."""
    try:
        found = pem.certificates(text)
    except pem.PemError as error:
        raise IssuerError(f"cannot read the trust anchors: {error}") from error
    if not found:
        raise IssuerError("there is no certificate among the trust anchors")
    for anchor in found:
        kind = pem.key_name(anchor.public_key())
        if not kind.startswith(("EC P-256", "EC P-384", "RSA", "Ed25519")):
            raise IssuerError(
                f"the trust anchor {anchor.subject.rfc4514_string()} has a {kind} key; "
                "it must be EC P-256, EC P-384, RSA or Ed25519"
            )
    return found


def _public_bytes(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _require_authority(certificate: x509.Certificate) -> None:
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        is_authority = None
    if is_authority is None or not is_authority.value.ca:
        raise IssuerError("the issuer's certificate is not a CA: it needs basic constraint CA:TRUE")


def _path(
    certificate: x509.Certificate,
    others: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    now: datetime,
) -> list[x509.Certificate]:
    """From the certificate to an anchor, both included; an anchor that signs itself is alone."""
    path = [certificate]
    while len(path) <= MAX_CHAIN:
        _require_valid(path[-1], now)
        if path[-1] in anchors:
            return path
        if anchor := _signer(path[-1], anchors):
            _require_valid(anchor, now)
            return [*path, anchor]
        above = _signer(path[-1], [other for other in others if other not in path])
        if above is None:
            break
        path.append(above)
    raise IssuerError(
        f"the issuer's certificate {certificate.subject.rfc4514_string()} does not lead to any "
        "trust anchor: put the anchor that signed it into the trust bundle"
    )


def _signer(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate]
) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            certificate.verify_directly_issued_by(candidate)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return candidate
    return None


def _require_valid(certificate: x509.Certificate, now: datetime) -> None:
    name = certificate.subject.rfc4514_string()
    if now >= certificate.not_valid_after_utc:
        ended = certificate.not_valid_after_utc.isoformat()
        raise IssuerError(f"the certificate {name} expired at {ended}: renew the issuer's Secret")
    if now < certificate.not_valid_before_utc:
        begins = certificate.not_valid_before_utc.isoformat()
        raise IssuerError(f"the certificate {name} is not valid before {begins}: check the clock")


def issue(
    issuer: Issuer,
    key: ec.EllipticCurvePublicKey,
    name: str,
    *,
    uri: str | None,
    lifetimes: Lifetimes,
    now: datetime,
) -> Leaf:
    """A leaf for `name`, never valid longer than its issuer. Raises IssuerError past its end."""
    if now >= issuer.not_after:
        ended = issuer.not_after.isoformat()
        raise IssuerError(f"the issuer expired at {ended}: renew its Secret {names.ISSUER_SECRET}")
    not_after = min(now + lifetimes.leaf + lifetimes.clock_skew, issuer.not_after)
    certificate = _leaf(issuer, key, name, uri).not_valid_before(now - lifetimes.clock_skew)
    signed = certificate.not_valid_after(not_after).sign(issuer.key, hashes.SHA256())
    der = serialization.Encoding.DER
    return Leaf(
        signed.public_bytes(der),
        tuple(item.public_bytes(der) for item in issuer.chain),
        signed.not_valid_after_utc,
    )


def _leaf(
    issuer: Issuer, key: ec.EllipticCurvePublicKey, name: str, uri: str | None
) -> x509.CertificateBuilder:
    """Everything but the dates. A name too long for a subject stands in the SAN alone."""
    alternatives: list[x509.GeneralName] = [x509.DNSName(name)]
    if uri is not None:
        alternatives.append(x509.UniformResourceIdentifier(uri))
    fits = len(name) <= MAX_COMMON_NAME
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if fits else []
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_authority_key(issuer.certificate, issuer.key), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=not fits)
    )


def _authority_key(
    certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> x509.AuthorityKeyIdentifier:
    try:
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
