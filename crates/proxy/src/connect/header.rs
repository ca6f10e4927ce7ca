//! The transport header: sent first on a connection to a peer's own inbound port, it names the real port.
//!
//! On the wire: `transport.l5d.io/v1` CR LF CR LF, a big-endian u32 length, a protobuf message.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt};

const PREFACE: &[u8] = b"transport.l5d.io/v1\r\n\r\n";
const MAX_MESSAGE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionProtocol {
    Http1,
    Http2,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportHeader {
    pub port: u16,
    /// Set: the receiver is asked to be a gateway to this name.
    pub name: Option<String>,
    /// None: the bytes that follow are opaque.
    pub protocol: Option<SessionProtocol>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct HeaderMessage {
    #[prost(int32, tag = "1")]
    port: i32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, optional, tag = "3")]
    protocol: Option<ProtocolMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ProtocolMessage {
    #[prost(message, optional, tag = "1")]
    http1: Option<EmptyMessage>,
    #[prost(message, optional, tag = "2")]
    http2: Option<EmptyMessage>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct EmptyMessage {}

impl TransportHeader {
    pub fn encode(&self) -> Bytes {
        let message = HeaderMessage {
            port: i32::from(self.port),
            name: self.name.clone().unwrap_or_default(),
            protocol: self.protocol.map(|protocol| match protocol {
                SessionProtocol::Http1 => ProtocolMessage {
                    http1: Some(EmptyMessage {}),
                    http2: None,
                },
                SessionProtocol::Http2 => ProtocolMessage {
                    http1: None,
                    http2: Some(EmptyMessage {}),
                },
            }),
        };
        let length = message.encoded_len();
        let mut out = BytesMut::with_capacity(PREFACE.len() + 4 + length);
        out.put_slice(PREFACE);
        out.put_u32(u32::try_from(length).expect("a header is shorter than 4 GiB"));
        message
            .encode(&mut out)
            .expect("the buffer grows as it is written");
        out.freeze()
    }

    /// Reads a header; the bytes that came after it stay in `buffer`.
    pub async fn read<IO>(io: &mut IO, buffer: &mut BytesMut) -> io::Result<Self>
    where
        IO: AsyncRead + Unpin,
    {
        fill(io, buffer, PREFACE.len() + 4).await?;
        if &buffer[..PREFACE.len()] != PREFACE {
            return Err(invalid(
                "the connection does not begin with a transport header",
            ));
        }
        buffer.advance(PREFACE.len());
        let length = buffer.get_u32() as usize;
        if length > MAX_MESSAGE {
            return Err(invalid("the transport header is too long"));
        }
        fill(io, buffer, length).await?;
        Self::decode(buffer.split_to(length).freeze())
    }

    fn decode(message: Bytes) -> io::Result<Self> {
        let message = HeaderMessage::decode(message)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        let port = u16::try_from(message.port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| invalid("the transport header names no valid port"))?;
        let protocol = message.protocol.and_then(|protocol| {
            let http1 = protocol.http1.map(|_| SessionProtocol::Http1);
            http1.or(protocol.http2.map(|_| SessionProtocol::Http2))
        });
        Ok(Self {
            port,
            name: Some(message.name).filter(|name| !name.is_empty()),
            protocol,
        })
    }
}

async fn fill<IO>(io: &mut IO, buffer: &mut BytesMut, length: usize) -> io::Result<()>
where
    IO: AsyncRead + Unpin,
{
    while buffer.len() < length {
        if io.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_header_survives_the_wire_and_leaves_what_follows() {
        let sent = TransportHeader {
            port: 5432,
            name: None,
            protocol: Some(SessionProtocol::Http2),
        };
        let bytes = [sent.encode().as_ref(), b"rest"].concat();
        let mut buffer = BytesMut::new();
        let read = TransportHeader::read(&mut bytes.as_slice(), &mut buffer).await;
        assert_eq!(read.unwrap(), sent);
        assert_eq!(&buffer[..], b"rest");
    }

    #[tokio::test]
    async fn a_port_of_zero_is_refused() {
        let sent = TransportHeader {
            port: 0,
            name: None,
            protocol: None,
        };
        let bytes = sent.encode();
        let read = TransportHeader::read(&mut bytes.as_ref(), &mut BytesMut::new()).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
