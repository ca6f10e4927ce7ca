//! Counts what is asked of a control-plane service, the look-ups of its name, and what became of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::stream::Service;
use crate::balance::line::{Line, Turn};
use crate::exchange::classify::{grpc_status, is_failure};
use crate::telemetry::labels::{Labels, NoTls, Tls};
use crate::telemetry::metrics::{Balancing, Class, HttpEndpointMetrics, Metrics, Now, Update};

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

    /// Streams last for hours, so an answer is counted when it begins.
    pub fn answered<B, E>(&self, answer: &Result<http::Response<B>, E>, after: Duration) {
        let Ok(response) = answer else {
            let error = Some("unclassified");
            self.requests
                .response(None, Class::Failure, None, error, after);
            return;
        };
        let code = grpc_status(response.headers());
        let class = match is_failure(response.status(), code) {
            true => Class::Failure,
            false => Class::Success,
        };
        let status = Some(response.status().as_u16());
        self.requests.response(status, class, code, None, after);
    }
}
