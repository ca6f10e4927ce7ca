"""Certificates that are made hold; those that a user gives are refused with the reason."""

import datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tulle.install.anchors import (
    Issuer,
    Sources,
    make_issuer,
    make_serving_certificate,
    verify_issuer,
    verify_serving,
)
from tulle.install.pem import BadCertificates, load_certificates

SOURCES = Sources("ca.crt", "issuer.crt", "issuer.key")
DAY = datetime.timedelta(days=1)


def test_what_is_made_is_accepted(now):
    issuer = make_issuer("tulle", "cluster.local", now)
    verify_issuer(issuer, SOURCES, now)


def test_root_and_issuer_are_two_certificates(now):
    issuer = make_issuer("tulle", "cluster.local", now)
    root = load_certificates(issuer.trust_anchors, "")[0]
    signed = load_certificates(issuer.certificate, "")[0]
    assert signed.subject != root.subject
    assert signed.issuer == root.subject
    assert issuer.key not in issuer.trust_anchors + issuer.certificate


def test_the_made_issuer_may_not_make_authorities(now, pair):
    made = make_issuer("tulle", "cluster.local", now)
    again = make_issuer("tulle", "cluster.local", now)
    with pytest.raises(BadCertificates, match="not signed by any certificate in ca"):
        verify_issuer(Issuer(again.trust_anchors, made.certificate, made.key), SOURCES, now)


def test_a_given_pair_is_accepted(now, pair, root):
    issuer = pair("issuer", root)
    verify_issuer(Issuer(root.pem, issuer.pem, issuer.key_pem), SOURCES, now)


def test_an_rsa_anchor_is_accepted(now, pair):
    root = pair("root", rsa_bits=2048)
    issuer = pair("issuer", root)
    verify_issuer(Issuer(root.pem, issuer.pem, issuer.key_pem), SOURCES, now)


def test_a_chain_by_an_intermediate_is_accepted(now, pair, root):
    middle = pair("middle", root)
    issuer = pair("issuer", middle)
    verify_issuer(Issuer(root.pem, issuer.pem + middle.pem, issuer.key_pem), SOURCES, now)


def test_a_bundle_with_an_expired_anchor_holds_while_another_is_valid(now, pair, root):
    old = pair("old", end=now - DAY, start=now - 9 * DAY)
    issuer = pair("issuer", root)
    verify_issuer(Issuer(old.pem + root.pem, issuer.pem, issuer.key_pem), SOURCES, now)


def refused(now, anchors, issuer, key=None):
    with pytest.raises(BadCertificates) as caught:
        verify_issuer(Issuer(anchors, issuer.pem, key or issuer.key_pem), SOURCES, now)
    return str(caught.value)


def test_expired(now, pair, root):
    issuer = pair("issuer", root, start=now - 9 * DAY, end=now - DAY)
    assert refused(now, root.pem, issuer) == (
        'issuer.crt: "issuer" expired on 2026-05-31 00:00:00 UTC'
    )


def test_not_yet_valid(now, pair, root):
    issuer = pair("issuer", root, start=now + DAY)
    assert "is not valid before 2026-06-02" in refused(now, root.pem, issuer)


def test_expired_anchor(now, pair):
    root = pair("root", start=now - 9 * DAY, end=now - DAY)
    issuer = pair("issuer", root)
    assert refused(now, root.pem, issuer).startswith('ca.crt: "root" expired on')


def test_foreign_chain(now, pair, root):
    issuer = pair("issuer", pair("root"))
    found = refused(now, root.pem, issuer)
    assert "was not signed by any certificate in ca.crt" in found


def test_not_an_authority(now, pair, root):
    issuer = pair("issuer", root, is_authority=False)
    assert 'issuer.crt: "issuer" is not a certificate authority' in refused(now, root.pem, issuer)


def test_may_not_sign(now, pair, root):
    issuer = pair("issuer", root, signs=False)
    assert "may not sign certificates" in refused(now, root.pem, issuer)


def test_wrong_curve(now, pair, root):
    issuer = pair("issuer", root, curve=ec.SECP384R1())
    found = refused(now, root.pem, issuer)
    assert "a key on the curve secp384r1" in found
    assert "P-256 only" in found


def test_rsa_issuer(now, pair, root):
    issuer = pair("issuer", root, rsa_bits=2048)
    assert "an RSA key of 2048 bits" in refused(now, root.pem, issuer)


def test_anchor_of_another_curve(now, pair):
    root = pair("root", curve=ec.SECP384R1())
    issuer = pair("issuer", root)
    assert refused(now, root.pem, issuer).startswith('ca.crt: "root" has a key on the curve')


def test_anchor_that_allows_no_authority_below(now, pair):
    root = pair("root", path_length=0)
    issuer = pair("issuer", root)
    assert "allows no certificate authority below it" in refused(now, root.pem, issuer)


def test_key_of_another_certificate(now, pair, root):
    issuer, other = pair("issuer", root), pair("other", root)
    found = refused(now, root.pem, issuer, other.key_pem)
    assert found == "issuer.key is not the key of issuer.crt"


def test_encrypted_key(now, pair, root):
    issuer = pair("issuer", root)
    encrypted = issuer.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    ).decode()
    assert "is encrypted; decrypt it first" in refused(now, root.pem, issuer, encrypted)


@pytest.mark.parametrize("text", ["not PEM at all", "\x00\x01", "-----BEGIN"])
def test_not_pem(now, pair, root, text):
    issuer = pair("issuer", root)
    assert refused(now, text, issuer).startswith("ca.crt is not PEM")


def test_damaged_certificate(now, pair, root):
    issuer = pair("issuer", root)
    lines = root.pem.splitlines()
    damaged = "\n".join([lines[0], "AAAA", lines[-1]])
    assert "ca.crt is not a readable certificate" in refused(now, damaged, issuer)


def test_key_where_a_certificate_belongs(now, pair, root):
    issuer = pair("issuer", root)
    assert refused(now, issuer.key_pem, issuer) == (
        "ca.crt holds a private key; a certificate belongs there"
    )


def test_serving_certificate_is_for_its_host(now):
    made = make_serving_certificate("injector.tulle.svc", now)
    verify_serving(made.certificate, made.ca_bundle, "injector.tulle.svc", now)
    with pytest.raises(BadCertificates, match=r"is for injector.tulle.svc, not for other"):
        verify_serving(made.certificate, made.ca_bundle, "other.tulle.svc", now)


def test_serving_certificate_of_another_authority(now):
    made = make_serving_certificate("a.svc", now)
    other = make_serving_certificate("a.svc", now)
    with pytest.raises(BadCertificates, match="not signed by its caBundle"):
        verify_serving(made.certificate, other.ca_bundle, "a.svc", now)
