"""The made-up mesh: what the fake control plane and the authority answer."""

import pytest
from cryptography import x509

from bench.sidecars import controlplane, mesh
from bench.sidecars.authority import Authority, new_request


def test_every_address_of_the_network_is_a_service():
    assert mesh.service_name("10.96.0.10") == "web-10"
    assert mesh.service_name("10.97.0.0") == "web-65536"
    assert mesh.service_name("10.244.0.20") is None


@pytest.mark.parametrize("count", [1, 3])
def test_the_last_rule_takes_what_the_others_leave(count):
    policy = controlplane.outbound_policy("web-10", mesh.HTTP1, count)
    (route,) = policy.protocol.detect.http1.routes
    paths = [rule.matches[0].path.prefix for rule in route.rules]
    assert len(paths) == count
    assert paths[-1] == "/"
    assert all(path.startswith("/other/") for path in paths[:-1])


def test_an_opaque_port_is_opaque_on_both_sides():
    outbound = controlplane.outbound_policy("web-10", mesh.OPAQUE, 1)
    assert outbound.protocol.WhichOneof("kind") == "opaque"
    inbound = controlplane.inbound_policy(mesh.OPAQUE.pod)
    assert inbound.protocol.WhichOneof("kind") == "opaque"
    endpoint = controlplane.endpoint(mesh.OPAQUE, hints_http2=True)
    assert endpoint.protocol_hint.WhichOneof("protocol") == "opaque"


def test_leaves_are_signed_for_the_names_that_were_asked(tmp_path):
    authority = Authority(tmp_path / "authority")
    _, request = new_request(mesh.identity("client"))
    leaf, names = Authority(tmp_path / "authority").sign(request)
    assert names == [mesh.identity("client")]
    leaf.verify_directly_issued_by(authority.issuer)
    authority.issuer.verify_directly_issued_by(authority.root)
    assert isinstance(leaf, x509.Certificate)
