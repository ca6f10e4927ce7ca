//! Dials an address, with or without mutual TLS, and says in words why it failed.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::header::TransportHeader;
use crate::stream::ahead::ReadAhead;
use crate::tls::client::{Peer, TlsError};
use crate::tls::keys::Keys;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Another endpoint may answer.
    #[error("{0} refused the connection: {1}")]
    Refused(SocketAddr, #[source] io::Error),
    #[error("connect timed out after {1:?} to {0}")]
    TimedOut(SocketAddr, Duration),
    /// Never retried on the same endpoint.
    #[error("{0}: {1}")]
    Tls(SocketAddr, #[source] TlsError),
}

/// How sockets that we dial are set up.
#[derive(Clone, Debug)]
pub struct ConnectSettings {
    pub timeout: Duration,
    pub keepalive: Option<Duration>,
    pub user_timeout: Option<Duration>,
}

/// Where and how to dial one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    pub address: SocketAddr,
    pub peer: Option<Peer>,
    pub header: Option<TransportHeader>,
}

/// A dialled connection: concrete, so that reads and writes are not dispatched at run time.
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<ReadAhead<TcpStream>>>),
}

pub struct Connector {
    settings: ConnectSettings,
    keys: Option<Arc<Keys>>,
}

impl Connector {
    pub fn new(settings: ConnectSettings, keys: Option<Arc<Keys>>) -> Self {
        Self { settings, keys }
    }

    pub async fn connect(&self, dial: &Dial) -> Result<Stream, ConnectError> {
        let address = dial.address;
        let limit = self.settings.timeout;
        let tcp = match tokio::time::timeout(limit, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(e)) => return Err(ConnectError::Refused(address, e)),
            Err(_) => return Err(ConnectError::TimedOut(address, limit)),
        };
        set_up(&tcp, self.settings.keepalive, self.settings.user_timeout);
        let mut stream = match &dial.peer {
            Some(peer) => {
                self.handshake(address, peer, dial.header.is_some(), tcp)
                    .await?
            }
            None => Stream::Plain(tcp),
        };
        if let Some(header) = &dial.header {
            let bytes = header.encode();
            let written = stream.write_all(&bytes).await;
            written.map_err(|e| ConnectError::Refused(address, e))?;
        }
        Ok(stream)
    }

    async fn handshake(
        &self,
        address: SocketAddr,
        peer: &Peer,
        is_transport: bool,
        tcp: TcpStream,
    ) -> Result<Stream, ConnectError> {
        let failed = |e| ConnectError::Tls(address, e);
        let keys = self.keys.as_ref().ok_or(failed(TlsError::NoKeys))?;
        let handshake = crate::tls::client::connect(keys, peer, is_transport, tcp);
        // A peer that accepts and then says nothing is as good as unreachable.
        let limit = self.settings.timeout.max(Duration::from_secs(2));
        match tokio::time::timeout(limit, handshake).await {
            Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
            Ok(Err(e)) => Err(failed(e)),
            Err(_) => Err(ConnectError::TimedOut(address, limit)),
        }
    }
}

/// Failures here leave a slower socket, not a broken one. What a listener is given, the connections
/// that it accepts inherit (Linux).
pub fn set_up(socket: &impl AsFd, keepalive: Option<Duration>, user_timeout: Option<Duration>) {
    let socket = SockRef::from(socket);
    let _ = socket.set_tcp_nodelay(true);
    if let Some(every) = keepalive {
        let _ =
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(every).with_interval(every));
    }
    if user_timeout.is_some() {
        let _ = socket.set_tcp_user_timeout(user_timeout);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, buf),
            Self::Tls(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Self::Tls(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
