//! Looks up the control plane's names with the system's own settings.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::TokioResolver;
use tokio::sync::OnceCell;

use crate::config::Dns as Settings;

#[derive(Debug, thiserror::Error)]
#[error("cannot look up {name}: {cause}")]
pub struct DnsError {
    name: String,
    cause: String,
}

/// Made at the first look-up, so that a proxy with loopback addresses only never reads resolv.conf.
#[derive(Default)]
pub struct Dns {
    resolver: OnceCell<TokioResolver>,
    settings: Settings,
}

impl Dns {
    pub fn new(settings: Settings) -> Self {
        Self {
            resolver: OnceCell::default(),
            settings,
        }
    }

    fn make(&self) -> Result<TokioResolver, hickory_resolver::net::NetError> {
        let mut builder = TokioResolver::builder_tokio()?;
        let options = builder.options_mut();
        options.positive_min_ttl = self.settings.min_ttl;
        options.positive_max_ttl = self.settings.max_ttl;
        builder.build()
    }

    /// The addresses of `host`, which may itself be an address.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, DnsError> {
        if let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if host.trim_end_matches('.') == "localhost" {
            return Ok(vec![SocketAddr::new([127, 0, 0, 1].into(), port)]);
        }
        let failed = |cause: String| DnsError {
            name: host.to_string(),
            cause,
        };
        let resolver = self
            .resolver
            .get_or_try_init(|| async { self.make() })
            .await
            .map_err(|e| failed(e.to_string()))?;
        let found = resolver
            .lookup_ip(host)
            .await
            .map_err(|e| failed(e.to_string()))?;
        let addresses: Vec<_> = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
        if addresses.is_empty() {
            return Err(failed("no address".to_string()));
        }
        Ok(addresses)
    }
}
