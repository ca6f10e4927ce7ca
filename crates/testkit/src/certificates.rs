//! A trust anchor of the test's own: signs leaves, from a CSR or whole.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A leaf and its key, as a peer that is no proxy of ours needs them.
pub struct Leaf {
    pub certificate_der: Vec<u8>,
    pub key_pkcs8: Vec<u8>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("P-256 is supported");
        let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
        params
            .distinguished_name
            .push(DnType::CommonName, "root.tulle.cluster.local");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).expect("the key signs");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn anchors_pem(&self) -> &str {
        &self.pem
    }

    /// A leaf for whatever names the CSR asks for.
    pub fn sign(&self, csr_der: &[u8], lifetime: Duration) -> Option<(Vec<u8>, SystemTime)> {
        let csr = CertificateSigningRequestParams::from_der(&csr_der.into());
        let mut csr = csr.ok()?;
        let now = SystemTime::now();
        csr.params.not_before = (now - Duration::from_secs(20)).into();
        csr.params.not_after = (now + lifetime).into();
        let leaf = csr.signed_by(&self.issuer).ok()?;
        Some((leaf.der().to_vec(), now + lifetime))
    }

    pub fn leaf(&self, name: &str) -> Leaf {
        let key = KeyPair::generate().expect("P-256 is supported");
        let leaf = leaf_params(name).signed_by(&key, &self.issuer);
        Leaf {
            certificate_der: leaf.expect("the issuer signs").der().to_vec(),
            key_pkcs8: key.serialize_der(),
        }
    }
}

fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
    params.distinguished_name.push(DnType::CommonName, name);
    let san = match name.strip_prefix("spiffe://") {
        Some(_) => SanType::URI(name.try_into().expect("a URI is ASCII")),
        None => SanType::DnsName(name.try_into().expect("a DNS name is ASCII")),
    };
    params.subject_alt_names = vec![san];
    params
}

/// Does the entry program's work: `key.p8` and `csr.der` in `directory`.
pub fn write_identity(directory: &Path, name: &str) -> std::io::Result<()> {
    let key = KeyPair::generate().expect("P-256 is supported");
    let csr = leaf_params(name)
        .serialize_request(&key)
        .expect("the key signs");
    std::fs::write(directory.join("key.p8"), key.serialize_der())?;
    std::fs::write(directory.join("csr.der"), csr.der())
}
