//! The listening sockets, and the loops that accept on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Addresses;
use super::build::StartError;
use crate::admin::Admin;
use crate::config::{Config, Direction};
use crate::connect::tcp::set_up;
use crate::drain::{self, Watch};
use crate::inbound::accept::Inbound;
use crate::inbound::policies::PortPolicy;
use crate::outbound::accept::Outbound;
use crate::tap::{self, Taps};
use crate::tls::keys::Keys;
use crate::tls::name::Identity;

/// Longer bursts than this wait in the kernel's own retries.
const BACKLOG: u32 = 4096;

pub struct Listeners {
    pub admin: TcpListener,
    pub tap: Option<TcpListener>,
    pub inbound: TcpListener,
    pub outbound: Vec<TcpListener>,
}

impl Listeners {
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        let outbound = config.outbound.listen.iter();
        let outbound = outbound.map(|a| bind_direction(*a, &config.outbound.direction));
        let tap = config.tap.as_ref().map(|tap| bind(tap.listen, 128));
        Ok(Self {
            admin: bind(config.admin.listen, 128)?,
            tap: tap.transpose()?,
            inbound: bind_direction(config.inbound.listen, &config.inbound.direction)?,
            outbound: outbound.collect::<Result<_, _>>()?,
        })
    }

    pub fn addresses(&self) -> Addresses {
        Addresses {
            admin: self.admin_address(),
            tap: self.tap.as_ref().map(address),
            inbound: self.inbound_address(),
            outbound: self.outbound_addresses().collect(),
        }
    }

    pub fn admin_address(&self) -> SocketAddr {
        address(&self.admin)
    }

    pub fn inbound_address(&self) -> SocketAddr {
        address(&self.inbound)
    }

    pub fn outbound_addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.outbound.iter().map(address)
    }
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener
        .local_addr()
        .expect("a bound socket has an address")
}

fn bind_direction(address: SocketAddr, direction: &Direction) -> Result<TcpListener, StartError> {
    let listener = bind(address, direction.listen_backlog.unwrap_or(BACKLOG))?;
    let (keepalive, user_timeout) = (direction.accept_keepalive, direction.accept_user_timeout);
    set_up(&listener, keepalive, user_timeout);
    Ok(listener)
}

fn bind(address: SocketAddr, backlog: u32) -> Result<TcpListener, StartError> {
    let failed = |e| StartError::Listen(address, e);
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(failed)?;
    socket.set_reuseaddr(true).map_err(failed)?;
    socket.bind(address).map_err(failed)?;
    socket.listen(backlog).map_err(failed)
}

/// Hands each connection to `handle` in a task of its own, until draining starts.
async fn accept<H, F>(listener: TcpListener, mut drain: Watch, handle: H)
where
    H: Fn(TcpStream, SocketAddr, Watch) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let watch = drain.clone();
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.draining() => return,
        };
        match accepted {
            Ok((tcp, client)) => {
                tokio::spawn(handle(tcp, client, watch));
            }
            Err(error) => {
                tracing::warn!(%error, "Failed to accept");
                // Out of descriptors: give some connection time to end.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Admin answers from the start to the end: readiness is asked of it, and how a drain goes.
pub fn serve_admin(listener: TcpListener, admin: Arc<Admin>, inbound: &Arc<Inbound>) {
    let inbound = Arc::clone(inbound);
    let handle = move |tcp: TcpStream, client: SocketAddr, watch: Watch| {
        let (inbound, admin) = (Arc::clone(&inbound), Arc::clone(&admin));
        async move {
            if let Err(error) = inbound.accept_admin(tcp, client, admin, watch).await {
                tracing::debug!(%error, "Admin connection ended");
            }
        }
    };
    let (_, never) = drain::channel();
    tokio::spawn(accept(listener, never, handle));
}

/// Tap, for the one identity that may.
pub fn serve_tap(listener: TcpListener, permitted: Identity, keys: &Arc<Keys>, taps: &Arc<Taps>) {
    let (keys, taps) = (Arc::clone(keys), Arc::clone(taps));
    let handle = move |tcp: TcpStream, _: SocketAddr, watch: Watch| {
        let (keys, taps, permitted) = (Arc::clone(&keys), Arc::clone(&taps), permitted.clone());
        async move {
            if let Err(error) = tap::accept(tcp, &keys, &permitted, taps).await {
                tracing::debug!(%error, "Tap connection ended");
            }
            drop(watch);
        }
    };
    let (_, never) = drain::channel();
    tokio::spawn(accept(listener, never, handle));
}

pub fn serve_inbound(listener: TcpListener, inbound: Arc<Inbound>, ports: &[u16], watch: Watch) {
    let held: Vec<Arc<PortPolicy>> = ports.iter().map(|p| inbound.policies.get(*p)).collect();
    let handle = move |tcp: TcpStream, client: SocketAddr, watch: Watch| {
        let inbound = Arc::clone(&inbound);
        async move {
            if let Err(error) = Arc::clone(&inbound).accept(tcp, client, watch).await {
                inbound.count_failed(&error);
                tracing::info!(%error, "Connection closed");
            }
        }
    };
    tokio::spawn(async move {
        accept(listener, watch, handle).await;
        drop(held);
    });
}

/// Accepts to the end: our workload may need others to finish its own work.
pub fn serve_outbound(listeners: Vec<TcpListener>, outbound: &Arc<Outbound>, watch: &Watch) {
    for listener in listeners {
        let outbound = Arc::clone(outbound);
        let source = watch.source();
        let handle = move |tcp: TcpStream, client: SocketAddr, _never: Watch| {
            let outbound = Arc::clone(&outbound);
            let watch = source.watch();
            async move {
                let Some(watch) = watch else { return };
                if let Err(error) = Arc::clone(&outbound).accept(tcp, client, watch).await {
                    outbound.count_failed(&error);
                    tracing::info!(%error, "Connection closed");
                }
            }
        };
        let (_, never) = drain::channel();
        tokio::spawn(accept(listener, never, handle));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    #[tokio::test]
    async fn accepted_connections_inherit_what_the_listener_was_given() {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = bind(address, 8).unwrap();
        let (keepalive, user_timeout) = (Duration::from_secs(7), Duration::from_secs(30));
        set_up(&listener, Some(keepalive), Some(user_timeout));
        let _client = TcpStream::connect(super::address(&listener)).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let socket = SockRef::from(&accepted);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), keepalive);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(user_timeout));
    }
}
