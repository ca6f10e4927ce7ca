//! Waits until the proxy answers 200 on its readiness endpoint, without a runtime or a client
//! library: it starts hundreds of times in a busy pod's life, as a probe.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
#[error(
    "the proxy was not ready on 127.0.0.1:{port} within {waited:?}: {last}; \
     its log says what it waits for: kubectl logs POD -c tulle-proxy"
)]
pub struct NotReady {
    port: u16,
    waited: Duration,
    last: String,
}

pub fn wait(port: u16, timeout: Duration) -> Result<(), NotReady> {
    let until = Instant::now() + timeout;
    loop {
        let last = match status_line(port) {
            Ok(line) if line.split(' ').nth(1) == Some("200") => return Ok(()),
            Ok(line) => format!("it answered `{}`", line.trim_end()),
            Err(error) => error.to_string(),
        };
        if Instant::now() + EVERY > until {
            return Err(NotReady {
                port,
                waited: timeout,
                last,
            });
        }
        std::thread::sleep(EVERY);
    }
}

fn status_line(port: u16) -> io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let request =
        format!("GET /ready HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?; // in one segment
    let mut head = Vec::new();
    let mut buffer = [0; 256];
    while !head.contains(&b'\n') && head.len() < 1024 {
        match stream.read(&mut buffer)? {
            0 => break,
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
