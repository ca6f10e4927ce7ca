"""Certificates with one thing wrong, and the values that a test varies."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from tulle.install import charts
from tulle.install.manifests import complete

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()


def make(
    name: str,
    parent: Pair | None = None,
    *,
    curve: ec.EllipticCurve | None = None,
    rsa_bits: int = 0,
    is_authority: bool = True,
    path_length: int | None = None,
    signs: bool = True,
    start: datetime.datetime = NOW - DAY,
    end: datetime.datetime = NOW + 365 * DAY,
) -> Pair:
    key: Any = ec.generate_private_key(curve or ec.SECP256R1())
    if rsa_bits:
        key = rsa.generate_private_key(65537, rsa_bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    constraints = x509.BasicConstraints(is_authority, path_length if is_authority else None)
    usage = x509.KeyUsage(True, False, False, False, False, signs, signs, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.certificate.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(constraints, critical=True)
        .add_extension(usage, critical=True)
        .sign(parent.key if parent else key, hashes.SHA256())
    )
    return Pair(certificate, key)


@pytest.fixture
def now() -> datetime.datetime:
    return NOW


@pytest.fixture
def pair() -> Callable[..., Pair]:
    return make


@pytest.fixture
def root() -> Pair:
    return make("root")


@pytest.fixture
def values() -> dict[str, Any]:
    return complete(charts.default_values())
