//! A client of one control-plane service: connects when asked, reconnects, and follows streams.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::sync::Mutex;

use super::dns::{Dns, DnsError};
use super::observe::Observed;
use crate::connect::http2::Connection;
use crate::connect::tcp::{ConnectError, ConnectSettings, Connector, Dial};
use crate::exchange::body::Body;
use crate::exchange::serve::HttpSettings;
use crate::telemetry::metrics::{Balancing, Now};
use crate::tls::client::Peer;
use crate::tls::keys::Keys;

/// How long an address of a service may take to be reached.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{0}")]
    Dns(#[from] DnsError),
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] h2::Error),
    #[error("the request cannot be read: {0}")]
    Request(#[from] tonic::Status),
    #[error("the control-plane address {0} is not host:port")]
    Address(String),
}

/// Where a service is and whom it must prove to be; no identity only on loopback.
#[derive(Clone, Debug)]
pub struct Service {
    pub host: String,
    pub port: u16,
    pub peer: Option<Peer>,
}

/// A tonic transport over one HTTP/2 connection. Clones share it.
#[derive(Clone)]
pub struct Channel(Arc<Shared>);

struct Shared {
    service: Service,
    dns: Arc<Dns>,
    connector: Connector,
    connection: Mutex<Option<Connection>>,
    turn: std::sync::atomic::AtomicUsize,
    observed: Option<Observed>,
}

impl Channel {
    pub fn new(service: Service, dns: Arc<Dns>, keys: Arc<Keys>) -> Self {
        Self::observed(service, dns, keys, None)
    }

    pub fn observed(
        service: Service,
        dns: Arc<Dns>,
        keys: Arc<Keys>,
        observed: Option<Observed>,
    ) -> Self {
        let settings = ConnectSettings {
            timeout: CONNECT_TIMEOUT,
            keepalive: Some(Duration::from_secs(10)),
            user_timeout: Some(Duration::from_secs(30)),
        };
        let shared = Arc::new(Shared {
            service,
            dns,
            connector: Connector::new(settings, Some(keys)),
            connection: Mutex::new(None),
            turn: std::sync::atomic::AtomicUsize::new(0),
            observed,
        });
        if let Some(observed) = &shared.observed {
            observed.begin(Arc::downgrade(&shared) as Weak<dyn Balancing>);
        }
        Self(shared)
    }

    async fn ready(&self) -> Result<Connection, ControlError> {
        let _turn = self.0.observed.as_ref().and_then(Observed::enter);
        let mut connection = self.0.connection.lock().await;
        if let Some(live) = connection.as_mut()
            && live.is_open()
        {
            return Ok(live.clone());
        }
        let fresh = self.0.connect().await;
        if let Some(observed) = &self.0.observed {
            observed.connected(fresh.is_ok());
        }
        let fresh = fresh?;
        *connection = Some(fresh.clone());
        Ok(fresh)
    }
}

impl Shared {
    /// Tries each address once, beginning with another one every time.
    async fn connect(&self) -> Result<Connection, ControlError> {
        let Service { host, port, peer } = &self.service;
        let found = self.dns.resolve(host, *port).await;
        if let Some(observed) = self.observed.as_ref().filter(|_| is_name(host)) {
            observed.looked_up(found.is_ok());
        }
        let addresses = found?;
        if let Some(observed) = &self.observed {
            observed.found(&addresses);
        }
        let first = self.turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut last = None;
        for offset in 0..addresses.len() {
            let address: SocketAddr = addresses[(first + offset) % addresses.len()];
            let dial = Dial {
                address,
                peer: peer.clone(),
                header: None,
            };
            match self.connector.connect(&dial).await {
                Ok(stream) => return Ok(Connection::open(stream, &settings()).await?),
                Err(e) => last = Some(e),
            }
        }
        Err(last.expect("a look-up gives at least one address").into())
    }
}

impl Balancing for Shared {
    fn now(&self) -> Option<Now> {
        // Whoever holds it looks, or connects.
        let connection = self.connection.try_lock().ok();
        let connection = connection.as_deref().and_then(Option::as_ref);
        let is_connected = connection.is_some_and(|live| !live.is_closed());
        self.observed.as_ref()?.now(is_connected, CONNECT_TIMEOUT)
    }
}

/// What is looked up, rather than dialled as it is.
fn is_name(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']).trim_end_matches('.');
    bare != "localhost" && bare.parse::<std::net::IpAddr>().is_err()
}

fn settings() -> HttpSettings {
    HttpSettings {
        keep_alive: Some((Duration::from_secs(10), Duration::from_secs(3))),
        ..HttpSettings::default()
    }
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Channel {
    type Response = http::Response<Body>;
    type Error = ControlError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ControlError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ControlError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let channel = self.clone();
        Box::pin(async move {
            let mut connection = channel.ready().await?;
            // All that is asked is one message: known whole, it is sent without a task of its own.
            let (head, body) = request.into_parts();
            let body = Body::bytes(body.collect().await?.to_bytes());
            let mut request = http::Request::from_parts(head, body);
            let Service { host, port, .. } = &channel.0.service;
            let mut uri = std::mem::take(request.uri_mut()).into_parts();
            uri.scheme = Some(http::uri::Scheme::HTTP);
            let authority = format!("{}:{port}", host.trim_end_matches('.'));
            uri.authority = authority.parse().ok();
            *request.uri_mut() =
                http::Uri::from_parts(uri).map_err(|_| ControlError::Address(authority))?;
            let Some(observed) = &channel.0.observed else {
                return Ok(connection.send(request).await?);
            };
            observed.asked();
            let started = std::time::Instant::now();
            Ok(observed.answered(connection.send(request).await, started)?)
        })
    }
}

/// Doubles from 100 ms to `longest`, shortened by chance so that a fleet does not knock in step.
pub struct Backoff {
    attempt: u32,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(Duration::from_secs(10))
    }
}

impl Backoff {
    pub fn up_to(longest: Duration) -> Self {
        let attempt = 0;
        Self { attempt, longest }
    }

    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    pub fn next_delay(&mut self) -> Duration {
        let exact = Duration::from_millis(100).saturating_mul(1 << self.attempt.min(7));
        self.attempt += 1;
        exact.min(self.longest).mul_f64(1.0 - chance() / 2.0)
    }

    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_delay()).await;
    }
}

/// 0.0 to 1.0, from the hasher's random keys: spread is all that is asked of it.
pub fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    let bits = std::hash::RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// How long a stream may be silent at first, silent later, and open at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamLimits {
    pub initial: Option<Duration>,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
}

/// What happened on a followed stream.
pub enum Event<T> {
    /// `is_first`: the stream was just (re)opened, so this replaces what was known before.
    Message {
        message: T,
        is_first: bool,
    },
    Failed(tonic::Status),
}

/// Reads a stream for as long as `apply` asks for more, reopening it with backoff.
pub async fn follow<T, Open, Opening>(
    limits: StreamLimits,
    mut open: Open,
    mut apply: impl FnMut(Event<T>) -> std::ops::ControlFlow<()>,
) where
    Open: FnMut() -> Opening,
    Opening: Future<Output = Result<tonic::Response<tonic::Streaming<T>>, tonic::Status>>,
{
    let mut backoff = Backoff::default();
    loop {
        let failure = match read(limits, open(), &mut backoff, &mut apply).await {
            Ok(()) => return,
            Err(failure) => failure,
        };
        let is_planned = failure.is_none();
        if let Some(status) = failure
            && apply(Event::Failed(status)).is_break()
        {
            return;
        }
        if !is_planned {
            backoff.wait().await;
        }
    }
}

/// Ok: no more is wanted. Err(None): the stream's life is over and a new one is due.
async fn read<T>(
    limits: StreamLimits,
    opening: impl Future<Output = Result<tonic::Response<tonic::Streaming<T>>, tonic::Status>>,
    backoff: &mut Backoff,
    apply: &mut impl FnMut(Event<T>) -> std::ops::ControlFlow<()>,
) -> Result<(), Option<tonic::Status>> {
    let ends = limits
        .lifetime
        .map(|life| tokio::time::Instant::now() + life);
    let silent = || tonic::Status::deadline_exceeded("the control plane sent nothing");
    let mut stream = within(limits.initial, opening)
        .await
        .ok_or_else(silent)??
        .into_inner();
    let mut is_first = true;
    loop {
        let patience = if is_first {
            limits.initial
        } else {
            limits.idle
        };
        let left = ends.map(|ends| ends.saturating_duration_since(tokio::time::Instant::now()));
        let is_last_wait = matches!((left, patience), (Some(l), Some(p)) if l < p)
            || (left.is_some() && patience.is_none());
        let wait = if is_last_wait { left } else { patience };
        match within(wait, stream.message()).await {
            Some(Ok(Some(message))) => {
                backoff.reset();
                if apply(Event::Message { message, is_first }).is_break() {
                    return Ok(());
                }
                is_first = false;
            }
            Some(Ok(None)) => return Err(Some(tonic::Status::unavailable("the stream ended"))),
            Some(Err(status)) => return Err(Some(status)),
            None if is_last_wait || !is_first => return Err(None),
            None => return Err(Some(silent())),
        }
    }
}

async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
