"""PEM texts come as people paste them."""

import textwrap

import pytest
from cryptography.hazmat.primitives import serialization

from tulle.identity import pem


def test_certificates_are_found_however_they_were_pasted(make) -> None:
    one, two = make("one"), make("two")
    text = (
        "# the roots of staging\r\nsubject=/CN=one\r\n"
        + textwrap.indent(one.pem.decode(), "    ").replace("\n", "\r\n")
        + "some words between\n"
        + two.pem.decode().rstrip("\n")
    )
    assert pem.certificates(text.encode()) == [one.certificate, two.certificate]


def test_no_certificate_is_an_empty_list() -> None:
    assert pem.certificates(b"nothing here") == []


@pytest.mark.parametrize("form", ["TraditionalOpenSSL", "PKCS8"])
def test_keys_of_both_formats(make, form) -> None:
    signed = make("ca")
    parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    text = parameters + signed.key_pem(getattr(serialization.PrivateFormat, form))
    assert pem.private_key(text).private_numbers() == signed.key.private_numbers()


def test_a_damaged_block_is_named(make) -> None:
    with pytest.raises(pem.PemError, match="not base64"):
        pem.certificates(b"-----BEGIN CERTIFICATE-----\n??\n-----END CERTIFICATE-----\n")
    with pytest.raises(pem.PemError, match="certificate 1 cannot be read"):
        pem.certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def test_a_key_with_a_passphrase_is_refused_in_words(make) -> None:
    text = make("ca").key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(pem.PemError, match="without a passphrase"):
        pem.private_key(text)
