//! The names that peers prove: DNS-like names of service accounts, and SPIFFE ids.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, ServerName};

/// What a certificate proves: a DNS-like name, or a `spiffe://` URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

impl Identity {
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name.trim_end_matches('.')))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The peer's name is its first DNS name, or its first URI when it has none.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let dns = parsed.valid_dns_names().next();
        dns.or_else(|| parsed.valid_uri_names().next())
            .map(Self::new)
    }

    pub fn is_proven_by(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
            return false;
        };
        let mut names = parsed.valid_dns_names().chain(parsed.valid_uri_names());
        names.any(|name| name.eq_ignore_ascii_case(&self.0))
    }

    pub fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.0.to_string()).ok()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
