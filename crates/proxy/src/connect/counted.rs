//! Counts the bytes of a connection, and its opening and closing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::forward_ends;
use crate::telemetry::metrics::TransportMetrics;

pub struct Counted<IO> {
    io: IO,
    metrics: Arc<TransportMetrics>,
    errno: Option<i32>,
}

impl<IO> Counted<IO> {
    pub fn new(io: IO, metrics: Arc<TransportMetrics>) -> Self {
        metrics.open();
        Self {
            io,
            metrics,
            errno: None,
        }
    }

    pub fn get_ref(&self) -> &IO {
        &self.io
    }
}

impl<IO> Drop for Counted<IO> {
    fn drop(&mut self) {
        self.metrics.close(self.errno);
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
            this.metrics.read(read as u64);
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
            this.metrics.write(written as u64);
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
            this.metrics.write(written as u64);
        }
        polled
    }

    forward_ends!();
}
