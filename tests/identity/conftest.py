"""Certificates made for a test, and a clock that the test sets."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

NAME = "web.shop.serviceaccount.identity.tulle.cluster.local"
START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Signed:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self, form: Any = serialization.PrivateFormat.TraditionalOpenSSL) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption()
        )


def new_key(kind: str) -> Any:
    return {
        "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate,
    }[kind]()


def authority(
    name: str,
    *,
    by: Signed | None = None,
    kind: str = "P-256",
    life: timedelta = timedelta(days=365),
    begins: datetime = START - timedelta(days=1),
    ca: bool = True,
) -> Signed:
    """A CA certificate, signed by `by` or by itself."""
    key = new_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.key if by else key
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + life)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(signer, None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return Signed(certificate, key)


def request(
    *names: x509.GeneralName, common_name: str | None = None, kind: str = "P-256"
) -> tuple[bytes, Any]:
    """A CSR in DER, and its key. Without names: one for NAME."""
    key = new_key(kind)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    alternatives = list(names) or [x509.DNSName(NAME)]
    builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER), key


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make() -> Callable[..., Signed]:
    return authority


@pytest.fixture
def make_request() -> Callable[..., tuple[bytes, Any]]:
    return request


@dataclass
class Mounted:
    """An issuer's Secret and the trust roots, as the pod sees them."""

    folder: Path
    anchors: Path
    root: Signed
    issuer: Signed

    def write(self, issuer: Signed, *above: Signed) -> None:
        chain = b"".join(item.pem for item in (issuer, *above))
        (self.folder / "crt.pem").write_bytes(chain)
        (self.folder / "key.pem").write_bytes(issuer.key_pem())
        self.issuer = issuer


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    root = authority("root", life=timedelta(days=3650))
    issuer = authority("issuer", by=root)
    folder = tmp_path / "issuer"
    folder.mkdir()
    anchors = tmp_path / "ca-bundle.crt"
    anchors.write_bytes(root.pem)
    found = Mounted(folder, anchors, root, issuer)
    found.write(issuer)
    return found


# What the component says that it needs.
RULES = [
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
]


@pytest_asyncio.fixture
async def component(kubeconfig_of, run_component, tmp_path):
    """`python -m tulle.identity` with an issuer that is valid now; it, its root and its issuer."""
    begins = datetime.now(UTC) - timedelta(minutes=1)
    root = authority("root", begins=begins)
    issuer = authority("issuer", by=root, begins=begins)
    (tmp_path / "ca-bundle.crt").write_bytes(root.pem)
    (tmp_path / "crt.pem").write_bytes(issuer.pem)
    (tmp_path / "key.pem").write_bytes(issuer.key_pem())
    account = f"identity-{uuid4().hex[:8]}"
    found = run_component(
        "tulle.identity",
        *("--kubeconfig", await kubeconfig_of(account, RULES)),
        *("--issuer", tmp_path, "--trust-roots", tmp_path / "ca-bundle.crt"),
        *("--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"),
    )
    return found, root, issuer
