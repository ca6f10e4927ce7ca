"""`tulle install` without a cluster: its flags, its forms of output, its refusals."""

import json
import subprocess

import pytest
import yaml

from tulle import names


@pytest.fixture
def install(tulle):
    return lambda *words, **options: tulle("install", "--ignore-cluster", *words, **options)


def values_of(objects):
    config = next(o for o in objects if o["metadata"]["name"] == names.CONFIG_CONFIGMAP)
    return yaml.safe_load(config["data"]["values"])


def test_yaml_and_json_say_the_same(install, tmp_path, parsed):
    words = _certificates(tmp_path)
    as_yaml = parsed(install(*words).stdout)
    as_json = [json.loads(line) for line in install("-o", "json", *words).stdout.splitlines()]
    different = {  # made anew each time
        names.INJECTOR_TLS_SECRET,
        names.INJECTOR_WEBHOOK_CONFIG,
        names.POLICY_VALIDATOR_TLS_SECRET,
        names.POLICY_VALIDATOR_WEBHOOK_CONFIG,
    }
    kept = [o for o in as_yaml if o["metadata"]["name"] not in different]
    assert kept == [o for o in as_json if o["metadata"]["name"] not in different]


def test_crds_need_no_cluster(tulle, parsed):
    done = tulle("install", "--crds", "--ignore-cluster")
    assert {o["kind"] for o in parsed(done.stdout)} == {"CustomResourceDefinition"}
    assert "gateway.networking.k8s.io" not in done.stdout
    assert "tulle install | kubectl apply -f -" in done.stderr


def test_flags_become_values(install, parsed):
    done = install(
        *("--controller-replicas", "2", "--proxy-cpu-request", "10m", "--disable-h2-upgrade"),
        *("--cluster-domain", "example.org", "--set", "proxy.accessLog=json"),
    )
    values = values_of(parsed(done.stdout))
    assert values["controllerReplicas"] == 2
    assert values["proxy"]["resources"]["cpu"]["request"] == "10m"
    assert values["enableH2Upgrade"] is False
    assert values["identityTrustDomain"] == "example.org"
    assert values["proxy"]["accessLog"] == "json"


def test_a_bad_value_prints_nothing(install):
    done = install("--set", "proxy.imge.name=x")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "Error: --set: there is no value proxy.imge; did you mean proxy.image?\n"
    )


def _certificates(folder):
    """A trust anchor and an issuer as a user makes them, by openssl."""

    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    for name in ("ca", "issuer"):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    extension = folder / "ca.ext"
    extension.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n")
    request = ("req", "-new", "-subj")
    openssl(*request, "/CN=root.example", "-key", "ca.key", "-out", "ca.csr")
    openssl(
        *("x509", "-req", "-in", "ca.csr", "-signkey", "ca.key", "-days", "30"),
        *("-extfile", "ca.ext", "-out", "ca.crt"),
    )
    openssl(*request, "/CN=identity.example", "-key", "issuer.key", "-out", "issuer.csr")
    openssl(
        *("x509", "-req", "-in", "issuer.csr", "-CA", "ca.crt", "-CAkey", "ca.key"),
        *("-CAcreateserial", "-days", "20", "-extfile", "ca.ext", "-out", "issuer.crt"),
    )
    return (
        *("--identity-trust-anchors-file", str(folder / "ca.crt")),
        *("--identity-issuer-certificate-file", str(folder / "issuer.crt")),
        *("--identity-issuer-key-file", str(folder / "issuer.key")),
    )


def test_own_certificates_are_used(install, tmp_path, parsed):
    done = install(*_certificates(tmp_path))
    assert done.returncode == 0, done.stderr
    objects = parsed(done.stdout)
    roots = next(o for o in objects if o["metadata"]["name"] == names.TRUST_ROOTS_CONFIGMAP)
    assert roots["data"]["ca-bundle.crt"] == (tmp_path / "ca.crt").read_text()


def test_half_of_the_certificates_is_refused(install, tmp_path):
    done = install(*_certificates(tmp_path)[:4])
    assert done.returncode == 1
    assert "identity.issuer.tls.keyPEM is missing: give --identity-trust-anchors" in done.stderr


def test_certificates_in_the_wrong_order_are_named_by_their_files(install, tmp_path):
    words = list(_certificates(tmp_path))
    words[1], words[3] = words[3], words[1]
    done = install(*words)
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr


def test_files_that_are_not_there_or_empty(install, tmp_path):
    flag = "--identity-trust-anchors-file"
    done = install(flag, str(tmp_path / "none"))
    assert "cannot read" in done.stderr
    (tmp_path / "empty").touch()
    assert "is empty" in install(flag, str(tmp_path / "empty")).stderr


def test_private_keys_never_reach_standard_error(install, tmp_path):
    words = _certificates(tmp_path)
    key = (tmp_path / "issuer.key").read_text().splitlines()[1]
    (tmp_path / "issuer.crt").write_text((tmp_path / "issuer.key").read_text())
    done = install(*words)
    assert done.returncode == 1
    assert key not in done.stderr
