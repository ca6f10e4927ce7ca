//! Connections to one endpoint: one shared HTTP/2 connection, and idle HTTP/1 ones.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::counted::{Counted, Meters};
use super::header::{SessionProtocol, TransportHeader};
use super::http2;
use super::tcp::{ConnectError, Connector, Dial, Stream};
use crate::exchange::body::Body;
use crate::exchange::framing::{self, Coding};
use crate::exchange::limits::Over;
use crate::exchange::serve::{HttpSettings, LONGEST_HEAD};

/// An idle HTTP/1 connection may be closed by its server at any time; one younger than this rarely is.
const FRESH: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The request did not leave; it may be sent elsewhere.
    #[error("{cause}")]
    NotSent {
        request: Box<Request<Body>>,
        cause: NotSent,
    },
    #[error("{0}")]
    Failed(#[source] HttpError),
    /// Its route gave it no more time.
    #[error("{0}")]
    TimedOut(Over),
    /// The answer's body cannot be told from its coding.
    #[error("{0}")]
    Coding(Coding),
}

/// What went wrong on a connection that carried a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error(transparent)]
    Http1(#[from] hyper::Error),
    #[error(transparent)]
    Http2(#[from] h2::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("{0}")]
    Ejected(#[from] crate::balance::breaker::Ejected),
}

#[derive(Clone, Debug)]
pub struct PoolSettings {
    pub idle_timeout: Duration,
    pub max_idle: usize,
    pub http2: HttpSettings,
}

pub struct Pool {
    dial: Dial,
    connector: Arc<Connector>,
    settings: PoolSettings,
    meters: Meters,
    http2: Mutex<Option<http2::Connection>>,
    /// Held while the shared connection is made, so that one is made.
    connecting: tokio::sync::Mutex<()>,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<(http1::SendRequest<Body>, Instant)>,
    is_swept: bool,
    /// Set once the endpoint is gone: nothing is kept any more.
    is_closed: bool,
}

/// Gives an HTTP/1 connection back to its pool when the response has been read to its end.
pub struct Lease {
    pool: Weak<Pool>,
    sender: Option<http1::SendRequest<Body>>,
}

impl Lease {
    pub fn give_back(&mut self) {
        if let (Some(pool), Some(sender)) = (self.pool.upgrade(), self.sender.take()) {
            pool.put(sender);
        }
    }
}

impl Pool {
    pub fn new(
        dial: Dial,
        connector: Arc<Connector>,
        settings: PoolSettings,
        meters: impl Into<Meters>,
    ) -> Arc<Self> {
        Arc::new(Self {
            dial,
            connector,
            settings,
            meters: meters.into(),
            http2: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            idle: Mutex::default(),
        })
    }

    pub fn dial(&self) -> &Dial {
        &self.dial
    }

    /// A connection for bytes that we do not understand.
    pub async fn open(&self) -> Result<Counted<Stream>, ConnectError> {
        self.connect(None).await
    }

    async fn connect(
        &self,
        protocol: Option<SessionProtocol>,
    ) -> Result<Counted<Stream>, ConnectError> {
        let mut dial = self.dial.clone();
        if let Some(header) = &mut dial.header {
            *header = TransportHeader {
                protocol,
                ..header.clone()
            };
        }
        let stream = self.connector.connect(&dial).await?;
        Ok(Counted::new(stream, self.meters.clone()))
    }

    /// Ends what is idle and lets the busy connections finish: the endpoint was removed.
    pub fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.is_closed = true;
        idle.connections.clear();
        drop(idle);
        self.shared().take();
    }

    fn shared(&self) -> std::sync::MutexGuard<'_, Option<http2::Connection>> {
        self.http2.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live_http2(&self) -> Option<http2::Connection> {
        let mut shared = self.shared();
        let live = shared.as_mut()?;
        live.is_open().then(|| live.clone())
    }

    pub async fn ready_http2(&self) -> Result<http2::Connection, NotSent> {
        if let Some(live) = self.live_http2() {
            return Ok(live);
        }
        // Apart, so that a request on a live connection has no room for the making of one.
        Box::pin(self.make_http2()).await
    }

    async fn make_http2(&self) -> Result<http2::Connection, NotSent> {
        let _alone = self.connecting.lock().await;
        if let Some(live) = self.live_http2() {
            return Ok(live);
        }
        let stream = self.connect(Some(SessionProtocol::Http2)).await?;
        let opened = http2::Connection::open(stream, &self.settings.http2).await;
        let connection = opened.map_err(HttpError::from)?;
        *self.shared() = Some(connection.clone());
        Ok(connection)
    }

    pub async fn send_http2(&self, request: Request<Body>) -> Result<Response<Body>, SendError> {
        let mut connection = match self.ready_http2().await {
            Ok(connection) => connection,
            Err(cause) => return Err(not_sent(request, cause)),
        };
        let sent = connection.send(request).await;
        sent.map_err(|error| SendError::Failed(error.into()))
    }

    /// Sends on an idle connection, or on a new one. The lease is to be given back when the body ended.
    pub async fn send_http1(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<(Response<Body>, Lease), SendError> {
        framing::delimit(&mut request);
        while let Some((mut sender, since)) = self.take() {
            let copy = (since.elapsed() > FRESH)
                .then(|| repeatable(&request))
                .flatten();
            match sender.try_send_request(request).await {
                Ok(response) => return self.answered(response, sender),
                Err(mut error) => match (error.take_message(), copy) {
                    (Some(unsent), _) => request = unsent,
                    // The server closed it as we wrote; a safe request without a body may go again,
                    // once, on a connection that cannot be stale.
                    (None, Some(copy)) => {
                        request = copy;
                        break;
                    }
                    (None, None) => return Err(SendError::Failed(error.into_error().into())),
                },
            }
        }
        let mut sender = match Box::pin(self.new_http1()).await {
            Ok(sender) => sender,
            Err(cause) => return Err(not_sent(request, cause)),
        };
        let response = sender.try_send_request(request).await.map_err(unsent)?;
        self.answered(response, sender)
    }

    fn answered(
        self: &Arc<Self>,
        response: Response<Incoming>,
        sender: http1::SendRequest<Body>,
    ) -> Result<(Response<Body>, Lease), SendError> {
        match framing::only_chunked(response.headers()) {
            Ok(()) => Ok((response.map(Body::incoming), self.lease(sender))),
            Err(coding) => Err(SendError::Coding(coding)),
        }
    }

    async fn new_http1(&self) -> Result<http1::SendRequest<Body>, NotSent> {
        let stream = self.connect(Some(SessionProtocol::Http1)).await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(LONGEST_HEAD as usize)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(HttpError::from)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "HTTP/1 connection ended");
            }
        });
        Ok(sender)
    }

    fn lease(self: &Arc<Self>, sender: http1::SendRequest<Body>) -> Lease {
        Lease {
            pool: Arc::downgrade(self),
            sender: Some(sender),
        }
    }

    fn take(&self) -> Option<(http1::SendRequest<Body>, Instant)> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = idle.connections.iter().rposition(|(c, _)| c.is_ready())?;
        Some(idle.connections.remove(ready))
    }

    fn put(self: &Arc<Self>, sender: http1::SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_closed() || idle.is_closed || idle.connections.len() >= self.settings.max_idle
        {
            return;
        }
        idle.connections.push((sender, Instant::now()));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.settings.idle_timeout));
        }
    }

    /// Returns whether any is left.
    fn drop_idle(&self, now: Instant) -> bool {
        let timeout = self.settings.idle_timeout;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.connections
            .retain(|(c, since)| !c.is_closed() && now.duration_since(*since) < timeout);
        idle.is_swept = !idle.connections.is_empty();
        if !idle.is_swept {
            idle.connections.shrink_to_fit();
        }
        idle.is_swept
    }
}

async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        if !pool.drop_idle(Instant::now()) {
            return;
        }
    }
}

fn repeatable(request: &Request<Body>) -> Option<Request<Body>> {
    use http_body::Body as _;
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

fn not_sent(request: Request<Body>, cause: NotSent) -> SendError {
    SendError::NotSent {
        request: Box::new(request),
        cause,
    }
}

fn unsent(mut error: hyper::client::conn::TrySendError<Request<Body>>) -> SendError {
    match error.take_message() {
        Some(request) => not_sent(request, NotSent::Http(error.into_error().into())),
        None => SendError::Failed(error.into_error().into()),
    }
}
