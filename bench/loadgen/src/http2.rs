//! HTTP/2 with prior knowledge on one connection, one stream at a time (RFC 9113).

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Connection;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// Responses are small: a run never fills this window of the connection.
const WINDOW: u32 = 0x7000_0000;

pub struct Http2 {
    stream: BufReader<TcpStream>,
    headers: Vec<u8>,
    next: u32,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("our own frames are short");
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// `GET /` in HPACK (RFC 7541): static entries 2 and 6, path and authority as plain literals.
fn header_block(authority: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    for (index, value) in [(0x04, "/"), (0x01, authority)] {
        let length = u8::try_from(value.len()).expect("an address is short");
        block.extend([index, length]);
        block.extend(value.as_bytes());
    }
    block
}

/// Static entry 8, which a server sends first, perhaps after a change of the table's size.
fn is_ok(block: &[u8]) -> bool {
    block.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88)
}

impl Http2 {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        hello.extend(frame(SETTINGS, 0, 0, &[]));
        hello.extend(frame(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes()));
        stream.write_all(&hello)?;
        Ok(Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            headers: header_block(&address.to_string()),
            next: 1,
        })
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    fn receive(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            payload,
        })
    }

    /// What the server says about the connection, not about a stream.
    fn answer(&mut self, frame_: &Frame) -> io::Result<()> {
        match (frame_.kind, frame_.flags & ACK) {
            (SETTINGS, 0) => self.send(&frame(SETTINGS, ACK, 0, &[])),
            (PING, 0) => self.send(&frame(PING, ACK, 0, &frame_.payload)),
            (GOAWAY, _) => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }
}

impl Connection for Http2 {
    fn exchange(&mut self) -> io::Result<bool> {
        let id = self.next;
        self.next += 2;
        let request = frame(HEADERS, END_STREAM | END_HEADERS, id, &self.headers);
        self.send(&request)?;
        let mut was_ok = false;
        loop {
            let received = self.receive()?;
            if received.stream != id {
                self.answer(&received)?;
                continue;
            }
            match received.kind {
                RST_STREAM => return Ok(false),
                HEADERS => was_ok |= is_ok(&received.payload),
                _ => {}
            }
            if matches!(received.kind, DATA | HEADERS) && received.flags & END_STREAM != 0 {
                return Ok(was_ok);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_the_specification_draws_it() {
        let bytes = frame(PING, ACK, 0, &[7; 8]);
        assert_eq!(bytes, [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &[7; 8]].concat());
    }

    #[test]
    fn a_status_of_200_is_known_behind_a_table_update() {
        assert!(is_ok(&[0x88]));
        assert!(is_ok(&[0x20, 0x88]));
        assert!(!is_ok(&[0x8d]));
    }
}
