//! A connection to our workload: whose it is, what it speaks, who handles it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::HeaderValue;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::authorize::{ClientTls, Decision};
use super::policies::{LivePolicy, Policies, PortPolicy};
use super::{http, labels, opaque};
use crate::admin::Admin;
use crate::connect::counted::Counted;
use crate::connect::header::{SessionProtocol, TransportHeader};
use crate::connect::pool::{Pool, PoolSettings};
use crate::connect::tcp::{Connector, Dial};
use crate::control::cache::Cache;
use crate::control::policy::inbound::Protocol;
use crate::drain::Watch;
use crate::exchange::first::{self, First, Spoken, read_protocol};
use crate::exchange::in_flight::InFlight;
use crate::exchange::prefixed::Prefixed;
use crate::exchange::serve::HttpSettings;
use crate::orig_dst::OrigDst;
use crate::outbound::opaque::read_sni;
use crate::stream::ahead::ReadAhead;
use crate::tap::Taps;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::labels::Labels;
use crate::telemetry::metrics::Metrics;
use crate::tls::keys::Keys;
use crate::tls::name::Identity;
use crate::tls::server;

/// A client that begins a TLS handshake or a transport header must finish it in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

pub struct Inbound {
    pub policies: Policies,
    pub applications: Arc<Cache<SocketAddr, Arc<Pool>>>,
    pub connector: Arc<Connector>,
    pub pool: PoolSettings,
    pub keys: Arc<Keys>,
    /// The SNI by which peers ask for us.
    pub server_name: Identity,
    pub orig_dst: OrigDst,
    /// The pod's own addresses; empty allows any.
    pub ips: Vec<IpAddr>,
    pub metrics: Arc<Metrics>,
    pub taps: Arc<Taps>,
    pub access_log: Option<AccessLog>,
    pub http2: HttpSettings,
    pub first_line_limit: Option<Duration>,
    pub in_flight: Arc<InFlight>,
}

#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0} is not an address of this pod")]
    Foreign(SocketAddr),
    #[error("TLS with {client} failed: {cause}")]
    Tls {
        client: SocketAddr,
        cause: io::Error,
    },
    #[error("{0} connected to the proxy itself without mutual TLS and a transport header")]
    NotDirect(SocketAddr),
    #[error("{0} asked for {1}; this proxy is no gateway")]
    NoGateway(SocketAddr, String),
    #[error("{0} asked the proxy to connect to itself")]
    Loop(SocketAddr),
    #[error("{client} to {target}: {cause}")]
    Opaque {
        client: SocketAddr,
        target: SocketAddr,
        cause: opaque::OpaqueError,
    },
}

impl AcceptError {
    /// As metrics name it, and where it was to go. None: policy's decisions are counted as such.
    fn label(&self) -> Option<(Option<SocketAddr>, &'static str)> {
        use opaque::OpaqueError;
        Some(match self {
            Self::Io(_) => (None, "i/o"),
            Self::Tls { cause, .. } => match cause.kind() {
                io::ErrorKind::TimedOut => (None, "tls detection timeout"),
                _ => (None, "i/o"),
            },
            Self::Foreign(target) | Self::Loop(target) => (Some(*target), "unexpected"),
            Self::NotDirect(_) => (None, "unexpected"),
            Self::NoGateway(..) => (None, "gateway domain invalid"),
            Self::Opaque { target, cause, .. } => match cause {
                OpaqueError::Denied | OpaqueError::Terminated => return None,
                OpaqueError::Connect(_) | OpaqueError::Io(_) => (Some(*target), "i/o"),
            },
        })
    }
}

/// A connection whose client and target are known.
pub struct Arrival {
    pub inbound: Arc<Inbound>,
    pub policy: Arc<PortPolicy>,
    pub client: SocketAddr,
    pub target: SocketAddr,
    pub tls: ClientTls,
    pub drain: Watch,
    /// Set: the target is the proxy's own admin server.
    pub admin: Option<Arc<Admin>>,
}

impl Inbound {
    pub fn count_failed(&self, error: &AcceptError) {
        let Some((target, label)) = error.label() else {
            return;
        };
        let errors = &self.metrics.inbound.tcp_errors;
        errors.get(&Labels::failed(target, label)).increment();
    }

    pub fn application(&self, target: SocketAddr) -> Arc<Pool> {
        let make = || {
            let dial = Dial {
                address: target,
                peer: None,
                header: None,
            };
            let metrics = self.metrics.transport(labels::dialled(target));
            let connector = Arc::clone(&self.connector);
            Pool::new(dial, connector, self.pool.clone(), metrics)
        };
        Arc::clone(&self.applications.get_or_insert(&target, make))
    }

    pub async fn accept(
        self: Arc<Self>,
        tcp: TcpStream,
        client: SocketAddr,
        drain: Watch,
    ) -> Result<(), AcceptError> {
        let client = canonical(client);
        let local = tcp.local_addr()?;
        let target = canonical(self.orig_dst.of(&tcp, local));
        let local = canonical(local);
        if target == local {
            return self.direct(tcp, client, target, drain).await;
        }
        if !self.ips.is_empty() && !self.ips.contains(&target.ip()) {
            return Err(AcceptError::Foreign(target));
        }
        let arrival = Arrival {
            policy: self.policies.get(target.port()),
            inbound: self,
            client,
            target,
            tls: ClientTls::None,
            drain,
            admin: None,
        };
        let live = arrival.policy.settled().await;
        arrival.redirected(tcp, &live).await
    }

    /// The admin port is never redirected: plain for the kubelet, mutual TLS for meshed clients,
    /// and under policy once there is one.
    pub async fn accept_admin(
        self: Arc<Self>,
        tcp: TcpStream,
        client: SocketAddr,
        admin: Arc<Admin>,
        drain: Watch,
    ) -> Result<(), AcceptError> {
        let client = canonical(client);
        let target = canonical(tcp.local_addr()?);
        if client.ip().is_loopback() || !admin.ready.is_ready() {
            return Ok(admin.serve(tcp, client).await?);
        }
        let arrival = Arrival {
            policy: self.policies.get(target.port()),
            inbound: self,
            client,
            target,
            tls: ClientTls::None,
            drain,
            admin: Some(admin),
        };
        let live = arrival.policy.settled().await;
        arrival.meet_admin(tcp, &live).await
    }

    /// A peer dialled our own port: mutual TLS first, then a header that says which port it means.
    async fn direct(
        self: Arc<Self>,
        tcp: TcpStream,
        client: SocketAddr,
        local: SocketAddr,
        drain: Watch,
    ) -> Result<(), AcceptError> {
        let opened = tokio::time::timeout(HANDSHAKE_LIMIT, self.open_direct(tcp, client));
        let late = |_| AcceptError::NotDirect(client);
        let (tls, header, io) = opened.await.map_err(late)??;
        if let Some(name) = header.name {
            return Err(AcceptError::NoGateway(client, name));
        }
        if header.port == local.port() {
            return Err(AcceptError::Loop(client));
        }
        let target = SocketAddr::new(local.ip(), header.port);
        let arrival = Arrival {
            policy: self.policies.get(header.port),
            inbound: self,
            client,
            target,
            tls,
            drain,
            admin: None,
        };
        let live = arrival.policy.settled().await;
        arrival.count_header(&header);
        let io = arrival.counted(io, &live);
        match header.protocol {
            None => arrival.opaque(io, &live).await,
            Some(protocol) => {
                let io = Prefixed::new(BytesMut::new(), io);
                arrival.http(io, protocol == SessionProtocol::Http2);
                Ok(())
            }
        }
    }

    async fn open_direct(
        &self,
        mut tcp: TcpStream,
        client: SocketAddr,
    ) -> Result<Direct, AcceptError> {
        let mut first = BytesMut::new();
        if read_sni(&mut tcp, &mut first).await?.is_none() {
            return Err(AcceptError::NotDirect(client));
        }
        let accepted = server::accept(&self.keys, Prefixed::new(first, tcp)).await;
        let accepted = accepted.map_err(|cause| AcceptError::Tls { client, cause })?;
        if !accepted.is_transport || accepted.client.is_none() {
            return Err(AcceptError::NotDirect(client));
        }
        let mut io = accepted.io;
        let mut buffer = BytesMut::new();
        let header = TransportHeader::read(&mut io, &mut buffer).await?;
        let tls = ClientTls::Mesh(accepted.client);
        Ok((tls, header, Prefixed::new(buffer, io)))
    }
}

type Direct = (
    ClientTls,
    TransportHeader,
    Prefixed<tokio_rustls::server::TlsStream<ReadAhead<Prefixed<TcpStream>>>>,
);

/// A v4 client of a dual-stack listener is the same client.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Arrival {
    fn counted<IO>(&self, io: IO, live: &LivePolicy) -> Counted<IO> {
        let labels = labels::accepted(self.target, &self.tls, &live.policy.server);
        Counted::new(io, self.inbound.metrics.transport(labels))
    }

    async fn redirected(
        mut self,
        mut tcp: TcpStream,
        live: &LivePolicy,
    ) -> Result<(), AcceptError> {
        if matches!(live.policy.protocol, Protocol::Opaque) {
            self.tls = ClientTls::Skipped;
            let io = self.counted(tcp, live);
            return self.opaque(io, live).await;
        }
        let mut first = BytesMut::new();
        match first::speaker(
            &mut tcp,
            &mut first,
            &self.policy.server_first,
            self.onward(live),
        )
        .await?
        {
            First::Client(_) => {}
            First::Server(server, greeting) => {
                let io = self.counted(Prefixed::new(first, tcp), live);
                return self.copy(io, Prefixed::new(greeting, server)).await;
            }
        }
        let name = self.server_name(&mut tcp, &mut first).await?;
        let io = Prefixed::new(first, tcp);
        match name {
            Some(name) if self.is_ours(&name) => self.meshed(io, live).await,
            Some(name) => {
                self.tls = ClientTls::PassedThrough(name);
                let io = self.counted(io, live);
                self.opaque(io, live).await
            }
            None => {
                let io = self.counted(io, live);
                self.detect(io, BytesMut::new(), live).await
            }
        }
    }

    fn is_ours(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.inbound.server_name.as_str())
    }

    async fn server_name(
        &self,
        tcp: &mut TcpStream,
        first: &mut BytesMut,
    ) -> Result<Option<String>, AcceptError> {
        let named = tokio::time::timeout(HANDSHAKE_LIMIT, read_sni(tcp, first)).await;
        named
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|cause| AcceptError::Tls {
                client: self.client,
                cause,
            })
    }

    async fn meet_admin(
        mut self,
        mut tcp: TcpStream,
        live: &LivePolicy,
    ) -> Result<(), AcceptError> {
        let mut first = BytesMut::new();
        let name = self.server_name(&mut tcp, &mut first).await?;
        let io = Prefixed::new(first, tcp);
        if !name.is_some_and(|name| self.is_ours(&name)) {
            let io = self.counted(io, live);
            return self.detect(io, BytesMut::new(), live).await;
        }
        let accepted = self.handshake(io).await?;
        self.tls = ClientTls::Mesh(accepted.client);
        let io = self.counted(accepted.io, live);
        self.detect(io, BytesMut::new(), live).await
    }

    async fn handshake(
        &self,
        io: Prefixed<TcpStream>,
    ) -> Result<server::Accepted<Prefixed<TcpStream>>, AcceptError> {
        let handshake = server::accept(&self.inbound.keys, io);
        let accepted = tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await;
        accepted
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|cause| AcceptError::Tls {
                client: self.client,
                cause,
            })
    }

    async fn meshed(
        mut self,
        io: Prefixed<TcpStream>,
        live: &LivePolicy,
    ) -> Result<(), AcceptError> {
        let accepted = self.handshake(io).await?;
        self.tls = ClientTls::Mesh(accepted.client);
        let mut io = self.counted(accepted.io, live);
        if matches!(live.policy.protocol, Protocol::Tls) {
            return self.opaque(io, live).await;
        }
        let mut first = BytesMut::new();
        match first::speaker(
            &mut io,
            &mut first,
            &self.policy.server_first,
            self.onward(live),
        )
        .await?
        {
            First::Client(_) => self.detect(io, first, live).await,
            First::Server(server, greeting) => {
                self.copy(Prefixed::new(first, io), Prefixed::new(greeting, server))
                    .await
            }
        }
    }

    /// To a silent client that may speak to it, the application may speak first.
    async fn onward(
        &self,
        live: &LivePolicy,
    ) -> Result<Counted<crate::connect::tcp::Stream>, opaque::OpaqueError> {
        let is_open = matches!(
            live.policy.protocol,
            Protocol::Detect { .. } | Protocol::Tls
        );
        match opaque::decide(self, live) {
            Decision::Allow(_) if is_open => opaque::connect(self).await,
            _ => Err(opaque::OpaqueError::Denied),
        }
    }

    async fn detect<IO>(
        self,
        mut io: IO,
        mut first: BytesMut,
        live: &LivePolicy,
    ) -> Result<(), AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let started = Instant::now();
        let spoken = match live.policy.protocol {
            Protocol::Tls => Spoken::Opaque,
            _ => {
                let limit = live.first_line_limit(self.inbound.first_line_limit);
                let spoken = read_protocol(&mut io, &mut first, limit).await;
                self.count_detected(live, spoken.as_ref().ok().copied(), started);
                spoken?
            }
        };
        let io = Prefixed::new(first, io);
        match spoken {
            Spoken::Http1 => self.http(io, false),
            Spoken::Http2 => self.http(io, true),
            Spoken::Opaque if self.admin.is_some() => {}
            Spoken::Opaque => return self.opaque(io, live).await,
            Spoken::Nothing => {}
        }
        Ok(())
    }

    /// In a task of its own, so that the memory of the handshake is not held as long as the connection.
    fn http<IO>(self, io: Prefixed<IO>, is_http2: bool)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let client_id = self.tls.identity();
        let client_id = client_id.and_then(|id| HeaderValue::from_str(id.as_str()).ok());
        let session = Arc::new(http::Session {
            application: match self.admin {
                Some(admin) => http::Application::Admin(admin),
                None => http::Application::Dialled(self.inbound.application(self.target)),
            },
            metrics: Arc::clone(&self.inbound.metrics),
            taps: Arc::clone(&self.inbound.taps),
            access_log: self.inbound.access_log.clone(),
            policy: self.policy,
            client: self.client,
            tls: self.tls,
            target: self.target,
            is_http2,
            client_id,
            verdicts: std::sync::Mutex::default(),
            in_flight: Arc::clone(&self.inbound.in_flight),
        });
        let settings = self.inbound.http2.clone();
        tokio::spawn(http::serve(io, session, settings, self.drain));
    }

    async fn opaque<IO>(self, io: IO, live: &LivePolicy) -> Result<(), AcceptError>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        opaque::admit(&self, live).map_err(|e| self.failed(e))?;
        let server = opaque::connect(&self).await;
        let server = server.map_err(|e| self.failed(e))?;
        let copied = opaque::copy(&self, io, server).await;
        copied.map_err(|e| self.failed(e))
    }

    async fn copy<A, B>(self, client: A, server: B) -> Result<(), AcceptError>
    where
        A: AsyncRead + AsyncWrite + Unpin,
        B: AsyncRead + AsyncWrite + Unpin,
    {
        let live = self.policy.current();
        opaque::admit(&self, &live).map_err(|e| self.failed(e))?;
        let copied = opaque::copy(&self, client, server).await;
        copied.map_err(|e| self.failed(e))
    }

    fn failed(&self, cause: opaque::OpaqueError) -> AcceptError {
        AcceptError::Opaque {
            client: self.client,
            target: self.target,
            cause,
        }
    }
}
