//! Requests and responses: the families `request_total`, `response_total`,
//! `response_latency_ms` and their `route_`, `route_actual_` and `control_` kin.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::super::labels::Labels;
use super::family::{Buckets, Counter, Histogram, Metric, write_head};
use super::idle::{Idle, Table, Touched};
use super::limit::SeriesLimit;

const LATENCY_BOUNDS: [u64; 25] = [
    1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 100_000, 200_000,
    300_000, 400_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000, 10_000_000,
    20_000_000, 30_000_000, 40_000_000, 50_000_000,
];

/// Milliseconds are shown, microseconds counted.
pub static LATENCY: Buckets = Buckets::new(&LATENCY_BOUNDS, 1_000, true);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    Success,
    Failure,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outcome {
    /// None: there was no response.
    pub status: Option<u16>,
    pub class: Class,
    pub grpc_status: Option<u32>,
    pub error: Option<&'static str>,
}

/// Stands for all statuses that there was no room to tell apart.
const OTHER: Option<u16> = Some(0);

impl Outcome {
    /// What is left of it when there are too many series.
    fn coarse(self) -> Self {
        Self {
            status: OTHER,
            grpc_status: None,
            error: None,
            ..self
        }
    }

    fn labels(&self) -> String {
        let class = match self.class {
            Class::Success => "success",
            Class::Failure => "failure",
        };
        let mut labels = Labels::new();
        if let Some(status) = self.status {
            labels = labels.with("status_code", &status_text(status));
        }
        labels = labels.with("classification", class);
        if let Some(code) = self.grpc_status {
            labels = labels.with("grpc_status", &code.to_string());
        }
        if let Some(error) = self.error {
            labels = labels.with("error", error);
        }
        labels.as_str().to_string()
    }
}

fn status_text(status: u16) -> String {
    match Some(status) == OTHER {
        true => "other".to_string(),
        false => status.to_string(),
    }
}

/// Few distinct outcomes occur per endpoint, so that a scan beats a map.
type Few<K, V> = RwLock<Vec<(K, Arc<V>)>>;

/// The value of `key`; of `coarse` instead, where that would be new and `has_room` says no.
fn find<K: Copy + PartialEq, V>(
    few: &Few<K, V>,
    key: K,
    coarse: K,
    has_room: impl FnOnce() -> bool,
    make: impl FnOnce(K) -> V,
) -> Arc<V> {
    let seen = |(k, _): &&(K, Arc<V>)| *k == key;
    let known = few.read().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, value)) = known.iter().find(seen) {
        return Arc::clone(value);
    }
    drop(known);
    let mut known = few.write().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, value)) = known.iter().find(seen) {
        return Arc::clone(value);
    }
    let key = if has_room() { key } else { coarse };
    if let Some((_, value)) = known.iter().find(|(k, _)| *k == key) {
        return Arc::clone(value);
    }
    let value = Arc::new(make(key));
    known.push((key, Arc::clone(&value)));
    value
}

struct Responses {
    labels: String,
    count: Counter,
}

struct Latency {
    labels: String,
    histogram: Histogram,
}

/// The requests of one label set. Held by whoever counts.
pub struct HttpEndpointMetrics {
    limit: Arc<SeriesLimit>,
    touched: Touched,
    requests: Counter,
    responses: Few<Outcome, Responses>,
    latencies: Few<Option<u16>, Latency>,
}

impl Idle for HttpEndpointMetrics {
    fn touched(&self) -> &Touched {
        &self.touched
    }

    fn series(&self) -> usize {
        let responses = self
            .responses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let latencies = self
            .latencies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let told = responses.iter().filter(|(o, _)| o.status != OTHER).count();
        let timed = latencies.iter().filter(|(status, _)| *status != OTHER);
        1 + told + timed.count() * LATENCY_SERIES
    }
}

/// A count for each bucket and for the rest, the sum and the total.
const LATENCY_SERIES: usize = LATENCY_BOUNDS.len() + 3;

impl HttpEndpointMetrics {
    fn new(limit: &Arc<SeriesLimit>) -> Self {
        Self {
            limit: Arc::clone(limit),
            touched: Touched::default(),
            requests: Counter::default(),
            responses: Few::default(),
            latencies: Few::default(),
        }
    }

    /// At the start of a request.
    pub fn request(&self) {
        self.touched.touch();
        self.requests.increment();
    }

    /// At the end of a response's stream. `latency` is until its first byte.
    pub fn response(
        &self,
        status: Option<u16>,
        class: Class,
        grpc_status: Option<u32>,
        error: Option<&'static str>,
        latency: Duration,
    ) {
        self.ended(status, class, grpc_status, error);
        self.began(status, latency);
    }

    /// The end alone, of a response whose first byte was timed when it came.
    pub fn ended(
        &self,
        status: Option<u16>,
        class: Class,
        grpc_status: Option<u32>,
        error: Option<&'static str>,
    ) {
        self.touched.touch();
        let outcome = Outcome {
            status,
            class,
            grpc_status,
            error,
        };
        let has_room = || self.limit.take(1);
        let make = |outcome: Outcome| Responses {
            labels: outcome.labels(),
            count: Counter::default(),
        };
        let coarse = outcome.coarse();
        let responses = find(&self.responses, outcome, coarse, has_room, make);
        responses.count.increment();
    }

    /// The first byte of a response came after this time.
    pub fn began(&self, status: Option<u16>, latency: Duration) {
        let has_room = || self.limit.take(LATENCY_SERIES);
        let make = |status: Option<u16>| Latency {
            labels: status.map_or(String::new(), |status| {
                format!("status_code=\"{}\"", status_text(status))
            }),
            histogram: Histogram::new(&LATENCY),
        };
        let latencies = find(&self.latencies, status, OTHER, has_room, make);
        latencies.histogram.observe_time(latency);
    }

    pub fn requests(&self) -> u64 {
        self.requests.value()
    }

    fn write_responses(&self, out: &mut String, name: &str, labels: &Labels) {
        let known = self
            .responses
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, responses) in known.iter() {
            let labels = joined(labels, &responses.labels);
            responses.count.write(out, name, &labels);
        }
    }

    fn write_latencies(&self, out: &mut String, name: &str, labels: &Labels) {
        let known = self
            .latencies
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        for (_, latency) in known.iter() {
            let labels = joined(labels, &latency.labels);
            latency.histogram.write(out, name, &labels);
        }
    }
}

fn joined(labels: &Labels, more: &str) -> String {
    let labels = labels.as_str();
    let comma = if labels.is_empty() || more.is_empty() {
        ""
    } else {
        ","
    };
    format!("{labels}{comma}{more}")
}

/// The three families that share a prefix.
pub struct HttpFamilies {
    prefix: &'static str,
    has_latency: bool,
    table: Table<HttpEndpointMetrics>,
    limit: Arc<SeriesLimit>,
}

impl HttpFamilies {
    pub fn new(prefix: &'static str, has_latency: bool, limit: &Arc<SeriesLimit>) -> Self {
        Self {
            prefix,
            has_latency,
            table: Table::new(limit),
            limit: Arc::clone(limit),
        }
    }

    pub fn get(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        let make = || HttpEndpointMetrics::new(&self.limit);
        self.table.get(labels, make)
    }

    pub fn write(&self, out: &mut String, now: Instant, retain: Duration) {
        let rows = self.table.current(now, retain);
        if rows.is_empty() {
            return;
        }
        let name = format!("{}request_total", self.prefix);
        write_head(out, &name, "Total count of HTTP requests.", "counter");
        for (labels, row) in &rows {
            row.requests.write(out, &name, labels.as_str());
        }
        let name = format!("{}response_total", self.prefix);
        let mut body = String::new();
        for (labels, row) in &rows {
            row.write_responses(&mut body, &name, labels);
        }
        append(
            out,
            &name,
            "Total count of HTTP responses.",
            "counter",
            &body,
        );
        if !self.has_latency {
            return;
        }
        let name = format!("{}response_latency_ms", self.prefix);
        let help = "Time between a request's headers and the first byte of its response's body.";
        body.clear();
        for (labels, row) in &rows {
            row.write_latencies(&mut body, &name, labels);
        }
        append(out, &name, help, "histogram", &body);
    }
}

/// A family without rows prints nothing.
fn append(out: &mut String, name: &str, help: &str, kind: &str, body: &str) {
    if !body.is_empty() {
        write_head(out, name, help, kind);
        out.push_str(body);
    }
}
