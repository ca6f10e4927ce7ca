//! Sends HTTP requests at a constant rate and tells how long each took.
//!
//! `tulle-loadgen http1|http2 IP:PORT RATE SECONDS CONNECTIONS`
//!
//! Request i is due at i/RATE seconds, whatever the others do, on connection i mod CONNECTIONS: a
//! thread that waits for one response at a time. Latency counts from the writing of the request;
//! `from_due` counts from when it was due, which charges a slow response for those it delays. The
//! first second is left out.

mod http1;
mod http2;
mod report;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use report::Seen;

const WARM_UP: Duration = Duration::from_secs(1);

trait Connection {
    /// One request and its response; whether that was a 200.
    fn exchange(&mut self) -> io::Result<bool>;
}

#[derive(Clone, Copy)]
struct Plan {
    is_http2: bool,
    address: SocketAddr,
    rate: f64,
    requests: usize,
    connections: usize,
    begin: Instant,
}

impl Plan {
    fn from_arguments(words: &[String]) -> Option<Self> {
        let [protocol, address, rate, seconds, connections] = words else {
            return None;
        };
        let rate: f64 = rate.parse().ok()?;
        let seconds: f64 = seconds.parse().ok()?;
        Some(Self {
            is_http2: match protocol.as_str() {
                "http1" => false,
                "http2" => true,
                _ => return None,
            },
            address: address.parse().ok()?,
            rate,
            requests: (rate * seconds) as usize,
            connections: connections.parse().ok().filter(|n| *n > 0)?,
            begin: Instant::now() + Duration::from_millis(200),
        })
    }

    fn open(&self) -> io::Result<Box<dyn Connection>> {
        Ok(match self.is_http2 {
            false => Box::new(http1::Http1::open(self.address)?),
            true => Box::new(http2::Http2::open(self.address)?),
        })
    }

    /// The requests of one connection.
    fn drive(&self, connection: usize) -> Seen {
        let mut seen = Seen::default();
        let mut open = None;
        for number in (connection..self.requests).step_by(self.connections) {
            let due = self.begin + Duration::from_secs_f64(number as f64 / self.rate);
            if open.is_none() {
                open = self.open().ok();
            }
            sleep(due.saturating_duration_since(Instant::now()));
            let start = Instant::now();
            let exchanged = open.as_mut().map(|open| open.exchange());
            let end = Instant::now();
            seen.requests += 1;
            if !matches!(exchanged, Some(Ok(true))) {
                seen.errors += 1;
                if !matches!(exchanged, Some(Ok(false))) {
                    open = None;
                }
            } else if due >= self.begin + WARM_UP {
                seen.latencies.push(end - start);
                seen.from_due.push(end - due);
            }
        }
        seen
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let Some(plan) = Plan::from_arguments(&words) else {
        eprintln!("usage: tulle-loadgen http1|http2 IP:PORT RATE SECONDS CONNECTIONS");
        return ExitCode::from(64);
    };
    // Threads inherit it: the kernel may otherwise wake a sleeper 50 microseconds late.
    if let Err(error) = std::fs::write("/proc/self/timerslack_ns", "1") {
        eprintln!("timers stay coarse: {error}");
    }
    let threads: Vec<_> = (0..plan.connections)
        .map(|connection| std::thread::spawn(move || plan.drive(connection)))
        .collect();
    let mut all = Seen::default();
    for thread in threads {
        all.add(thread.join().expect("a connection's thread does not panic"));
    }
    match all.report(plan.begin.elapsed()) {
        Some(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        None => {
            eprintln!("no request succeeded");
            ExitCode::FAILURE
        }
    }
}
