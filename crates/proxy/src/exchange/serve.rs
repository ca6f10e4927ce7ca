//! Serves HTTP on one accepted connection until it ends or the proxy drains.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Body;

/// How one direction serves HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub stream_window: u32,
    pub connection_window: u32,
    pub keep_alive: Option<(Duration, Duration)>,
    pub is_window_adaptive: bool,
    pub max_concurrent_streams: Option<u32>,
    pub max_frame_size: Option<u32>,
    pub max_header_list_size: Option<u32>,
    pub max_pending_resets: Option<usize>,
    pub max_send_buffer: Option<usize>,
    /// In which a client of HTTP/1 must have sent the first request's head.
    pub head_timeout: Duration,
}

pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            stream_window: 1 << 16,
            connection_window: 1 << 20,
            keep_alive: None,
            is_window_adaptive: false,
            max_concurrent_streams: None,
            max_frame_size: None,
            max_header_list_size: None,
            max_pending_resets: None,
            max_send_buffer: None,
            head_timeout: HEAD_TIMEOUT,
        }
    }
}

/// Resolves when the first request's head took too long: its connection is not worth keeping.
async fn is_late(begun: &AtomicBool, limit: Duration) {
    tokio::time::sleep(limit).await;
    if begun.load(Relaxed) {
        std::future::pending().await
    }
}

/// `draining` resolves when no further requests are wanted on this connection.
pub async fn http1<IO, S>(
    io: IO,
    service: S,
    settings: &HttpSettings,
    draining: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send,
{
    let begun = AtomicBool::new(false);
    let service = service_fn(|request| {
        begun.store(true, Relaxed);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = draining => connection.as_mut().graceful_shutdown(),
        () = is_late(&begun, settings.head_timeout) => return Ok(()),
    }
    connection.await
}

pub async fn http2<IO, S>(
    io: IO,
    service: S,
    settings: &HttpSettings,
    draining: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .adaptive_window(settings.is_window_adaptive)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_frame_size(settings.max_frame_size);
    if let Some(most) = settings.max_header_list_size {
        builder.max_header_list_size(most);
    }
    if settings.max_pending_resets.is_some() {
        builder.max_pending_accept_reset_streams(settings.max_pending_resets);
    }
    if let Some(most) = settings.max_send_buffer {
        builder.max_send_buf_size(most);
    }
    if let Some((interval, timeout)) = settings.keep_alive {
        builder
            .keep_alive_interval(interval)
            .keep_alive_timeout(timeout);
    }
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = draining => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}
