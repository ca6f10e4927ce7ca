"""The certificates: each chains to its authority, names what it should, and is private."""

import ipaddress
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from tulle.local import pki


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    leaves = pki.leaves("tulle-x", "172.31.224.2", "10.200.128.1", "cluster.local")
    pki.ensure(directory, leaves, "https://172.31.224.2:6443", "tulle-x")
    return directory


def load(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("name", ["apiserver", "kubelet", "admin", "scheduler", "metrics-server"])
def test_components_chain_to_the_cluster_authority(folder: Path, name: str) -> None:
    load(folder, name).verify_directly_issued_by(load(folder, "ca"))


def test_the_front_proxy_has_an_authority_of_its_own(folder: Path) -> None:
    client = load(folder, "front-proxy-client")
    client.verify_directly_issued_by(load(folder, "front-proxy-ca"))
    with pytest.raises(ValueError, match="Issuer"):
        client.verify_directly_issued_by(load(folder, "ca"))


def test_the_api_server_is_known_by_every_name_that_clients_use(folder: Path) -> None:
    names = load(folder, "apiserver").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert "kubernetes.default.svc.cluster.local" in names.value.get_values_for_type(x509.DNSName)
    addresses = set(names.value.get_values_for_type(x509.IPAddress))
    wanted = {"127.0.0.1", "172.31.224.2", "10.200.128.1"}
    assert addresses == {ipaddress.ip_address(text) for text in wanted}


def test_the_kubelet_is_a_node_to_the_authorizer(folder: Path) -> None:
    subject = load(folder, "kubelet").subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "system:node:tulle-x"
    organization = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    assert organization == "system:nodes"


def test_private_keys_are_ours_alone(folder: Path) -> None:
    secret = [*folder.glob("*.key"), *folder.glob("*.kubeconfig")]
    assert len(secret) > 10
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_a_complete_set_is_kept(folder: Path) -> None:
    before = (folder / "ca.crt").read_bytes()
    pki.ensure(folder, [], "https://elsewhere", "other")
    assert (folder / "ca.crt").read_bytes() == before


def test_a_kubeconfig_names_its_server(folder: Path) -> None:
    document = yaml.safe_load((folder / "admin.kubeconfig").read_text())
    assert document["clusters"][0]["cluster"]["server"] == "https://172.31.224.2:6443"
    assert document["current-context"] == "tulle-x"
