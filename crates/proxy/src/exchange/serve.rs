//! Serves HTTP on one accepted connection until it ends or the proxy drains.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::Body;
use super::prefixed::Prefixed;
use super::respond::LastAnswer;
use super::rest::{self, Activity, Watched};

/// How one direction serves HTTP.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub stream_window: u32,
    pub connection_window: u32,
    pub keep_alive: Option<(Duration, Duration)>,
    pub is_window_adaptive: bool,
    pub max_concurrent_streams: Option<u32>,
    pub max_frame_size: u32,
    pub max_header_list_size: Option<u32>,
    pub max_pending_resets: Option<usize>,
    pub max_send_buffer: Option<usize>,
    /// In which a client of HTTP/1 must have sent the first request's head, and each later one that it began.
    pub head_timeout: Duration,
}

/// With its nine bytes of header, such a frame fills three TLS records and no part of a fourth.
pub const FRAME_SIZE: u32 = 3 * 16_384 - 9;

/// Of all streams of a connection together: 512 whose readers have stopped leave the others room. From half of it
/// h2 pays for small DATA frames that nobody has read yet, each 256 less its length: some 130,000, at which it
/// ends the connection.
pub const CONNECTION_WINDOW: u32 = 64 << 20;

/// Of a request or a response. In HTTP/1 it is also what a connection holds each way while its peer stops.
pub const LONGEST_HEAD: u32 = 128 << 10;

pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How often to ask a silent peer, and how long to wait for its answer. None without either; one alone goes with what
/// the injector sets for the other.
pub fn keep_alive(
    interval: Option<Duration>,
    timeout: Option<Duration>,
) -> Option<(Duration, Duration)> {
    interval.or(timeout)?;
    let interval = interval.unwrap_or(Duration::from_secs(10));
    Some((interval, timeout.unwrap_or(Duration::from_secs(3))))
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            stream_window: 1 << 16,
            connection_window: CONNECTION_WINDOW,
            keep_alive: None,
            is_window_adaptive: false,
            max_concurrent_streams: None,
            max_frame_size: FRAME_SIZE,
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

/// A connection that has been silent for this long gives its buffers back; one that soon speaks again
/// is left alone for longer the next time.
const FIRST_REST: Duration = Duration::from_millis(5);
const LAST_REST: Duration = Duration::from_secs(1);

/// How one stay with a connection ended.
enum Stay<IO> {
    Ended,
    /// Nothing is under way.
    Resting(Prefixed<IO>),
}

/// `draining` resolves when no further requests are wanted on this connection.
pub async fn http1<IO, H, F>(
    mut io: Prefixed<IO>,
    handle: H,
    settings: &HttpSettings,
    draining: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Clone + Unpin,
    F: Future<Output = Response<Body>> + Send,
{
    let begun = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    let handle = move |request| {
        seen.store(true, Relaxed);
        handle(request)
    };
    let mut draining = pin!(draining);
    let mut late = pin!(is_late(&begun, settings.head_timeout));
    let mut patience = FIRST_REST;
    loop {
        let limit = settings.head_timeout;
        let staying = stay(io, handle.clone(), draining.as_mut(), &mut patience, limit);
        io = tokio::select! {
            biased;
            stayed = staying => match stayed? {
                Stay::Ended => return Ok(()),
                Stay::Resting(io) => io,
            },
            () = late.as_mut() => return Ok(()),
        };
        let has_more = tokio::select! {
            has_more = rest::wait(&mut io) => has_more.unwrap_or(false),
            () = draining.as_mut() => false,
            () = late.as_mut() => false,
        };
        if !has_more {
            // A peer that is gone already needs no farewell.
            let _ = io.shutdown().await;
            return Ok(());
        }
        patience = (patience * 2).min(LAST_REST);
    }
}

/// Serves until the connection ends, or until it has rested for a while.
async fn stay<IO, H, F>(
    io: Prefixed<IO>,
    handle: H,
    mut draining: Pin<&mut impl Future<Output = ()>>,
    patience: &mut Duration,
    head_timeout: Duration,
) -> hyper::Result<Stay<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F + Unpin,
    F: Future<Output = Response<Body>> + Send,
{
    let activity = Arc::new(Activity::default());
    let counted = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let busy = counted.begin(&request);
        // Not by an async block: it would have room for the answer's making twice.
        handle(request)
            .map(move |answer| Ok::<_, Infallible>(answer.map(|body| body.keeping(busy))))
    });
    let io = TokioIo::new(Watched::new(io, Arc::clone(&activity)));
    let mut builder = http1::Builder::new();
    builder
        .auto_date_header(false)
        .max_buf_size(LONGEST_HEAD as usize)
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    // On the heap, so that a resting connection does not hold its place.
    let mut connection = Box::new(builder.serve_connection(io, service).with_upgrades());
    let mut seen = activity.requests();
    let mut head_since = None;
    loop {
        tokio::select! {
            biased;
            ended = &mut *connection => return ended.map(|()| Stay::Ended),
            () = draining.as_mut() => {
                Pin::new(&mut *connection).graceful_shutdown();
                return connection.await.map(|()| Stay::Ended);
            }
            () = tokio::time::sleep((*patience).min(head_timeout)) => {}
        }
        let requests = activity.requests();
        if requests != seen || !activity.is_reading_head() {
            head_since = None;
        } else if head_since.get_or_insert_with(Instant::now).elapsed() >= head_timeout {
            return Ok(match connection.into_parts() {
                // What was read was the end of the last request's body.
                Some(parts) if parts.read_buf.is_empty() => {
                    Stay::Resting(parts.io.into_inner().into_inner())
                }
                _ => Stay::Ended,
            });
        }
        // Many clients ask once and then keep the connection: the first time a moment is enough.
        let is_talkative = requests != seen && *patience > FIRST_REST;
        if is_talkative || !activity.is_resting() {
            seen = requests;
            *patience = (*patience * 2).min(LAST_REST);
        } else if let Some(parts) = connection.into_parts() {
            let mut io = parts.io.into_inner().into_inner();
            io.put_back(&parts.read_buf);
            return Ok(Stay::Resting(io));
        } else {
            return Ok(Stay::Ended);
        }
    }
}

pub async fn http2<IO, H, F>(
    io: IO,
    handle: H,
    settings: &HttpSettings,
    draining: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .initial_stream_window_size(settings.stream_window)
        .initial_connection_window_size(settings.connection_window)
        .adaptive_window(settings.is_window_adaptive)
        .max_concurrent_streams(settings.max_concurrent_streams)
        .max_frame_size(settings.max_frame_size)
        .max_header_list_size(settings.max_header_list_size.unwrap_or(LONGEST_HEAD));
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
    let last = Arc::new(Notify::new());
    let notify = Arc::clone(&last);
    let service = service_fn(move |request| {
        let last = Arc::clone(&notify);
        handle(request).then(async move |answer| {
            if answer.extensions().get::<LastAnswer>().is_some() {
                // A request fails too when its client has reset it. Where we yield, the library
                // finds the reset and drops us: for one stream no connection is to end.
                tokio::task::yield_now().await;
                last.notify_one();
            }
            Ok::<_, Infallible>(answer)
        })
    });
    let mut connection = Box::pin(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = draining => {}
        () = last.notified() => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use tokio::io::AsyncReadExt;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn until_answered(client: &mut tokio::io::DuplexStream) {
        let mut said = Vec::new();
        while !said.ends_with(b"here") {
            assert_ne!(client.read_buf(&mut said).await.unwrap(), 0);
        }
        assert!(said.starts_with(b"HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn a_silent_connection_gives_its_memory_back_and_wakes_again() {
        let (mut client, server) = tokio::io::duplex(4096);
        // Held once here, once by the connection, and once more by hyper while it serves.
        let held = Arc::new(());
        let handler = Arc::clone(&held);
        let handle = move |_: Request<Incoming>| {
            let _handler = Arc::clone(&handler);
            async { Response::new(Body::bytes(Bytes::from_static(b"here"))) }
        };
        let io = Prefixed::new(BytesMut::new(), server);
        let serving = tokio::spawn(async move {
            let settings = HttpSettings::default();
            http1(io, handle, &settings, std::future::pending()).await
        });
        for _ in 0..3 {
            let (first, rest) = REQUEST.split_at(7);
            client.write_all(first).await.unwrap();
            client.write_all(rest).await.unwrap();
            until_answered(&mut client).await;
            while Arc::strong_count(&held) > 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        drop(client);
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_resting_connection_ends_with_the_drain() {
        let (mut client, server) = tokio::io::duplex(4096);
        let held = Arc::new(());
        let handler = Arc::clone(&held);
        let handle = move |_: Request<Incoming>| {
            let _handler = Arc::clone(&handler);
            async { Response::new(Body::bytes(Bytes::from_static(b"here"))) }
        };
        let (drain, draining) = tokio::sync::oneshot::channel::<()>();
        let io = Prefixed::new(BytesMut::new(), server);
        let serving = tokio::spawn(async move {
            let settings = HttpSettings::default();
            let draining = async {
                let _ = draining.await;
            };
            http1(io, handle, &settings, draining).await
        });
        client.write_all(REQUEST).await.unwrap();
        until_answered(&mut client).await;
        while Arc::strong_count(&held) > 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drain.send(()).unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        serving.await.unwrap().unwrap();
    }
}
