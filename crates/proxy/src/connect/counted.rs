//! Counts the bytes of a connection, and its opening and closing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::forward_ends;
use crate::telemetry::metrics::{TransferCost, TransportMetrics};

/// What a connection counts on.
#[derive(Clone)]
pub struct Meters {
    pub transport: Arc<TransportMetrics>,
    /// None: it leads to no endpoint of another pod.
    pub cost: Option<Arc<TransferCost>>,
}

impl From<Arc<TransportMetrics>> for Meters {
    fn from(transport: Arc<TransportMetrics>) -> Self {
        let cost = None;
        Self { transport, cost }
    }
}

impl Meters {
    fn read(&self, bytes: u64) {
        self.transport.read(bytes);
        if let Some(cost) = &self.cost {
            cost.read(bytes);
        }
    }

    fn write(&self, bytes: u64) {
        self.transport.write(bytes);
        if let Some(cost) = &self.cost {
            cost.write(bytes);
        }
    }
}

pub struct Counted<IO> {
    io: IO,
    meters: Meters,
    errno: Option<i32>,
}

impl<IO> Counted<IO> {
    pub fn new(io: IO, meters: impl Into<Meters>) -> Self {
        let meters = meters.into();
        meters.transport.open();
        Self {
            io,
            meters,
            errno: None,
        }
    }

    pub fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO> Drop for Counted<IO> {
    fn drop(&mut self) {
        self.meters.transport.close(self.errno);
    }
}

fn note<T>(errno: &mut Option<i32>, polled: &Poll<io::Result<T>>) {
    if let Poll::Ready(Err(error)) = polled {
        *errno = error.raw_os_error();
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Counted<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        note(&mut this.errno, &polled);
        let read = buf.filled().len() - before;
        if read > 0 {
            this.meters.read(read as u64);
        }
        polled
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Counted<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(cx, buf);
        note(&mut this.errno, &polled);
        if let Poll::Ready(Ok(written)) = polled {
            this.meters.write(written as u64);
        }
        polled
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        note(&mut this.errno, &polled);
        if let Poll::Ready(Ok(written)) = polled {
            this.meters.write(written as u64);
        }
        polled
    }

    forward_ends!();
}
