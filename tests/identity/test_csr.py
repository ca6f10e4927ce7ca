"""A request is certified for one name and a P-256 key, or refused with the reason."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tulle.identity import csr

NAME = "web.shop.serviceaccount.identity.tulle.cluster.local"
URI = "spiffe://cluster.local/ns/shop/sa/web"


def refusal(der: bytes) -> str:
    with pytest.raises(csr.CsrRefused) as caught:
        csr.certifiable_key(csr.parse(der), NAME, URI)
    return str(caught.value)


@pytest.mark.parametrize("common_name", [None, NAME])
def test_the_expected_name_is_certified(make_request, common_name) -> None:
    der, key = make_request(common_name=common_name)
    found = csr.certifiable_key(csr.parse(der), NAME, URI)
    assert found.public_numbers() == key.public_key().public_numbers()


def test_its_own_uri_may_stand_beside_the_name(make_request) -> None:
    der, _ = make_request(x509.DNSName(NAME), x509.UniformResourceIdentifier(URI))
    assert csr.certifiable_key(csr.parse(der), NAME, URI)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([x509.DNSName("api.shop.serviceaccount.identity.tulle.cluster.local")], "not for web"),
        ([x509.DNSName(NAME), x509.DNSName(NAME + ".evil.test")], "exactly one DNS name; it has 2"),
        ([x509.UniformResourceIdentifier(URI)], "exactly one DNS name; it has 0"),
        (
            [x509.DNSName(NAME), x509.UniformResourceIdentifier(URI + "-admin")],
            "cannot be proven",
        ),
        ([x509.DNSName(NAME), x509.RFC822Name("a@b.test")], "cannot be proven"),
        ([x509.DNSName("*.shop")], "not for web"),
    ],
)
def test_other_names_are_refused(make_request, names, reason) -> None:
    der, _ = make_request(*names)
    assert reason in refusal(der)


def test_another_subject_is_refused(make_request) -> None:
    der, _ = make_request(common_name="admin")
    assert "CN=admin" in refusal(der)


@pytest.mark.parametrize("kind", ["P-384", "RSA"])
def test_another_kind_of_key_is_refused(make_request, kind) -> None:
    der, _ = make_request(kind=kind)
    assert "it must be EC P-256" in refusal(der)


def test_a_request_signed_by_another_key_is_refused(make_request) -> None:
    (mine, _), (_, other) = make_request(), make_request()
    point = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    own = csr.parse(mine).public_key().public_bytes(*point)
    stolen = mine.replace(own, other.public_key().public_bytes(*point))
    assert "not signed with its own key" in refusal(stolen)


def test_no_request_at_all() -> None:
    with pytest.raises(csr.CsrUnreadable):
        csr.parse(b"\x30\x03abc")
