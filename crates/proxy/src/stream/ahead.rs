//! Reads from a socket all that it has at one time, for a reader that asks for little.
//!
//! The TLS library reads 4 KiB at a time, so a record of 16 KiB takes it five system calls.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lent::{Lent, SIZE};

pub struct ReadAhead<IO> {
    io: IO,
    /// Never an empty one.
    ahead: Option<Lent>,
}

impl<IO> ReadAhead<IO> {
    pub fn new(io: IO) -> Self {
        Self { io, ahead: None }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for ReadAhead<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_none() && buf.remaining() >= SIZE {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let mut lent = match this.ahead.take() {
            Some(lent) => lent,
            None => ready!(Lent::poll_read(&mut this.io, cx))?,
        };
        lent.move_into(buf);
        this.ahead = Some(lent).filter(|lent| !lent.is_empty());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for ReadAhead<IO> {
    forward_writes!();
}
