"""What of `tulle identity` needs no cluster."""

import datetime

from cryptography import x509

from tulle.cli.identity import described, identity_of
from tulle.install.anchors import make_serving_certificate


def test_a_certificate_is_described():
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    pem = make_serving_certificate("a.b.svc", now).certificate
    lines = described(x509.load_pem_x509_certificate(pem.encode())).splitlines()
    assert lines[0] == "Subject:       CN=a.b.svc"
    assert "Names:         a.b.svc" in lines
    assert "Not after:     2027-01-01 00:00:00 UTC" in lines
    assert "Public key:    EC secp256r1" in lines


def test_the_name_follows_the_proxys_settings():
    env = [{"name": "_l5d_ns", "value": "mesh"}, {"name": "_l5d_trustdomain", "value": "org"}]
    pod = {
        "metadata": {"namespace": "shop"},
        "spec": {
            "serviceAccountName": "web",
            "containers": [{"name": "tulle-proxy", "env": env}],
        },
    }
    assert identity_of(pod) == "web.shop.serviceaccount.identity.mesh.org"


def test_without_names_there_is_nothing_to_ask(tulle):
    assert "name the pods" in tulle("identity").stderr
