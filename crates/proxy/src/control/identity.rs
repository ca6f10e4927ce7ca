//! Gets our leaf from the identity service and renews it while the proxy lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use linkerd2_proxy_api::identity as pb;
use linkerd2_proxy_api::identity::identity_client::IdentityClient;

use super::stream::{Backoff, Channel};
use crate::tls::keys::{KeyError, Keys};

#[derive(Debug, thiserror::Error)]
enum CertifyError {
    #[error("cannot read the token {0}: {1}")]
    Token(PathBuf, #[source] std::io::Error),
    #[error("{}: {}", .0.code(), .0.message())]
    Refused(tonic::Status),
    #[error("the reply says no expiry")]
    NoExpiry,
    #[error("{0}")]
    Keys(#[from] KeyError),
}

pub struct Certifier {
    pub channel: Channel,
    pub keys: Arc<Keys>,
    pub token_file: PathBuf,
    pub min_refresh: Duration,
    pub max_refresh: Duration,
    /// Told of every attempt: the expiry, or None when it failed.
    pub report: Box<dyn Fn(Option<SystemTime>) + Send + Sync>,
}

impl Certifier {
    pub async fn run(self) {
        let mut backoff = Backoff::up_to(Duration::from_secs(1));
        loop {
            match self.certify().await {
                Ok(expires) => {
                    backoff.reset();
                    (self.report)(Some(expires));
                    tracing::info!(id = %self.keys.local(), "Certified identity");
                    tokio::time::sleep(self.refresh_in(expires)).await;
                }
                Err(error) => {
                    (self.report)(None);
                    tracing::warn!(%error, "Failed to certify identity");
                    backoff.wait().await;
                }
            }
        }
    }

    async fn certify(&self) -> Result<SystemTime, CertifyError> {
        // Read anew each time: the kubelet rotates the token.
        let token = tokio::fs::read(&self.token_file)
            .await
            .map_err(|e| CertifyError::Token(self.token_file.clone(), e))?;
        let request = pb::CertifyRequest {
            identity: self.keys.local().to_string(),
            token,
            certificate_signing_request: self.keys.csr().to_vec(),
        };
        let reply = IdentityClient::new(self.channel.clone())
            .certify(request)
            .await
            .map_err(CertifyError::Refused)?
            .into_inner();
        let expires = reply.valid_until.ok_or(CertifyError::NoExpiry)?;
        let expires = SystemTime::try_from(expires).map_err(|_| CertifyError::NoExpiry)?;
        let mut chain = vec![reply.leaf_certificate];
        chain.extend(reply.intermediate_certificates);
        self.keys.renew(chain, expires)?;
        Ok(expires)
    }

    /// 70 % of what is left of the leaf's life.
    fn refresh_in(&self, expires: SystemTime) -> Duration {
        let left = expires
            .duration_since(SystemTime::now())
            .unwrap_or_default();
        left.mul_f64(0.7).clamp(self.min_refresh, self.max_refresh)
    }
}
