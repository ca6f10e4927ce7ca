//! Serves HTTP on one accepted connection until it ends or the proxy drains.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::Body;

/// HTTP/2 settings of one direction.
#[derive(Clone, Debug)]
pub struct Http2Settings {
    pub stream_window: u32,
    pub connection_window: u32,
    pub keep_alive: Option<(Duration, Duration)>,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            stream_window: 1 << 16,
            connection_window: 1 << 20,
            keep_alive: None,
        }
    }
}

/// `draining` resolves when no further requests are wanted on this connection.
pub async fn http1<IO, S>(
    io: IO,
    service: S,
    draining: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send,
{
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
    }
    connection.await
}

pub async fn http2<IO, S>(
    io: IO,
    service: S,
    settings: &Http2Settings,
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
        .max_concurrent_streams(None);
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
