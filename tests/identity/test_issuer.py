"""The issuer proves itself against the anchors, and signs no longer than it lives."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tulle.identity import issuer as room
from tulle.names import KUBERNETES_ISSUER_SCHEME, LINKERD_ISSUER_SCHEME

NAME = "web.shop.serviceaccount.identity.tulle.cluster.local"
KEY = ec.generate_private_key(ec.SECP256R1())


def load(mounted, clock, scheme=LINKERD_ISSUER_SCHEME):
    return room.load(mounted.folder, scheme, mounted.anchors.read_bytes(), clock())


def failure(mounted, clock) -> str:
    with pytest.raises(room.IssuerError) as caught:
        load(mounted, clock)
    return str(caught.value)


def leaf_of(found, clock, *, name=NAME, uri=None, lifetimes=room.Lifetimes()):  # noqa: B008
    leaf = room.issue(found, KEY.public_key(), name, uri=uri, lifetimes=lifetimes, now=clock())
    return leaf, x509.load_der_x509_certificate(leaf.certificate)


def test_a_leaf_names_the_identity_and_leads_to_the_anchor(mounted, clock) -> None:
    leaf, certificate = leaf_of(load(mounted, clock), clock)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(NAME)]
    assert certificate.public_key() == KEY.public_key()
    assert leaf.intermediates == (mounted.issuer.der,)
    certificate.verify_directly_issued_by(mounted.issuer.certificate)
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert not constraints.value.ca
    assert certificate.not_valid_before_utc == clock() - timedelta(seconds=20)
    assert leaf.not_after == clock() + timedelta(hours=24, seconds=20)


def test_the_uri_stands_after_the_dns_name(mounted, clock) -> None:
    uri = "spiffe://cluster.local/ns/shop/sa/web"
    _, certificate = leaf_of(load(mounted, clock), clock, uri=uri)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(NAME), x509.UniformResourceIdentifier(uri)]


def test_a_name_too_long_for_a_subject_is_in_the_san_alone(mounted, clock) -> None:
    name = f"{'a' * 40}.{'b' * 40}.serviceaccount.identity.tulle.cluster.local"
    _, certificate = leaf_of(load(mounted, clock), clock, name=name)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert len(certificate.subject) == 0
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == [name]


def test_a_leaf_ends_with_its_issuer(mounted, make, clock) -> None:
    mounted.write(make("brief", by=mounted.root, begins=clock(), life=timedelta(hours=3)))
    found = load(mounted, clock)
    assert leaf_of(found, clock)[0].not_after == clock() + timedelta(hours=3)
    clock.time += timedelta(hours=3)
    with pytest.raises(room.IssuerError, match="the issuer expired at"):
        leaf_of(found, clock)


def test_a_leaf_ends_with_the_anchor_too(mounted, make, clock) -> None:
    root = make("dying", begins=clock(), life=timedelta(hours=2))
    mounted.anchors.write_bytes(root.pem)
    mounted.write(make("issuer", by=root))
    assert leaf_of(load(mounted, clock), clock)[0].not_after == clock() + timedelta(hours=2)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
def test_anchors_of_every_usual_kind(mounted, make, clock, kind) -> None:
    root = make("root", kind=kind)
    mounted.anchors.write_bytes(root.pem)
    mounted.write(make("issuer", by=root))
    assert load(mounted, clock).certificate == mounted.issuer.certificate


def test_a_chain_of_intermediates_is_sent_whole(mounted, make, clock) -> None:
    middle = make("middle", by=mounted.root)
    mounted.write(make("issuer", by=middle), middle, mounted.root)
    leaf, _ = leaf_of(load(mounted, clock), clock)
    assert leaf.intermediates == (mounted.issuer.der, middle.der)


def test_an_anchor_may_itself_be_the_issuer(mounted, clock) -> None:
    mounted.write(mounted.root)
    assert leaf_of(load(mounted, clock), clock)[0].intermediates == (mounted.root.der,)


def test_two_anchors_while_they_are_rotated(mounted, make, clock) -> None:
    mounted.anchors.write_bytes(make("next").pem + mounted.root.pem)
    assert load(mounted, clock).certificate == mounted.issuer.certificate


def test_the_secret_of_kind_kubernetes_io_tls(mounted, clock) -> None:
    (mounted.folder / "crt.pem").rename(mounted.folder / "tls.crt")
    (mounted.folder / "key.pem").rename(mounted.folder / "tls.key")
    (mounted.folder / "ca.crt").write_bytes(mounted.root.pem)
    found = load(mounted, clock, KUBERNETES_ISSUER_SCHEME)
    assert found.certificate == mounted.issuer.certificate


def test_what_is_wrong_is_said(mounted, make, clock) -> None:
    good = mounted.issuer
    mounted.write(make("stranger"))
    assert "does not lead to any trust anchor" in failure(mounted, clock)
    mounted.write(make("no ca", by=mounted.root, ca=False))
    assert "is not a CA" in failure(mounted, clock)
    mounted.write(make("big", by=mounted.root, kind="P-384"))
    assert "EC P-384; it must be EC P-256" in failure(mounted, clock)
    mounted.write(make("old", by=mounted.root, life=timedelta(hours=1)))
    assert "expired at" in failure(mounted, clock)
    mounted.write(make("early", by=mounted.root, begins=clock() + timedelta(hours=1)))
    assert "is not valid before" in failure(mounted, clock)
    mounted.write(good)
    (mounted.folder / "key.pem").write_bytes(make("other").key_pem())
    assert "is not the key of the certificate" in failure(mounted, clock)
    (mounted.folder / "key.pem").unlink()
    assert "cannot read the issuer's key" in failure(mounted, clock)


@pytest.mark.parametrize(("text", "reason"), [(b"", "no certificate among the trust anchors")])
def test_unusable_anchors(mounted, clock, text, reason) -> None:
    mounted.anchors.write_bytes(text)
    assert reason in failure(mounted, clock)


def test_an_anchor_that_proxies_cannot_verify(mounted, make, clock) -> None:
    root = make("root", kind="P-521")
    mounted.anchors.write_bytes(root.pem)
    mounted.write(make("issuer", by=root))
    assert "it must be EC P-256, EC P-384, RSA or Ed25519" in failure(mounted, clock)
