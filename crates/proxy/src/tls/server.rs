//! Accepts mutual TLS that was meant for us, and says who the client proved to be.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::keys::{Keys, TRANSPORT_ALPN};
use super::name::Identity;
use crate::stream::ahead::ReadAhead;

pub struct Accepted<IO> {
    pub io: TlsStream<ReadAhead<IO>>,
    /// None: the client showed no certificate.
    pub client: Option<Identity>,
    pub is_transport: bool,
}

pub async fn accept<IO>(keys: &Keys, io: IO) -> io::Result<Accepted<IO>>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let credentials = keys
        .current()
        .ok_or_else(|| io::Error::other("this proxy has no certificate yet"))?;
    let io = TlsAcceptor::from(credentials.server.clone())
        .accept(ReadAhead::new(io))
        .await?;
    let (_, session) = io.get_ref();
    let client = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .and_then(Identity::of_certificate);
    let is_transport = session.alpn_protocol() == Some(TRANSPORT_ALPN);
    Ok(Accepted {
        io,
        client,
        is_transport,
    })
}
