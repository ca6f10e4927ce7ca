"""The cluster's certificates: two authorities, a P-256 key per component, kubeconfigs for each.

Written once per cluster; `ensure` leaves a complete set as it is.
"""

import base64
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=3650)
CLOCK_SKEW = timedelta(minutes=5)
COMPLETE = "complete"  # written last: a set without it is made anew

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate to issue. An entry of `sans` that parses as an address becomes an IP."""

    file: str
    common_name: str
    organization: str | None = None
    sans: tuple[str, ...] = ()
    front_proxy: bool = False  # issued by the aggregation layer's own authority


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def leaves(node: str, node_address: str, service_address: str, domain: str) -> list[Leaf]:
    """Everything a one-node cluster needs, beyond its authorities and the token key."""
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    server = (*names, f"kubernetes.default.svc.{domain}", "localhost", "127.0.0.1")
    masters = "system:masters"
    return [
        Leaf("apiserver", "kube-apiserver", sans=(*server, node_address, service_address)),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", masters),
        Leaf("front-proxy-client", "front-proxy-client", front_proxy=True),
        Leaf("admin", "kubernetes-admin", masters),
        Leaf("addresses", "tulle-local-addresses"),
        Leaf("metrics-server", "metrics-server", sans=("metrics-server.kube-system.svc",)),
        Leaf("controller-manager", "system:kube-controller-manager"),
        Leaf("scheduler", "system:kube-scheduler"),
        Leaf("proxy", "system:kube-proxy"),
        Leaf("kubelet", f"system:node:{node}", "system:nodes", (node, node_address, "127.0.0.1")),
    ]


CLIENTS = ("controller-manager", "scheduler", "proxy", "kubelet", "addresses", "admin")


def ensure(directory: Path, wanted: Sequence[Leaf], server: str, context: str) -> None:
    """Write the authorities, `wanted`, the token key and the clients' kubeconfigs, once."""
    if (directory / COMPLETE).exists():
        return
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _new_authority("kubernetes")
    front = _new_authority("front-proxy-ca")
    _write_pair(directory, "ca", authority.certificate, authority.key)
    _write_pair(directory, "front-proxy-ca", front.certificate, front.key)
    _write_token_key(directory)
    for leaf in wanted:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = front if leaf.front_proxy else authority
        _write_pair(directory, leaf.file, issue(issuer, leaf, key), key)
    for client in CLIENTS:
        if (directory / f"{client}.crt").exists():
            text = yaml.safe_dump(kubeconfig(directory, client, server, context))
            _write_private(directory / f"{client}.kubeconfig", text.encode())
    (directory / COMPLETE).touch()


def issue(issuer: Authority, leaf: Leaf, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A certificate for both ends of TLS: the components serve and call with the same one."""
    now = datetime.now(UTC)
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common_name)]
    if leaf.organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, leaf.organization))
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(attributes))
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(_authority_identifier(issuer), critical=False)
    )
    if leaf.sans:
        names = x509.SubjectAlternativeName([_general_name(san) for san in leaf.sans])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def kubeconfig(directory: Path, client: str, server: str, context: str) -> dict[str, object]:
    """A kubeconfig of one cluster, one user and one context, with the certificates inside."""

    def data(name: str) -> str:
        return base64.b64encode((directory / name).read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data("ca.crt")}
    user = {
        "client-certificate-data": data(f"{client}.crt"),
        "client-key-data": data(f"{client}.key"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": context, "user": user}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }


def _new_authority(common_name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _authority_identifier(issuer: Authority) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)


def _write_token_key(directory: Path) -> None:
    """The key that signs service account tokens: RSA, which every library verifies."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_private(directory / "sa.key", _pem(key))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (directory / "sa.pub").write_bytes(public)


def _write_pair(directory: Path, name: str, certificate: x509.Certificate, key: PrivateKey) -> None:
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(directory / f"{name}.key", _pem(key))


def _pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_private(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
