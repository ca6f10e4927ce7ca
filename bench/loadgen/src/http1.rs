//! HTTP/1.1 on one kept connection, as much of it as a fixed request needs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::Connection;

pub struct Http1 {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Http1 {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: loadgen\r\n\r\n");
        Ok(Self {
            stream,
            request: request.into_bytes(),
            buffer: vec![0; 64 * 1024],
        })
    }
}

impl Connection for Http1 {
    fn exchange(&mut self) -> io::Result<bool> {
        self.stream.write_all(&self.request)?;
        let mut read = 0;
        loop {
            let more = self.stream.read(&mut self.buffer[read..])?;
            if more == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            read += more;
            let seen = &self.buffer[..read];
            if let Some(whole) = length(seen)?
                && read >= whole
            {
                return Ok(seen.starts_with(b"HTTP/1.1 200"));
            }
        }
    }
}

/// Of the whole response, once its head is there.
fn length(response: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = response.windows(4).position(|w| w == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&response[..end]).to_ascii_lowercase();
    let mut lines = head.lines();
    let body = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let body: usize = body.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Some(end + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn a_response_is_as_long_as_it_says() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(length(&head[..20]).unwrap(), None);
        assert_eq!(length(head).unwrap(), Some(head.len() + 5));
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
