//! Whether an HTTP/1 connection rests between requests, so that its buffers can be given back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use http::Request;
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::prefixed::Prefixed;

/// A request is being answered.
const BUSY: u8 = 1;
/// The last request has a body, of which hyper may still have to read the rest.
const HAS_BODY: u8 = 1 << 1;
/// What was written has not all left, or the connection is being closed.
const UNSENT: u8 = 1 << 2;
/// Something was read, and no request is being answered: the next one's head has begun.
const HEAD: u8 = 1 << 3;

/// What one connection is doing. Written by its own task only.
#[derive(Debug, Default)]
pub struct Activity {
    state: AtomicU8,
    requests: AtomicU32,
}

/// Held by a response's body: as long as it lives, the request is being answered.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    request: u32,
}

impl Activity {
    pub fn begin(self: &Arc<Self>, request: &Request<Incoming>) -> Busy {
        let has_body = if request.body().is_end_stream() {
            0
        } else {
            HAS_BODY
        };
        let unsent = self.state.load(Relaxed) & UNSENT;
        self.state.store(BUSY | has_body | unsent, Relaxed);
        let number = self.requests().wrapping_add(1);
        self.requests.store(number, Relaxed);
        Busy {
            activity: Arc::clone(self),
            request: number,
        }
    }

    /// How many requests there have been; it wraps.
    pub fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    pub fn is_resting(&self) -> bool {
        self.state.load(Relaxed) == 0
    }

    /// Whether nothing is under way but a request whose head is not complete.
    pub fn is_reading_head(&self) -> bool {
        self.state.load(Relaxed) & (BUSY | UNSENT | HEAD) == HEAD
    }

    fn set(&self, flag: u8, is_set: bool) {
        let state = self.state.load(Relaxed);
        let new = if is_set { state | flag } else { state & !flag };
        if new != state {
            self.state.store(new, Relaxed);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.activity.requests() == self.request {
            self.activity.set(BUSY, false);
        }
    }
}

/// A connection whose unfinished writes are known.
pub struct Watched<IO> {
    io: Prefixed<IO>,
    activity: Arc<Activity>,
}

impl<IO> Watched<IO> {
    pub fn new(io: Prefixed<IO>, activity: Arc<Activity>) -> Self {
        Self { io, activity }
    }

    pub fn into_inner(self) -> Prefixed<IO> {
        self.io
    }

    fn note<T>(&self, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity
            .set(UNSENT, !matches!(polled, Poll::Ready(Ok(_))));
        polled
    }
}

/// Waits, with next to no memory, for the next bytes; false: the client hung up.
pub async fn wait<IO>(io: &mut Prefixed<IO>) -> io::Result<bool>
where
    IO: AsyncRead + Unpin,
{
    if io.has_prefix() {
        return Ok(true);
    }
    let mut some = [0; 16];
    let read = io.read(&mut some).await?;
    io.put_back(&some[..read]);
    Ok(read > 0)
}

impl<IO: AsyncRead + Unpin> AsyncRead for Watched<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        if buf.filled().len() > before && this.activity.state.load(Relaxed) & BUSY == 0 {
            this.activity.set(HEAD, true);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Watched<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        this.note(polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.note(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_flush(cx);
        this.note(polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.activity.set(UNSENT, true);
        let closed = ready!(Pin::new(&mut this.io).poll_shutdown(cx));
        Poll::Ready(closed)
    }
}
