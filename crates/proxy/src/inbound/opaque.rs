//! Bytes for our application: allowed by connection, and only as long as policy allows.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::accept::Arrival;
use super::authorize::{Decision, authorize};
use super::labels::named;
use super::policies::LivePolicy;
use crate::connect::counted::Counted;
use crate::connect::tcp::{ConnectError, Stream};
use crate::stream::copy::both_ways;
use crate::telemetry::labels::Labels;

#[derive(Debug, thiserror::Error)]
pub enum OpaqueError {
    #[error("policy denies the connection")]
    Denied,
    #[error("policy changed and denies the connection")]
    Terminated,
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Counts and logs the decision about a connection.
pub fn admit(arrival: &Arrival, live: &LivePolicy) -> Result<(), OpaqueError> {
    let server = &live.policy.server;
    let labels = Labels::new()
        .target(arrival.target)
        .server(named(server), arrival.target.port());
    let families = &arrival.inbound.metrics.inbound;
    match decide(arrival, live) {
        Decision::Allow(by) => {
            let labels = labels.authorization(named(&by)).tls(arrival.tls.label());
            families.tcp_allow.get(&labels).increment();
            Ok(())
        }
        Decision::Deny => {
            let labels = labels.tls(arrival.tls.label());
            families.tcp_deny.get(&labels).increment();
            tracing::info!(
                server.group = %server.group, server.kind = %server.kind, server.name = %server.name,
                client.ip = %arrival.client.ip(),
                "Connection denied"
            );
            Err(OpaqueError::Denied)
        }
    }
}

pub fn decide(arrival: &Arrival, live: &LivePolicy) -> Decision {
    let authorizations = &live.policy.authorizations;
    authorize(authorizations, arrival.client.ip(), &arrival.tls)
}

pub async fn connect(arrival: &Arrival) -> Result<Counted<Stream>, OpaqueError> {
    Ok(arrival.inbound.application(arrival.target).open().await?)
}

/// Copies until either side ends, or until a new policy denies it.
pub async fn copy<A, B>(arrival: &Arrival, mut client: A, mut server: B) -> Result<(), OpaqueError>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let mut changes = arrival.policy.watch();
    changes.mark_unchanged();
    let copying = both_ways(&mut client, &mut server);
    let mut copying = std::pin::pin!(copying);
    loop {
        tokio::select! {
            copied = copying.as_mut() => {
                copied?;
                return Ok(());
            }
            Ok(()) = changes.changed() => {
                let live = Arc::clone(&changes.borrow());
                if matches!(decide(arrival, &live), Decision::Deny) {
                    count_terminated(arrival, &live);
                    return Err(OpaqueError::Terminated);
                }
            }
        }
    }
}

fn count_terminated(arrival: &Arrival, live: &LivePolicy) {
    let labels = Labels::new()
        .target(arrival.target)
        .server(named(&live.policy.server), arrival.target.port())
        .tls(arrival.tls.label());
    let terminated = &arrival.inbound.metrics.inbound.tcp_terminate;
    terminated.get(&labels).increment();
}
