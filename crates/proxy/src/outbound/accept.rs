//! A connection from our workload: where it wanted to go, what it speaks, who handles it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::connections::Connections;
use super::discover::{Discovered, Discovery, LivePolicy};
use super::http::Session;
use super::{http, opaque};
use crate::balance::endpoints::Backend;
use crate::connect::counted::Counted;
use crate::control::cache::Cache;
use crate::control::policy::outbound::{Protocol, TcpRoute};
use crate::drain::Watch;
use crate::exchange::first::{self, First, Spoken, first_line_limit, read_protocol};
use crate::exchange::in_flight::InFlight;
use crate::exchange::prefixed::Prefixed;
use crate::exchange::serve::HttpSettings;
use crate::orig_dst::OrigDst;
use crate::stream::copy::both_ways;
use crate::tap::Taps;
use crate::telemetry::labels::{Direction, Labels, NoTls, Side, Tls};
use crate::telemetry::metrics::Metrics;

/// How long a connection waits for the first answer about its destination.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(10);

pub struct Outbound {
    pub discovery: Arc<Discovery>,
    pub destinations: Arc<Cache<SocketAddr, Discovered>>,
    pub orig_dst: OrigDst,
    pub metrics: Arc<Metrics>,
    pub taps: Arc<Taps>,
    pub http2: HttpSettings,
    pub first_line_limit: Option<Duration>,
    pub is_informed: bool,
    pub in_flight: Arc<InFlight>,
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the control plane did not answer about {0} within {1:?}")]
    Undiscovered(SocketAddr, Duration),
    #[error("the connection to {0} came to the proxy itself")]
    Loop(SocketAddr),
    #[error("{0}: {1}")]
    Opaque(SocketAddr, #[source] opaque::OpaqueError),
}

impl AcceptError {
    /// As metrics name it, and where it was to go.
    fn label(&self) -> (Option<SocketAddr>, &'static str) {
        use opaque::OpaqueError;
        match self {
            Self::Io(_) => (None, "i/o"),
            Self::Undiscovered(target, _) | Self::Loop(target) => (Some(*target), "unexpected"),
            Self::Opaque(target, cause) => match cause {
                OpaqueError::Connect(_) => (Some(*target), "i/o"),
                OpaqueError::NoEndpoint(_, label) => (Some(*target), label),
                OpaqueError::Forbidden | OpaqueError::Invalid | OpaqueError::NoBackend => {
                    (Some(*target), "unexpected")
                }
            },
        }
    }
}

impl Outbound {
    pub fn count_failed(&self, error: &AcceptError) {
        let (target, label) = error.label();
        let errors = &self.metrics.outbound.tcp_errors;
        errors.get(&Labels::failed(target, label)).increment();
    }

    pub async fn accept(
        self: Arc<Self>,
        tcp: TcpStream,
        client: SocketAddr,
        drain: Watch,
    ) -> Result<(), AcceptError> {
        let local = tcp.local_addr()?;
        let destination = self.orig_dst.of(&tcp, local);
        if destination == local && matches!(self.orig_dst, OrigDst::Socket) {
            return Err(AcceptError::Loop(destination));
        }
        let make = || Discovered::new(&self.discovery, destination);
        let discovered = self.destinations.get_or_insert(&destination, make);
        let live = discovered
            .wait(DISCOVERY_LIMIT)
            .await
            .ok_or(AcceptError::Undiscovered(destination, DISCOVERY_LIMIT))?;
        let make = || self.metrics.transport(accepted(destination));
        let io = Counted::new(tcp, Arc::clone(discovered.accepted(make)));
        let connection = Connection {
            outbound: self,
            client,
            discovered,
            destination,
            drain,
        };
        connection.serve(io, &live.policy).await
    }
}

fn accepted(destination: SocketAddr) -> Labels {
    Labels::new()
        .direction(Direction::Outbound)
        .peer(Side::Source)
        .target(destination)
        .tls(Tls::None(NoTls::Loopback))
}

struct Connection {
    outbound: Arc<Outbound>,
    client: SocketAddr,
    discovered: Arc<Discovered>,
    destination: SocketAddr,
    drain: Watch,
}

impl Connection {
    async fn serve(
        self,
        mut io: Counted<TcpStream>,
        policy: &LivePolicy,
    ) -> Result<(), AcceptError> {
        let mut first = BytesMut::new();
        let rows = Connections::new(&self.outbound.metrics, &policy.parent);
        match &policy.protocol {
            Protocol::Opaque(route) => {
                rows.protocol("opaq");
                self.opaque(io, route.as_ref(), &rows, false).await
            }
            Protocol::Tls(routes) => {
                rows.protocol("tls");
                let route = opaque::tls_route(&mut io, &mut first, routes).await?;
                self.opaque(Prefixed::new(first, io), route, &rows, true)
                    .await
            }
            Protocol::Http1(_) | Protocol::Http2(_) => {
                let is_http1 = matches!(policy.protocol, Protocol::Http1(_));
                rows.protocol(if is_http1 { "http/1" } else { "http/2" });
                let limit = first_line_limit(self.outbound.first_line_limit, None);
                let spoken = read_protocol(&mut io, &mut first, limit).await?;
                self.http(Prefixed::new(first, io), matches!(spoken, Spoken::Http2));
                Ok(())
            }
            Protocol::Detect {
                opaque, timeout, ..
            } => {
                rows.protocol("detect");
                let limit = first_line_limit(self.outbound.first_line_limit, *timeout);
                self.detect(io, first, opaque.as_ref(), &rows, limit).await
            }
        }
    }

    /// Reads what the client says; to a silent one, the server may speak first.
    async fn detect(
        self,
        mut io: Counted<TcpStream>,
        mut first: BytesMut,
        route: Option<&TcpRoute<Arc<Backend>>>,
        rows: &Connections,
        limit: Duration,
    ) -> Result<(), AcceptError> {
        let accepted = Instant::now();
        let onward = async { self.connect(route).await.map(|onward| onward.io) };
        let remembered = &self.discovered.server_first;
        match first::speaker(&mut io, &mut first, remembered, onward).await? {
            First::Client(server) => {
                let spoken = read_protocol(&mut io, &mut first, limit).await;
                rows.detected(spoken.as_ref().ok().copied(), accepted);
                let spoken = spoken?;
                let client = Prefixed::new(first, io);
                match (spoken, server) {
                    (Spoken::Opaque, Some(server)) => {
                        let open = rows.open(route.map(|r| &*r.reference), false);
                        open.ended(both_ways(client, server).await.map_err(AcceptError::Io))
                    }
                    (spoken, _) => self.spoke(spoken, client, route, rows).await,
                }
            }
            First::Server(server, greeting) => {
                rows.detected(Some(Spoken::Opaque), accepted);
                let open = rows.open(route.map(|r| &*r.reference), false);
                let server = Prefixed::new(greeting, server);
                open.ended(both_ways(io, server).await.map_err(AcceptError::Io))
            }
        }
    }

    async fn spoke<IO>(
        self,
        spoken: Spoken,
        io: Prefixed<IO>,
        route: Option<&TcpRoute<Arc<Backend>>>,
        rows: &Connections,
    ) -> Result<(), AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match spoken {
            Spoken::Http1 => self.http(io, false),
            Spoken::Http2 => self.http(io, true),
            Spoken::Opaque => return self.opaque(io, route, rows, false).await,
            Spoken::Nothing => {}
        }
        Ok(())
    }

    /// In a task of its own, so that the memory of detection is not held as long as the connection.
    fn http<IO>(self, io: Prefixed<IO>, is_http2: bool)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let session = Arc::new(Session {
            discovered: self.discovered,
            client: self.client,
            destination: self.destination,
            is_http2,
            is_informed: self.outbound.is_informed,
            metrics: Arc::clone(&self.outbound.metrics),
            taps: Arc::clone(&self.outbound.taps),
            host: std::sync::Mutex::default(),
            in_flight: Arc::clone(&self.outbound.in_flight),
        });
        let settings = self.outbound.http2.clone();
        tokio::spawn(http::serve(io, session, settings, self.drain));
    }

    async fn connect(
        &self,
        route: Option<&TcpRoute<Arc<Backend>>>,
    ) -> Result<opaque::Onward, AcceptError> {
        let connected = opaque::connect(route).await;
        connected.map_err(|e| AcceptError::Opaque(self.destination, e))
    }

    async fn opaque<IO>(
        self,
        io: IO,
        route: Option<&TcpRoute<Arc<Backend>>>,
        rows: &Connections,
        is_tls: bool,
    ) -> Result<(), AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let open = rows.open(route.map(|r| &*r.reference), is_tls);
        let copied = async {
            let server = self.connect(route).await?;
            Ok(both_ways(io, server.io).await?)
        };
        open.ended(copied.await)
    }
}
