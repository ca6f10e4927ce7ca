//! HTTP/2 to one endpoint. A request opens its stream itself on the shared connection: no queue and no
//! other task stands between them.

use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use h2::client::SendRequest;
use h2::{Ping, PingPong, Reason, SendStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use crate::exchange::body::{Body, BodyError, Received};
use crate::exchange::serve::{HttpSettings, LONGEST_HEAD};

/// What a stream may hold that its peer has not taken yet.
const SEND_BUFFER: usize = 1 << 20;
/// A live connection, or one that has ended since.
#[derive(Clone)]
pub struct Connection {
    requests: SendRequest<Bytes>,
    is_ended: Arc<AtomicBool>,
}

impl Connection {
    /// Begins HTTP/2 on `io`; a task of its own moves the bytes until either side ends it.
    pub async fn open<IO>(io: IO, settings: &HttpSettings) -> Result<Self, h2::Error>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, mut connection) = h2::client::Builder::new()
            .initial_window_size(settings.stream_window)
            .initial_connection_window_size(settings.connection_window)
            .max_frame_size(settings.max_frame_size)
            .max_header_list_size(LONGEST_HEAD)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_push(false)
            .handshake(io)
            .await?;
        let is_ended = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_ended);
        let pings = settings.keep_alive.zip(connection.ping_pong());
        tokio::spawn(async move {
            let silent = async {
                match pings {
                    Some(((interval, timeout), pings)) => silent(pings, interval, timeout).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // Not by value: the task would have room for it twice.
                closed = &mut connection => if let Err(error) = closed {
                    tracing::debug!(%error, "HTTP/2 connection ended");
                },
                () = silent => tracing::debug!("HTTP/2 connection ended: the peer answers no ping"),
            }
            ended.store(true, Relaxed);
        });
        Ok(Self { requests, is_ended })
    }

    /// Whether it takes another request: it has not ended, and its peer does not want it to end.
    pub fn is_open(&mut self) -> bool {
        // Nothing is waited for: a stream over the peer's limit waits inside the connection.
        let mut context = Context::from_waker(Waker::noop());
        let polled = self.requests.poll_ready(&mut context);
        !self.is_ended.load(Relaxed) && !matches!(polled, Poll::Ready(Err(_)))
    }

    /// Whether it has ended.
    pub fn is_closed(&self) -> bool {
        self.is_ended.load(Relaxed)
    }

    pub async fn send(&mut self, request: Request<Body>) -> Result<Response<Body>, h2::Error> {
        let (mut head, body) = request.into_parts();
        let is_end = body.is_end_stream();
        if !is_end {
            tell_length(&mut head.headers, &body);
        }
        let head = Request::from_parts(head, ());
        let (answer, stream) = self.requests.send_request(head, is_end)?;
        let sending = match is_end {
            true => None,
            false => upload(body, stream),
        };
        let response = answer.await?;
        let length = length(response.headers());
        Ok(response.map(|stream| Body::received(Received::new(stream, length, sending))))
    }
}

fn tell_length(headers: &mut HeaderMap, body: &Body) {
    if let Some(length) = body.size_hint().exact() {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Resolves when the peer does not answer a ping in time.
async fn silent(mut pings: PingPong, interval: Duration, timeout: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let answered = tokio::time::timeout(timeout, pings.ping(Ping::opaque())).await;
        if !matches!(answered, Ok(Ok(_))) {
            return;
        }
    }
}

/// Ends a request's upload when nobody awaits its response any more.
#[derive(Debug)]
pub struct Uploading(Option<AbortHandle>);

impl Drop for Uploading {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Uploading {
    /// The response is complete; the rest of the request may still be wanted.
    pub fn let_finish(mut self) {
        self.0 = None;
    }
}

/// A body that is there already, as of most calls of one message, is sent at once; None: it was.
fn upload(mut body: Body, mut stream: SendStream<Bytes>) -> Option<Uploading> {
    let first = match body.frame().now_or_never() {
        Some(Some(Ok(frame))) => match frame.into_data() {
            Ok(data) if body.is_end_stream() && fits(&mut stream, &data) => {
                // It fails only if the stream was reset, which the response's future tells.
                let _ = stream.send_data(data, true);
                return None;
            }
            Ok(data) => Some(Ok(data)),
            Err(frame) => Some(Err(frame.into_trailers().unwrap_or_default())),
        },
        Some(Some(Err(error))) => {
            stream.send_reset(reason(&error));
            return None;
        }
        Some(None) => {
            let _ = stream.send_data(Bytes::new(), true);
            return None;
        }
        None => None,
    };
    let task = tokio::spawn(async move {
        // An error is the stream's own end: its response tells it.
        let _ = send_body(first, body, &mut stream).await;
    });
    Some(Uploading(Some(task.abort_handle())))
}

/// A client that cancelled cancels onward; a body that broke is an error of ours.
fn reason(error: &BodyError) -> Reason {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(reason) = cause.downcast_ref().and_then(h2::Error::reason) {
            return reason;
        }
        next = cause.source();
    }
    Reason::INTERNAL_ERROR
}

fn fits(stream: &mut SendStream<Bytes>, data: &Bytes) -> bool {
    stream.reserve_capacity(data.len());
    stream.capacity() >= data.len()
}

async fn send_body(
    first: Option<Result<Bytes, HeaderMap>>,
    mut body: Body,
    stream: &mut SendStream<Bytes>,
) -> Result<(), h2::Error> {
    let mut next = first;
    loop {
        match next {
            Some(Ok(data)) => {
                let is_end = body.is_end_stream();
                send_data(data, is_end, stream).await?;
                if is_end {
                    return Ok(());
                }
            }
            Some(Err(trailers)) => return stream.send_trailers(trailers),
            None => {}
        }
        let frame = tokio::select! {
            biased;
            reset = poll_fn(|cx| stream.poll_reset(cx)) => return reset.map(|_| ()),
            frame = body.frame() => frame,
        };
        next = match frame {
            None => return stream.send_data(Bytes::new(), true),
            Some(Err(error)) => {
                stream.send_reset(reason(&error));
                return Ok(());
            }
            Some(Ok(frame)) => Some(match frame.into_data() {
                Ok(data) => Ok(data),
                Err(frame) => Err(frame.into_trailers().unwrap_or_default()),
            }),
        };
    }
}

/// As the peer's windows allow, so that no more than they do is held here.
async fn send_data(
    mut data: Bytes,
    is_end: bool,
    stream: &mut SendStream<Bytes>,
) -> Result<(), h2::Error> {
    loop {
        stream.reserve_capacity(data.len());
        let mut room = stream.capacity();
        while room == 0 && !data.is_empty() {
            match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(granted) => room = granted?,
                None => return Err(Reason::CANCEL.into()),
            }
        }
        let part = data.split_to(room.min(data.len()));
        let is_last = data.is_empty();
        stream.send_data(part, is_last && is_end)?;
        if is_last {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_frames_that_nobody_reads_do_not_end_the_connection() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(far).await.unwrap();
            let mut unread = Vec::new();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let is_short = request.uri().path() == "/short";
                let mut stream = respond.send_response(Response::new(()), is_short).unwrap();
                for _ in 0..if is_short { 0 } else { 8_000 } {
                    stream
                        .send_data(Bytes::from_static(b"event"), false)
                        .unwrap();
                }
                unread.push(stream);
            }
        });
        let opened = Connection::open(near, &HttpSettings::default()).await;
        let mut connection = opened.unwrap();
        let to = |path| Request::get(format!("http://web{path}")).body(Body::empty());
        let unread = connection.send(to("/events").unwrap()).await.unwrap();
        for _ in 0..100 {
            let answer = connection.send(to("/short").unwrap()).await.unwrap();
            assert!(answer.body().is_end_stream());
        }
        let events = unread.into_body().frame().await;
        assert_eq!(events.unwrap().unwrap().into_data().unwrap(), "event");
    }
}
