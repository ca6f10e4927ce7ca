//! Bytes that we do not understand: one endpoint per connection, copied both ways.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

use super::pick;
use crate::balance::endpoints::{Backend, Target};
use crate::balance::load::Pending;
use crate::connect::counted::Counted;
use crate::connect::tcp::{ConnectError, Stream};
use crate::control::policy::outbound::{SniMatch, TcpRoute, TcpRule, TlsRoute};
use crate::detect::{Sni, tls_sni};

#[derive(Debug, thiserror::Error)]
pub enum OpaqueError {
    #[error("policy forbids the connection")]
    Forbidden,
    #[error("its policy is invalid")]
    Invalid,
    #[error("its route has no backend")]
    NoBackend,
    #[error("{0}")]
    NoEndpoint(String, &'static str),
    #[error("{0}")]
    Connect(#[from] ConnectError),
}

/// A connection to an endpoint, which counts as load while it lasts.
pub struct Onward {
    pub io: Counted<Stream>,
    pub pending: Pending,
}

pub async fn connect(route: Option<&TcpRoute<Arc<Backend>>>) -> Result<Onward, OpaqueError> {
    let rule = &route.ok_or(OpaqueError::NoBackend)?.rule;
    let backends = match rule {
        TcpRule::Forbidden => return Err(OpaqueError::Forbidden),
        TcpRule::Invalid => return Err(OpaqueError::Invalid),
        TcpRule::Forward(backends) => backends,
    };
    let backend = &pick::backend(backends)
        .ok_or(OpaqueError::NoBackend)?
        .backend;
    let deadline = Instant::now() + backend.failfast;
    loop {
        let endpoint = pick::endpoint(backend, deadline).await;
        let endpoint =
            endpoint.map_err(|fault| OpaqueError::NoEndpoint(fault.message, fault.label))?;
        let pending = endpoint.load.start(Instant::now());
        match endpoint.pool.open().await {
            Ok(io) => {
                endpoint.connected();
                backend.reached();
                pending.answered(Instant::now());
                return Ok(Onward { io, pending });
            }
            Err(error) => {
                endpoint.connect_failed();
                if matches!(backend.target, Target::Forward(_)) || Instant::now() >= deadline {
                    return Err(error.into());
                }
                tracing::debug!(endpoint = %endpoint.spec.address, %error, "Endpoint was not reached");
            }
        }
    }
}

/// The route by the name in the client's first TLS record, the most specific one.
pub async fn tls_route<'a, IO>(
    io: &mut IO,
    first: &mut BytesMut,
    routes: &'a [TlsRoute<Arc<Backend>>],
) -> io::Result<Option<&'a TcpRoute<Arc<Backend>>>>
where
    IO: AsyncRead + Unpin,
{
    let name = read_sni(io, first).await?;
    let rank = |route: &TlsRoute<Arc<Backend>>| {
        if route.names.is_empty() {
            return Some(0);
        }
        let name = name.as_deref()?;
        route.names.iter().filter_map(|m| rank_name(m, name)).max()
    };
    let mut best: Option<(usize, &TlsRoute<Arc<Backend>>)> = None;
    for route in routes {
        if let Some(rank) = rank(route)
            && best.is_none_or(|(top, _)| rank > top)
        {
            best = Some((rank, route));
        }
    }
    Ok(best.map(|(_, route)| &route.route))
}

fn rank_name(rule: &SniMatch, name: &str) -> Option<usize> {
    match rule {
        SniMatch::Exact(exact) => exact.eq_ignore_ascii_case(name).then_some(usize::MAX),
        SniMatch::Suffix(suffix) => {
            let split = name.len().checked_sub(suffix.len()).filter(|s| *s > 0)?;
            let end = name.get(split..)?;
            end.eq_ignore_ascii_case(suffix).then_some(suffix.len())
        }
    }
}

/// The largest ClientHello that we wait for.
const MAX_HELLO: usize = 8 * 1024;

/// None: not TLS, or TLS without a name. The bytes stay in `first`.
pub async fn read_sni<IO>(io: &mut IO, first: &mut BytesMut) -> io::Result<Option<String>>
where
    IO: AsyncRead + Unpin,
{
    loop {
        match tls_sni(first) {
            Sni::Name(name) => return Ok(Some(name)),
            Sni::NotTls | Sni::Absent => return Ok(None),
            Sni::NeedMore if first.len() >= MAX_HELLO => return Ok(None),
            Sni::NeedMore => {}
        }
        first.reserve(1024);
        if io.read_buf(first).await? == 0 {
            return Ok(None);
        }
    }
}
