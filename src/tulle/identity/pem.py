"""Certificates and keys out of PEM texts, however pasted: indented, CRLF, with remarks."""

import base64
import binascii
import re

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key

_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)


class PemError(Exception):
    """A PEM text that does not hold what it should."""


def _blocks(text: bytes) -> list[tuple[str, bytes]]:
    found = []
    for label, body in _BLOCK.findall(text.decode("utf-8", "replace")):
        try:
            found.append((label, base64.b64decode("".join(body.split()), validate=True)))
        except binascii.Error as error:
            raise PemError(f"the {label} block is not base64: {error}") from error
    return found


def certificates(text: bytes) -> list[x509.Certificate]:
    found = []
    for label, der in _blocks(text):
        if label in ("CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE"):
            try:
                found.append(x509.load_der_x509_certificate(der))
            except ValueError as error:
                raise PemError(f"certificate {len(found) + 1} cannot be read: {error}") from error
    return found


def private_key(text: bytes) -> PrivateKeyTypes:
    """The first private key of the text, PKCS#8 or SEC1."""
    for label, der in _blocks(text):
        if label == "ENCRYPTED PRIVATE KEY":
            raise PemError("the private key is encrypted: store it without a passphrase")
        if label.endswith("PRIVATE KEY"):
            try:
                return load_der_private_key(der, password=None)
            except (ValueError, TypeError) as error:
                raise PemError("the private key cannot be read") from error
    raise PemError("there is no private key in it")


def key_name(key: object) -> str:
    """What kind of key it is, in the words people know."""
    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return {"secp256r1": "EC P-256", "secp384r1": "EC P-384"}.get(
                key.curve.name, f"EC {key.curve.name}"
            )
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return f"RSA {key.key_size}"
        case ed25519.Ed25519PublicKey() | ed25519.Ed25519PrivateKey():
            return "Ed25519"
    return type(key).__name__
