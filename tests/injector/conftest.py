"""A pod, and the settings of an install, for every test to vary."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tulle.injector.settings import Settings

POD: dict[str, Any] = {
    "metadata": {"name": "web-1", "labels": {"app": "web"}},
    "spec": {
        "serviceAccountName": "web",
        "containers": [
            {
                "name": "app",
                "image": "shop/web:1",
                "ports": [{"containerPort": 8080, "name": "http"}],
                "readinessProbe": {"httpGet": {"path": "/", "port": 9000}},
            }
        ],
    },
}


@pytest.fixture
def settings() -> Settings:
    return Settings(trust_anchors_pem="-----BEGIN CERTIFICATE-----\n", version="1.2.3")


@pytest.fixture
def pod() -> dict[str, Any]:
    return copy.deepcopy(POD)


@pytest.fixture
def annotated(pod) -> Callable[..., dict[str, Any]]:
    """The pod with annotations; `_` stands for `config.linkerd.io/`."""

    def make(annotations: dict[str, str]) -> dict[str, Any]:
        full = {
            (f"config.linkerd.io/{key[1:]}" if key.startswith("_") else key): value
            for key, value in annotations.items()
        }
        found = copy.deepcopy(pod)
        found["metadata"]["annotations"] = full
        return found

    return make


def _serving_pair(serial: int) -> tuple[bytes, bytes]:
    """A self-signed certificate for 127.0.0.1 and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "injector")])
    now = datetime.now(UTC)
    address = x509.IPAddress(IPv4Address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, no_secret = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return certificate.public_bytes(pem), key.private_bytes(pem, form, no_secret)


@pytest.fixture
def write_serving_pair() -> Callable[[Path, int], bytes]:
    """Writes tls.crt and tls.key into a folder; gives the certificate."""

    def write(folder: Path, serial: int = 1) -> bytes:
        certificate, key = _serving_pair(serial)
        folder.mkdir(exist_ok=True)
        (folder / "tls.crt").write_bytes(certificate)
        (folder / "tls.key").write_bytes(key)
        return certificate

    return write
