//! Our private key, the trust anchors, and the leaf that identity last issued.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::watch;

use super::client::PeerVerifier;
use super::name::Identity;

/// ALPN of connections that begin with a transport header.
pub const TRANSPORT_ALPN: &[u8] = b"transport.l5d.io/v1";

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {0}: {1}; the entry program writes it before the proxy starts")]
    Read(String, #[source] std::io::Error),
    #[error("the trust anchors hold no certificate")]
    NoAnchors,
    #[error("the trust anchors are not PEM certificates: {0}")]
    Anchors(String),
    #[error("the leaf does not prove {0}")]
    WrongLeaf(Identity),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// What one issued leaf gives: both ends' settings. Replaced whole at each renewal.
pub struct Credentials {
    pub client: Arc<ClientConfig>,
    pub client_transport: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
    pub expires: SystemTime,
}

/// The key never leaves this; the leaf changes under a watch.
pub struct Keys {
    local: Identity,
    key: PrivatePkcs8KeyDer<'static>,
    csr: Vec<u8>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    verifier: Arc<PeerVerifier>,
    anonymous: Arc<ClientConfig>,
    current: watch::Sender<Option<Arc<Credentials>>>,
}

/// TLS 1.3 only; the post-quantum group and the cheapest suite first.
pub fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite, kx_group};
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![
            kx_group::X25519MLKEM768,
            kx_group::X25519,
            kx_group::SECP256R1,
            kx_group::SECP384R1,
        ],
        ..aws_lc_rs::default_provider()
    }
}

impl Keys {
    pub fn load(directory: &Path, anchors_pem: &str, local: Identity) -> Result<Self, KeyError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read(&path).map_err(|e| KeyError::Read(path.display().to_string(), e))
        };
        Self::new(
            read("key.p8")?,
            read("csr.der")?,
            anchors(anchors_pem)?,
            local,
        )
    }

    pub fn new(
        key: Vec<u8>,
        csr: Vec<u8>,
        roots: RootCertStore,
        local: Identity,
    ) -> Result<Self, KeyError> {
        let provider = Arc::new(provider());
        let roots = Arc::new(roots);
        let verifier = Arc::new(PeerVerifier::new(
            Arc::clone(&roots),
            provider.signature_verification_algorithms,
        ));
        Ok(Self {
            local,
            key: PrivatePkcs8KeyDer::from(key),
            csr,
            anonymous: anonymous(&provider, &verifier)?,
            roots,
            provider,
            verifier,
            current: watch::Sender::new(None),
        })
    }

    /// For the connection that asks for our first leaf: the server proves itself, we cannot yet.
    pub fn anonymous(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.anonymous)
    }

    pub fn verifier(&self) -> &PeerVerifier {
        &self.verifier
    }

    pub fn local(&self) -> &Identity {
        &self.local
    }

    pub fn csr(&self) -> &[u8] {
        &self.csr
    }

    pub fn watch(&self) -> watch::Receiver<Option<Arc<Credentials>>> {
        self.current.subscribe()
    }

    pub fn current(&self) -> Option<Arc<Credentials>> {
        self.current.borrow().clone()
    }

    /// Puts a new leaf into use for connections made from now on.
    pub fn renew(&self, chain: Vec<Vec<u8>>, expires: SystemTime) -> Result<(), KeyError> {
        let chain: Vec<CertificateDer<'static>> = chain.into_iter().map(Into::into).collect();
        if !chain
            .first()
            .is_some_and(|leaf| self.local.is_proven_by(leaf))
        {
            return Err(KeyError::WrongLeaf(self.local.clone()));
        }
        let credentials = self.credentials(chain, expires)?;
        self.current.send_replace(Some(Arc::new(credentials)));
        Ok(())
    }

    fn credentials(
        &self,
        chain: Vec<CertificateDer<'static>>,
        expires: SystemTime,
    ) -> Result<Credentials, KeyError> {
        let private = PrivateKeyDer::Pkcs8(self.key.clone_key());
        let certified = Arc::new(CertifiedKey::new(
            chain,
            self.provider.key_provider.load_private_key(private)?,
        ));
        certified.keys_match()?;
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
        let client = self.client(&resolver, &[])?;
        let client_transport = self.client(&resolver, &[TRANSPORT_ALPN])?;
        Ok(Credentials {
            client,
            client_transport,
            server: self.server(resolver)?,
            expires,
        })
    }

    fn client(
        &self,
        resolver: &Arc<rustls::sign::SingleCertAndKey>,
        alpn: &[&[u8]],
    ) -> Result<Arc<ClientConfig>, KeyError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier.clone())
            .with_client_cert_resolver(resolver.clone());
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn server(
        &self,
        resolver: Arc<rustls::sign::SingleCertAndKey>,
    ) -> Result<Arc<ServerConfig>, KeyError> {
        let clients = WebPkiClientVerifier::builder_with_provider(
            Arc::clone(&self.roots),
            Arc::clone(&self.provider),
        )
        .allow_unauthenticated()
        .build()?;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(resolver);
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![TRANSPORT_ALPN.to_vec()];
        Ok(Arc::new(config))
    }
}

fn anonymous(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<PeerVerifier>,
) -> Result<Arc<ClientConfig>, KeyError> {
    let mut config = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier.clone())
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// The trust anchors of a PEM bundle.
pub fn anchors(pem: &str) -> Result<RootCertStore, KeyError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|e| KeyError::Anchors(e.to_string()))?;
        roots.add(certificate)?;
    }
    if roots.is_empty() {
        return Err(KeyError::NoAnchors);
    }
    Ok(roots)
}
