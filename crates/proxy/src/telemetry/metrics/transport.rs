//! Connections and their bytes: the `tcp_*` families of both directions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::labels::{Labels, errno_name};
use super::family::{Counter, Gauge, Metric, write_head, write_sample};
use super::idle::{Idle, Table, Touched};
use super::limit::SeriesLimit;

/// More than this many ways to close are told as one.
const CLOSES: usize = 4;
/// Opened, open, read, written.
const OTHERS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Close {
    Clean,
    Failed(i32),
    Other,
}

/// The connections of one label set.
#[derive(Default)]
pub struct TransportMetrics {
    touched: Touched,
    opened: Counter,
    open: Gauge,
    read: Counter,
    written: Counter,
    closed: Mutex<BTreeMap<Close, u64>>,
}

impl Idle for TransportMetrics {
    fn touched(&self) -> &Touched {
        &self.touched
    }

    fn is_busy(&self) -> bool {
        self.open.value() > 0
    }

    fn series(&self) -> usize {
        OTHERS + CLOSES
    }
}

impl TransportMetrics {
    pub fn open(&self) {
        self.touched.touch();
        self.opened.increment();
        self.open.increment();
    }

    pub fn read(&self, bytes: u64) {
        self.read.add(bytes);
    }

    pub fn write(&self, bytes: u64) {
        self.written.add(bytes);
    }

    pub fn close(&self, errno: Option<i32>) {
        self.touched.touch();
        self.open.decrement();
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut close = errno.map_or(Close::Clean, Close::Failed);
        if closed.len() >= CLOSES - 1 && !closed.contains_key(&close) {
            close = Close::Other;
        }
        *closed.entry(close).or_default() += 1;
    }

    pub fn open_connections(&self) -> i64 {
        self.open.value()
    }

    fn write_closed(&self, out: &mut String, labels: &Labels) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        for (close, count) in closed.iter() {
            let name = match close {
                Close::Clean => String::new(),
                Close::Failed(errno) => errno_name(*errno),
                Close::Other => "other".to_string(),
            };
            let labels = labels.clone().with("errno", &name);
            write_sample(out, "tcp_close_total", labels.as_str(), count);
        }
    }
}

pub struct TransportFamilies {
    table: Table<TransportMetrics>,
}

impl TransportFamilies {
    pub fn new(limit: &Arc<SeriesLimit>) -> Self {
        Self {
            table: Table::new(limit),
        }
    }

    pub fn get(&self, labels: Labels) -> Arc<TransportMetrics> {
        self.table.get(labels, TransportMetrics::default)
    }

    pub fn write(&self, out: &mut String, now: Instant, retain: Duration) {
        let rows = self.table.current(now, retain);
        if rows.is_empty() {
            return;
        }
        let mut each =
            |name: &str, help, kind, write: fn(&TransportMetrics, &mut String, &str, &str)| {
                write_head(out, name, help, kind);
                for (labels, row) in &rows {
                    write(row, out, name, labels.as_str());
                }
            };
        each(
            "tcp_open_total",
            "Total count of opened connections.",
            "counter",
            |r, out, name, l| {
                r.opened.write(out, name, l);
            },
        );
        each(
            "tcp_open_connections",
            "Connections open now.",
            "gauge",
            |r, out, name, l| {
                r.open.write(out, name, l);
            },
        );
        each(
            "tcp_read_bytes_total",
            "Total count of bytes read from peers.",
            "counter",
            |r, out, name, l| {
                r.read.write(out, name, l);
            },
        );
        each(
            "tcp_write_bytes_total",
            "Total count of bytes written to peers.",
            "counter",
            |r, out, name, l| {
                r.written.write(out, name, l);
            },
        );
        let mut body = String::new();
        for (labels, row) in &rows {
            row.write_closed(&mut body, labels);
        }
        if !body.is_empty() {
            write_head(
                out,
                "tcp_close_total",
                "Total count of closed connections.",
                "counter",
            );
            out.push_str(&body);
        }
    }
}
