"""A throw-away certificate authority shaped like the mesh's: root, issuer, leaves of a day."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER
ROOT, ISSUER = "root.linkerd.cluster.local", "identity.linkerd.cluster.local"


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def private_bytes(key: ec.EllipticCurvePrivateKey, encoding: serialization.Encoding) -> bytes:
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, pkcs8, serialization.NoEncryption())


def key_usage(*, is_issuer: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_issuer,
        content_commitment=False,
        key_encipherment=not is_issuer,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_issuer,
        crl_sign=is_issuer,
        encipher_only=False,
        decipher_only=False,
    )


def begin(subject: x509.Name, issuer: str, lifetime: dt.timedelta) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(named(issuer))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=2))
        .not_valid_after(now + lifetime)
    )


def authority(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: tuple[str, ec.EllipticCurvePrivateKey],
) -> x509.Certificate:
    issuer, issuer_key = by
    return (
        begin(named(name), issuer, dt.timedelta(days=30))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(key_usage(is_issuer=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


class Authority:
    """Kept in a folder, so that the fake control plane, a process of its own, can sign too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "issuer.key").exists():
            self._make()
        self.root = x509.load_pem_x509_certificate(self.root_file.read_bytes())
        self.issuer = x509.load_pem_x509_certificate((folder / "issuer.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / "issuer.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self.key = key

    @property
    def root_file(self) -> Path:
        return self.folder / "root.crt"

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        root_key = ec.generate_private_key(ec.SECP256R1())
        issuer_key = ec.generate_private_key(ec.SECP256R1())
        root = authority(ROOT, root_key, (ROOT, root_key))
        issuer = authority(ISSUER, issuer_key, (ROOT, root_key))
        self.root_file.write_bytes(root.public_bytes(PEM))
        (self.folder / "issuer.crt").write_bytes(issuer.public_bytes(PEM))
        (self.folder / "issuer.key").write_bytes(private_bytes(issuer_key, PEM))

    def sign(self, request: bytes) -> tuple[x509.Certificate, list[str]]:
        """The leaf that a DER request asks for, and the DNS names in it."""
        csr = x509.load_der_x509_csr(request)
        if not csr.is_signature_valid:
            raise ValueError("the request is not signed by its own key")
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        leaf = (
            begin(csr.subject, ISSUER, dt.timedelta(days=1))
            .public_key(csr.public_key())
            .add_extension(names, critical=False)
            .add_extension(key_usage(is_issuer=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return leaf, names.get_values_for_type(x509.DNSName)


def new_request(identity: str) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.DNSName(identity)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(identity))
    request = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return key, request.public_bytes(DER)


def write_identity(folder: Path, identity: str) -> None:
    """What the entry program of a proxy's image writes before it becomes the proxy."""
    folder.mkdir(parents=True)
    key, request = new_request(identity)
    (folder / "key.p8").write_bytes(private_bytes(key, DER))
    (folder / "csr.der").write_bytes(request)


def write_leaf(authority: Authority, identity: str, key_file: Path, chain_file: Path) -> None:
    """Key and chain as files, for peers that ask no control plane."""
    key, request = new_request(identity)
    leaf, _ = authority.sign(request)
    key_file.write_bytes(private_bytes(key, PEM))
    chain_file.write_bytes(leaf.public_bytes(PEM) + authority.issuer.public_bytes(PEM))
