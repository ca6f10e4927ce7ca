"""PEM text in and out, with sentences for text that is not what it should be."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


class BadCertificates(Exception):
    """Certificates or a key that the mesh could not work with; the message is for the user."""


def load_certificates(text: str, source: str) -> list[x509.Certificate]:
    """Every certificate in a PEM text, in its order; at least one."""
    if "PRIVATE KEY-----" in text:
        raise BadCertificates(f"{source} holds a private key; a certificate belongs there")
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise BadCertificates(f"{source} is not PEM: it has no -----BEGIN CERTIFICATE----- line")
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise BadCertificates(f"{source} is not a readable certificate: {error}") from error


def load_private_key(text: str, source: str) -> PrivateKeyTypes:
    if "PRIVATE KEY-----" not in text:
        raise BadCertificates(f"{source} is not PEM: it has no -----BEGIN … PRIVATE KEY----- line")
    try:
        return serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise BadCertificates(
            f"{source} is encrypted; decrypt it first: openssl ec -in KEY -out PLAIN-KEY"
        ) from error
    except ValueError as error:
        raise BadCertificates(f"{source} is not a readable private key: {error}") from error


def expiry(text: str, source: str) -> datetime.datetime:
    """When the first certificate of a PEM text ends."""
    return load_certificates(text, source)[0].not_valid_after_utc
