//! Counts what is asked of a control-plane service, the look-ups of its name, and what became of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::{HeaderMap, Response, StatusCode};

use super::stream::Service;
use crate::balance::line::{Line, Turn};
use crate::exchange::body::{Body, BodyError, Observer};
use crate::exchange::classify::{grpc_status, is_failure};
use crate::telemetry::labels::{Labels, NoTls, Tls};
use crate::telemetry::metrics::{Balancing, Class, HttpEndpointMetrics, Metrics, Now, Update};

/// Of a gRPC answer whose stream ended without a code.
const UNKNOWN: u32 = 2;

/// The rows of one client: `identity`, `destination` or `policy`.
pub struct Observed {
    client: &'static str,
    metrics: Arc<Metrics>,
    requests: Arc<HttpEndpointMetrics>,
    address: Labels,
    /// What the last look-up found.
    found: Mutex<Vec<SocketAddr>>,
    line: OnceLock<Line>,
}

impl Observed {
    pub fn new(client: &'static str, service: &Service, metrics: &Arc<Metrics>) -> Self {
        let address = format!("{}:{}", service.host, service.port);
        let tls = match &service.peer {
            Some(peer) => Tls::ToServer(peer.identity.as_str()),
            None => Tls::None(NoTls::Loopback),
        };
        let address = Labels::new().with("addr", &address);
        Self {
            client,
            requests: metrics.control_request(address.clone().tls(tls)),
            metrics: Arc::clone(metrics),
            address,
            found: Mutex::default(),
            line: OnceLock::new(),
        }
    }

    /// From here on its balancer has rows; `source` is asked for what they show.
    pub fn begin(&self, source: Weak<dyn Balancing>) {
        let control = &self.metrics.control;
        let families = match self.client {
            "identity" => &control.identity,
            "destination" => &control.destination,
            _ => &control.policy,
        };
        let row = families.row(self.address.clone(), source);
        self.line.get_or_init(|| Line::new(row));
    }

    /// A request waits for the connection as long as this lives.
    pub fn enter(&self) -> Option<Turn<'_>> {
        self.line.get()?.enter(usize::MAX).ok()
    }

    /// All addresses that it may be asked at.
    pub fn found(&self, addresses: &[SocketAddr]) {
        let mut addresses = addresses.to_vec();
        addresses.sort_unstable();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = self.line.get()
            && *found != addresses
        {
            line.sums().updated(Update::Reset, 1);
        }
        *found = addresses;
    }

    /// Whether any of them was reached.
    pub fn connected(&self, is_reached: bool) {
        match (self.line.get(), is_reached) {
            (Some(line), true) => line.open(),
            (Some(line), false) => line.shut(),
            (None, _) => {}
        }
    }

    /// One connection is all there is at a time. `timeout` is how long an address may take to be reached.
    pub fn now(&self, is_connected: bool, timeout: Duration) -> Option<Now> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = found.len().min(usize::from(is_connected));
        let line = self.line.get()?;
        Some(line.now(ready, found.len() - ready, timeout))
    }

    pub fn looked_up(&self, is_found: bool) {
        let labels = Labels::new()
            .with("client", self.client)
            .with("record_type", "A/AAAA")
            .with("result", if is_found { "ok" } else { "not_found" });
        self.metrics.control.dns.get(&labels).increment();
    }

    pub fn asked(&self) {
        self.requests.request();
    }

    /// Its first byte is timed when it comes; it is counted when its stream ends.
    pub fn answered<E>(
        &self,
        answer: Result<Response<Body>, E>,
        started: Instant,
    ) -> Result<Response<Body>, E> {
        let response = answer.inspect_err(|_| {
            let error = Some("unclassified");
            let after = started.elapsed();
            self.requests
                .response(None, Class::Failure, None, error, after);
        })?;
        let following = Following {
            requests: Arc::clone(&self.requests),
            started: Some(started),
            status: response.status(),
            code: grpc_status(response.headers()),
            has_failed: false,
        };
        Ok(response.map(|body| body.observed_by(Box::new(following))))
    }
}

/// Follows an answer to its end.
struct Following {
    requests: Arc<HttpEndpointMetrics>,
    /// None: its first byte came.
    started: Option<Instant>,
    status: StatusCode,
    code: Option<u32>,
    has_failed: bool,
}

impl Following {
    fn began(&mut self) {
        if let Some(started) = self.started.take() {
            let status = Some(self.status.as_u16());
            self.requests.began(status, started.elapsed());
        }
    }
}

impl Observer for Following {
    fn data(&mut self, _length: usize) {
        self.began();
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.code = grpc_status(trailers).or(self.code);
    }

    fn failed(&mut self, _error: &BodyError) {
        self.has_failed = true;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.began();
        let class = match self.has_failed || is_failure(self.status, self.code) {
            true => Class::Failure,
            false => Class::Success,
        };
        // As the workload's own streams are shown: without a status it is UNKNOWN, though no failure.
        let code = self.code.or(Some(UNKNOWN));
        let error = self.has_failed.then_some("unclassified");
        let status = Some(self.status.as_u16());
        self.requests.ended(status, class, code, error);
    }
}
