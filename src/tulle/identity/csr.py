"""Reading a certificate signing request: exactly one name, and a key that it owns. Pure."""

import warnings

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tulle.identity import pem


class CsrUnreadable(Exception):
    """Bytes that are no certificate signing request."""


class CsrRefused(Exception):
    """A request for something else than the one name, or with a key we do not certify."""


def parse(der: bytes) -> x509.CertificateSigningRequest:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a common name of more than 64 characters
            request = x509.load_der_x509_csr(der)
            request.subject  # noqa: B018 read now, as it warns when it is first read
            return request
    except ValueError as error:
        raise CsrUnreadable(f"the certificate signing request cannot be read: {error}") from error


def certifiable_key(
    request: x509.CertificateSigningRequest, expected: str, uri: str
) -> ec.EllipticCurvePublicKey:
    """The public key of a request for `expected` alone; of URIs it may name `uri`."""
    if not request.is_signature_valid:
        raise CsrRefused("the certificate signing request is not signed with its own key")
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or pem.key_name(key) != "EC P-256":
        raise CsrRefused(f"the request's key is {pem.key_name(key)}; it must be EC P-256")
    _require_names(request, expected, uri)
    return key


def _require_names(request: x509.CertificateSigningRequest, expected: str, uri: str) -> None:
    for attribute in request.subject:
        if attribute.oid != NameOID.COMMON_NAME or attribute.value not in ("", expected):
            raise CsrRefused(
                f"the request's subject {request.subject.rfc4514_string()} is not {expected}"
            )
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise CsrRefused("the request must have exactly one DNS name; it has none") from None
    asked = found.get_values_for_type(x509.DNSName)
    if len(asked) != 1:
        raise CsrRefused(f"the request must have exactly one DNS name; it has {len(asked)}")
    if asked[0] != expected:
        raise CsrRefused(f"the request is for {asked[0]}, not for {expected}")
    for other in found:
        if isinstance(other, x509.DNSName):
            continue
        if not isinstance(other, x509.UniformResourceIdentifier) or other.value != uri:
            raise CsrRefused(f"the request names {other.value}, which cannot be proven")
