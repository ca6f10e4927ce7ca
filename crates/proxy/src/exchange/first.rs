//! Who speaks first, and what: learned without keeping anybody waiting.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::detect::{Detected, detect};

/// A server-first protocol's client sends nothing; after this we connect onward and let the server speak.
const CONNECT_ONWARD_AFTER: Duration = Duration::from_millis(100);

/// Whether a server behind an address once spoke before its client did. Then nobody waits again.
#[derive(Debug, Default)]
pub struct ServerFirst(AtomicBool);

impl ServerFirst {
    fn patience(&self) -> Duration {
        match self.0.load(Ordering::Relaxed) {
            true => Duration::ZERO,
            false => CONNECT_ONWARD_AFTER,
        }
    }

    fn remember(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// More than this is never needed to tell a protocol.
const FIRST_READ: usize = 4096;

/// What could still become a request line is waited for so long, if nobody says otherwise.
pub const FIRST_LINE_LIMIT: Duration = Duration::from_secs(10);

/// What the operator set comes before what policy says.
pub fn first_line_limit(set: Option<Duration>, policy: Option<Duration>) -> Duration {
    set.or(policy).unwrap_or(FIRST_LINE_LIMIT)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Http1,
    Http2,
    Opaque,
    /// The client hung up without a word.
    Nothing,
}

pub enum First<S> {
    /// The client spoke, or hung up. A server that was connected meanwhile comes along.
    Client(Option<S>),
    /// The server spoke; what it said is in the buffer.
    Server(S, BytesMut),
}

/// Waits for the client's first bytes, into `first`; to a silent client, the server may speak first.
pub async fn speaker<IO, S, C, E>(
    io: &mut IO,
    first: &mut BytesMut,
    remembered: &ServerFirst,
    connect: C,
) -> io::Result<First<S>>
where
    IO: AsyncRead + Unpin,
    S: AsyncRead + Unpin,
    C: Future<Output = Result<S, E>>,
{
    let said = tokio::time::timeout(remembered.patience(), read_some(io, first));
    if let Ok(said) = said.await {
        return said.map(|_| First::Client(None));
    }
    let connected = tokio::select! {
        said = read_some(io, first) => return said.map(|_| First::Client(None)),
        connected = connect => connected,
    };
    let Ok(mut server) = connected else {
        // Nobody to connect to: the client's first words decide who tells it.
        return read_some(io, first).await.map(|_| First::Client(None));
    };
    let mut greeting = BytesMut::with_capacity(FIRST_READ);
    tokio::select! {
        said = read_some(io, first) => said.map(|_| First::Client(Some(server))),
        greeted = server.read_buf(&mut greeting) => {
            if greeted? > 0 {
                remembered.remember();
            }
            Ok(First::Server(server, greeting))
        }
    }
}

async fn read_some<IO>(io: &mut IO, first: &mut BytesMut) -> io::Result<usize>
where
    IO: AsyncRead + Unpin,
{
    if !first.is_empty() {
        return Ok(first.len());
    }
    first.reserve(FIRST_READ);
    io.read_buf(first).await
}

/// Reads until the first bytes tell the protocol; they stay in `first`. Each piece of what could still become
/// a request line must follow within `limit`; else it is no HTTP. Cancelling it loses nothing.
pub async fn read_protocol<IO>(
    io: &mut IO,
    first: &mut BytesMut,
    limit: Duration,
) -> io::Result<Spoken>
where
    IO: AsyncRead + Unpin,
{
    loop {
        if !first.is_empty() {
            match detect(first) {
                Detected::Http1 => return Ok(Spoken::Http1),
                Detected::Http2 => return Ok(Spoken::Http2),
                Detected::Opaque => return Ok(Spoken::Opaque),
                Detected::NeedMore => {}
            }
        }
        let is_begun = !first.is_empty();
        first.reserve(FIRST_READ);
        let reading = io.read_buf(first);
        let read = match is_begun {
            false => reading.await?,
            true => match tokio::time::timeout(limit, reading).await {
                Ok(read) => read?,
                Err(_) => return Ok(Spoken::Opaque),
            },
        };
        if read == 0 {
            return Ok(match first.is_empty() {
                true => Spoken::Nothing,
                false => Spoken::Opaque,
            });
        }
    }
}
