//! The rows of one route of a port: its requests, how they ended, how long they took and how large their frames were.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Response};
use tokio::time::Instant;

use super::labels::named;
use crate::exchange::body::{Body, Observer};
use crate::exchange::classify::grpc_status;
use crate::exchange::respond::Fault;
use crate::route::select::Reference;
use crate::telemetry::labels::Labels;
use crate::telemetry::metrics::{Counter, Family, Few, Histogram, InboundHttpFamilies, Metrics};

/// Of a gRPC call whose code is none of its seventeen.
const UNKNOWN: u16 = 2;

/// Resolved once per version of a port's policy.
pub struct Rows {
    metrics: Arc<Metrics>,
    is_grpc: bool,
    labels: Labels,
    requests: Arc<Counter>,
    /// By HTTP status or gRPC code; None: the call ended without one.
    statuses: Few<Option<u16>>,
    request_duration: Arc<Histogram>,
    response_duration: Arc<Histogram>,
    request_frames: Frames,
    response_frames: Frames,
}

/// Made with the first frame: many routes have none in one direction.
type Frames = OnceLock<Arc<Histogram>>;

impl Rows {
    pub fn new(
        metrics: &Arc<Metrics>,
        server: &Reference,
        port: u16,
        route: &Reference,
        is_grpc: bool,
    ) -> Arc<Self> {
        let labels = Labels::new()
            .named("parent_", named(server))
            .with("parent_port", &port.to_string())
            .route(named(route));
        let families = families(metrics, is_grpc);
        Arc::new(Self {
            requests: families.requests.get(&labels),
            statuses: Few::default(),
            request_duration: families.request_duration.get(&labels),
            response_duration: families.response_duration.get(&labels),
            request_frames: Frames::new(),
            response_frames: Frames::new(),
            metrics: Arc::clone(metrics),
            is_grpc,
            labels,
        })
    }

    fn families(&self) -> &InboundHttpFamilies {
        families(&self.metrics, self.is_grpc)
    }

    fn frame(&self, frames: &Frames, family: &Family<Histogram>, length: usize) {
        let histogram = frames.get_or_init(|| family.get(&self.labels));
        histogram.observe(length as u64);
    }

    fn ended(&self, status: Option<u16>, started: Instant, sent: Option<&Sent>) {
        let after = micros(started);
        let sent = sent.map_or(0, |sent| sent.at.load(Relaxed));
        self.request_duration.observe(after);
        self.response_duration.observe(after.saturating_sub(sent));
        self.statuses.count(status, || {
            let status = status.map(|status| status.to_string());
            let labels = self.labels.clone();
            let labels = labels.with("status", &status.unwrap_or_default());
            self.families().statuses.get(&labels)
        });
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn families(metrics: &Metrics, is_grpc: bool) -> &InboundHttpFamilies {
    match is_grpc {
        true => &metrics.inbound.grpc,
        false => &metrics.inbound.http,
    }
}

/// One request, counted from here on.
pub struct Counted {
    rows: Arc<Rows>,
    pub started: Instant,
    /// None: it has no body.
    sent: Option<Arc<Sent>>,
}

impl Counted {
    pub fn begin(rows: &Arc<Rows>, started: Instant) -> Self {
        rows.requests.increment();
        Self {
            rows: Arc::clone(rows),
            started,
            sent: None,
        }
    }

    /// The body that goes to the application, told of its frames and when it ends.
    pub fn request_body(&mut self, body: Body) -> Body {
        use http_body::Body as _;
        if body.is_end_stream() {
            return body;
        }
        let sent = Arc::new(Sent {
            rows: Arc::clone(&self.rows),
            started: self.started,
            at: AtomicU64::new(UNSENT),
        });
        self.sent = Some(Arc::clone(&sent));
        body.observed_by(Box::new(Sending(sent)))
    }

    /// There was no answer of the application's.
    pub fn failed(self, fault: &Fault) {
        let status = match self.rows.is_grpc {
            true => u16::try_from(fault.code).ok(),
            false => Some(fault.status.as_u16()),
        };
        self.rows.ended(status, self.started, self.sent.as_deref());
    }

    pub fn answered<B>(self, response: &Response<B>) -> Following {
        let status = match self.rows.is_grpc {
            true => code(response.headers()),
            false => Some(response.status().as_u16()),
        };
        Following {
            counted: self,
            status,
        }
    }
}

/// How far a request's body is.
struct Sent {
    rows: Arc<Rows>,
    started: Instant,
    /// Microseconds from the request's beginning to the end of its body.
    at: AtomicU64,
}

const UNSENT: u64 = u64::MAX;

struct Sending(Arc<Sent>);

impl Observer for Sending {
    fn data(&mut self, length: usize) {
        let rows = &self.0.rows;
        let family = &rows.families().request_frames;
        rows.frame(&rows.request_frames, family, length);
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.at.store(micros(self.0.started), Relaxed);
    }
}

/// Follows an answer to the end of its stream.
pub struct Following {
    counted: Counted,
    status: Option<u16>,
}

impl Observer for Following {
    fn data(&mut self, length: usize) {
        let rows = &self.counted.rows;
        let family = &rows.families().response_frames;
        rows.frame(&rows.response_frames, family, length);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if self.counted.rows.is_grpc {
            self.status = code(trailers).or(self.status);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let Counted {
            rows,
            started,
            sent,
        } = &self.counted;
        rows.ended(self.status, *started, sent.as_deref());
    }
}

fn code(headers: &HeaderMap) -> Option<u16> {
    let code = grpc_status(headers)?;
    Some(
        u16::try_from(code)
            .ok()
            .filter(|code| *code <= 16)
            .unwrap_or(UNKNOWN),
    )
}
