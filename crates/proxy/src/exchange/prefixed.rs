//! A connection whose first bytes were already read, to learn what it speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stream::forward_writes;

pub struct Prefixed<IO> {
    prefix: BytesMut,
    io: IO,
}

impl<IO> Prefixed<IO> {
    pub fn new(prefix: BytesMut, io: IO) -> Self {
        Self { prefix, io }
    }

    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    pub fn has_prefix(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Bytes that were read come again, before all others.
    pub fn put_back(&mut self, bytes: &[u8]) {
        let later = std::mem::take(&mut self.prefix);
        self.prefix.reserve(bytes.len() + later.len());
        self.prefix.extend_from_slice(bytes);
        self.prefix.extend_from_slice(&later);
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Prefixed<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.prefix.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buf);
        }
        let length = this.prefix.len().min(buf.remaining());
        buf.put_slice(&this.prefix[..length]);
        this.prefix.advance(length);
        if this.prefix.is_empty() {
            // Gives the memory back: a connection may live for hours after its first bytes.
            this.prefix = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Prefixed<IO> {
    forward_writes!();
}
