//! Requests and responses: the families `request_total`, `response_total`,
//! `response_latency_ms` and their `route_`, `route_actual_` and `control_` kin.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::super::labels::Labels;
use super::family::{Buckets, Counter, Histogram, Metric, SeriesLimit, write_head};
use super::idle::{Idle, Table, Touched};

/// Milliseconds are shown, microseconds counted.
pub static LATENCY: Buckets = Buckets {
    bounds: &[
        1_000, 2_000, 3_000, 4_000, 5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 100_000,
        200_000, 300_000, 400_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000,
        10_000_000, 20_000_000, 30_000_000, 40_000_000, 50_000_000,
    ],
    per_shown: 1_000,
    is_whole: true,
};

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

impl Outcome {
    fn labels(&self) -> String {
        let class = match self.class {
            Class::Success => "success",
            Class::Failure => "failure",
        };
        let mut labels = Labels::new();
        if let Some(status) = self.status {
            labels = labels.with("status_code", &status.to_string());
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

/// Few distinct outcomes occur per endpoint, so that a scan beats a map.
type Few<K, V> = RwLock<Vec<(K, Arc<V>)>>;

fn find<K: Copy + PartialEq, V>(few: &Few<K, V>, key: K, make: impl FnOnce() -> V) -> Arc<V> {
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
    let value = Arc::new(make());
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
#[derive(Default)]
pub struct HttpEndpointMetrics {
    touched: Touched,
    requests: Counter,
    responses: Few<Outcome, Responses>,
    latencies: Few<Option<u16>, Latency>,
}

impl Idle for HttpEndpointMetrics {
    fn touched(&self) -> &Touched {
        &self.touched
    }
}

impl HttpEndpointMetrics {
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
        self.touched.touch();
        let outcome = Outcome {
            status,
            class,
            grpc_status,
            error,
        };
        let make = || Responses {
            labels: outcome.labels(),
            count: Counter::default(),
        };
        find(&self.responses, outcome, make).count.increment();
        let make = || Latency {
            labels: status.map_or(String::new(), |s| format!("status_code=\"{s}\"")),
            histogram: Histogram::new(&LATENCY),
        };
        find(&self.latencies, status, make)
            .histogram
            .observe_time(latency);
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
}

impl HttpFamilies {
    pub fn new(prefix: &'static str, has_latency: bool, limit: &Arc<SeriesLimit>) -> Self {
        Self {
            prefix,
            has_latency,
            table: Table::new(limit),
        }
    }

    pub fn get(&self, labels: Labels) -> Arc<HttpEndpointMetrics> {
        self.table.get(labels, HttpEndpointMetrics::default)
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
