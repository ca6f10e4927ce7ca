//! Opens mutual TLS to an endpoint and refuses it unless it proves the identity we expect.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::keys::Keys;
use super::name::Identity;
use crate::stream::ahead::ReadAhead;

/// Whom to expect: `identity` is what the certificate proves, `server_name` what SNI says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    pub identity: Identity,
    pub server_name: Identity,
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("this proxy speaks no TLS")]
    NoKeys,
    #[error("{0} is not a name that TLS can ask for")]
    InvalidName(Identity),
    #[error("the peer did not prove to be {0}: {1}")]
    Handshake(Identity, #[source] std::io::Error),
}

/// Checks the chain, then the name: `expected`, or the SNI's when that is what we expect.
#[derive(Debug, Clone)]
pub struct PeerVerifier {
    roots: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    expected: Option<Identity>,
}

impl PeerVerifier {
    pub fn new(roots: Arc<RootCertStore>, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            roots,
            algorithms,
            expected: None,
        }
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let is_proven = match &self.expected {
            Some(expected) => expected.is_proven_by(end_entity),
            None => Identity::new(&server_name.to_str()).is_proven_by(end_entity),
        };
        if is_proven {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Handshakes over `io`. `is_transport` offers the transport header's ALPN.
pub async fn connect(
    keys: &Keys,
    peer: &Peer,
    is_transport: bool,
    io: TcpStream,
) -> Result<TlsStream<ReadAhead<TcpStream>>, TlsError> {
    let name = peer
        .server_name
        .server_name()
        .ok_or_else(|| TlsError::InvalidName(peer.server_name.clone()))?;
    let config = settings(keys, peer, is_transport);
    TlsConnector::from(config)
        .connect(name, ReadAhead::new(io))
        .await
        .map_err(|e| TlsError::Handshake(peer.identity.clone(), e))
}

/// Before our first leaf is issued only identity is talked to, and it lets us in by our token.
fn settings(keys: &Keys, peer: &Peer, is_transport: bool) -> Arc<ClientConfig> {
    let shared = match keys.current() {
        Some(credentials) if is_transport => Arc::clone(&credentials.client_transport),
        Some(credentials) => Arc::clone(&credentials.client),
        None => keys.anonymous(),
    };
    if peer.identity == peer.server_name {
        return shared;
    }
    let mut config = ClientConfig::clone(&shared);
    let mut verifier = PeerVerifier::clone(keys.verifier());
    verifier.expected = Some(peer.identity.clone());
    config
        .dangerous()
        .set_certificate_verifier(Arc::new(verifier));
    Arc::new(config)
}
