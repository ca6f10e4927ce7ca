//! Balancers: their endpoints, and the queues in front of them. Rows of a balancer go with it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::super::labels::Labels;
use super::family::{Buckets, Counter, Histogram, Metric, write_head, write_sample};
use super::limit::{Room, SeriesLimit};

const QUEUE_BOUNDS: [u64; 6] = [500, 5_000, 50_000, 500_000, 1_000_000, 3_000_000];

static QUEUE_SECONDS: Buckets = Buckets::new(&QUEUE_BOUNDS, 1_000_000, false);

/// What is not counted, but asked for when `/metrics` is.
pub trait Balancing: Send + Sync {
    /// None: it has only just begun.
    fn now(&self) -> Option<Now>;
}

#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub ready: usize,
    /// Endpoints that are left alone for a while, or not connected yet.
    pub pending: usize,
    pub waiting: usize,
    pub is_shut: bool,
    /// When the queue was last opened or shut, in seconds since the epoch.
    pub since: f64,
    /// How long a request may wait until the queue is shut.
    pub timeout: Duration,
}

/// How an endpoint set changed.
#[derive(Clone, Copy, Debug)]
pub enum Update {
    Reset,
    Add,
    Remove,
}

const UPDATES: [&str; 3] = ["Reset", "Add", "Remove"];

/// What is counted.
#[derive(Default)]
pub struct Sums {
    _room: Option<Room>,
    /// Requests that found an endpoint at once.
    at_once: Counter,
    /// Requests that had to wait.
    waited: Counter,
    waits: OnceLock<Histogram>,
    opened: Counter,
    shut: Counter,
    updates: [Counter; UPDATES.len()],
}

impl Sums {
    pub fn passed(&self) {
        self.at_once.increment();
    }

    pub fn waits(&self) {
        self.waited.increment();
    }

    pub fn waited(&self, time: Duration) {
        let waits = self.waits.get_or_init(|| Histogram::new(&QUEUE_SECONDS));
        waits.observe_time(time);
    }

    pub fn opened(&self) {
        self.opened.increment();
    }

    pub fn shut(&self) {
        self.shut.increment();
    }

    pub fn updated(&self, update: Update, times: u64) {
        self.updates[update as usize].add(times);
    }

    fn requests(&self) -> u64 {
        self.at_once.value() + self.waited.value()
    }

    /// Of all requests: those that found an endpoint at once waited for nothing.
    fn latency(&self) -> Histogram {
        let all = Histogram::new(&QUEUE_SECONDS);
        all.add(self.waits.get(), self.at_once.value());
        all
    }
}

/// The rows of one balancer, for as long as this lives.
pub struct BalancerRow {
    table: Arc<Table>,
    /// None: there was no room for its gauges.
    number: Option<(u64, Room)>,
    labels: Labels,
    sums: Arc<Sums>,
}

impl BalancerRow {
    pub fn sums(&self) -> &Arc<Sums> {
        &self.sums
    }
}

impl Drop for BalancerRow {
    fn drop(&mut self) {
        let mut rows = self.table.lock();
        if let Some((number, _)) = &self.number {
            rows.by_number.remove(number);
        }
        if Arc::strong_count(&self.sums) == 1 {
            rows.sums.remove(&self.labels);
        }
    }
}

struct Table {
    limit: Arc<SeriesLimit>,
    rows: Mutex<Rows>,
    overflow: OnceLock<Arc<Sums>>,
}

#[derive(Default)]
struct Rows {
    next: u64,
    by_number: BTreeMap<u64, (Labels, Weak<dyn Balancing>)>,
    /// Those whose labels are the same share what they count.
    sums: BTreeMap<Labels, Weak<Sums>>,
}

/// Lines of `/metrics`: two states of endpoints, those to pick from, the queue's length and three of its gate.
const GAUGES: usize = 7;

/// Three kinds of updates, requests, two of the gate, and of the latency a bucket each, the rest, the sum and the count.
const COUNTS: usize = UPDATES.len() + 3 + QUEUE_BOUNDS.len() + 3;

impl Table {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(&self, rows: &mut Rows, labels: &Labels) -> Arc<Sums> {
        if let Some(known) = rows.sums.get(labels).and_then(Weak::upgrade) {
            return known;
        }
        let Some(room) = self.limit.room(COUNTS) else {
            return Arc::clone(self.overflow.get_or_init(Arc::default));
        };
        let sums = Arc::new(Sums {
            _room: Some(room),
            ..Sums::default()
        });
        rows.sums.insert(labels.clone(), Arc::downgrade(&sums));
        sums
    }
}

/// All balancers of one kind.
pub struct BalancerFamilies {
    prefix: String,
    table: Arc<Table>,
}

impl BalancerFamilies {
    pub fn new(prefix: &str, limit: &Arc<SeriesLimit>) -> Self {
        Self {
            prefix: format!("{prefix}_balancer_"),
            table: Arc::new(Table {
                limit: Arc::clone(limit),
                rows: Mutex::default(),
                overflow: OnceLock::new(),
            }),
        }
    }

    pub fn row(&self, labels: Labels, source: Weak<dyn Balancing>) -> BalancerRow {
        let table = &self.table;
        let summed = table.limit.selected(&labels).into_owned();
        let mut rows = table.lock();
        let sums = table.sums(&mut rows, &summed);
        let number = table.limit.room(GAUGES).map(|room| {
            rows.next += 1;
            let number = rows.next;
            rows.by_number.insert(number, (labels, source));
            (number, room)
        });
        BalancerRow {
            table: Arc::clone(table),
            number,
            labels: summed,
            sums,
        }
    }

    pub fn write(&self, out: &mut String) {
        let (states, sums) = (self.states(), self.sums());
        let gauge = |out: &mut String, rest: &str, help: &str, value: &dyn Fn(&Now) -> f64| {
            let values = states
                .iter()
                .map(|(labels, now)| (labels.clone(), value(now)));
            self.family(out, rest, help, "gauge", values);
        };
        let counter = |out: &mut String, rest: &str, help: &str, value: &dyn Fn(&Sums) -> u64| {
            let values = sums
                .iter()
                .map(|(labels, sums)| (labels.clone(), value(sums)));
            self.family(out, rest, help, "counter", values);
        };
        let by_state = states.iter().flat_map(|(labels, now)| {
            [("ready", now.ready), ("pending", now.pending)]
                .map(|(state, count)| (labels.clone().with("endpoint_state", state), count))
        });
        self.family(out, "endpoints", "Endpoints by state.", "gauge", by_state);
        let all = |now: &Now| (now.ready + now.pending) as f64;
        gauge(out, "p2c_endpoints", "Endpoints to pick from.", &all);
        let updates = sums.iter().flat_map(|(labels, sums)| {
            let of = |(op, count): (&str, &Counter)| (labels.clone().with("op", op), count.value());
            UPDATES
                .into_iter()
                .zip(&sums.updates)
                .map(of)
                .collect::<Vec<_>>()
        });
        let help = "Changes of the endpoints.";
        self.family(out, "p2c_updates_total", help, "counter", updates);
        let help = "Requests that wait for an endpoint.";
        gauge(out, "queue_length", help, &|now| now.waiting as f64);
        let help = "Requests that asked for an endpoint.";
        counter(out, "queue_requests_total", help, &Sums::requests);
        self.write_latency(out, &sums);
        let help = "Times that the queue was opened.";
        counter(out, "queue_gate_open_total", help, &|sums| {
            sums.opened.value()
        });
        let help = "Times that the queue was shut.";
        counter(out, "queue_gate_shut_total", help, &|sums| {
            sums.shut.value()
        });
        let help = "When it was opened, if it is open.";
        let opened = |now: &Now| if now.is_shut { 0.0 } else { now.since };
        gauge(out, "queue_gate_open_time_seconds", help, &opened);
        let help = "When it was shut, if it is shut.";
        let shut = |now: &Now| if now.is_shut { now.since } else { 0.0 };
        gauge(out, "queue_gate_shut_time_seconds", help, &shut);
        let help = "How long a request waits until it shuts.";
        let timeout = |now: &Now| now.timeout.as_secs_f64();
        gauge(out, "queue_gate_timeout_seconds", help, &timeout);
    }

    fn family<V: Display>(
        &self,
        out: &mut String,
        rest: &str,
        help: &str,
        kind: &str,
        values: impl Iterator<Item = (Labels, V)>,
    ) {
        let name = format!("{}{rest}", self.prefix);
        let mut values = values.peekable();
        if values.peek().is_some() {
            write_head(out, &name, help, kind);
        }
        for (labels, value) in values {
            write_sample(out, &name, labels.as_str(), value);
        }
    }

    fn write_latency(&self, out: &mut String, sums: &[(Labels, Arc<Sums>)]) {
        if sums.is_empty() {
            return;
        }
        let name = format!("{}queue_latency_seconds", self.prefix);
        let help = "Time from asking for an endpoint to getting one.";
        write_head(out, &name, help, Histogram::KIND);
        for (labels, sums) in sums {
            sums.latency().write(out, &name, labels.as_str());
        }
    }

    /// Of balancers with the same labels, as while one policy takes the place of another, the newest speaks for all;
    /// but whoever waits, waits.
    fn states(&self) -> BTreeMap<Labels, Now> {
        // A source may be dropped here, and then takes the lock.
        let rows: Vec<_> = {
            let rows = self.table.lock();
            let live = rows.by_number.values();
            live.filter_map(|(labels, source)| Some((labels.clone(), source.upgrade()?)))
                .collect()
        };
        let mut states: BTreeMap<Labels, Now> = BTreeMap::new();
        for (labels, source) in rows {
            let Some(mut now) = source.now() else {
                continue;
            };
            now.waiting += states.get(&labels).map_or(0, |before| before.waiting);
            states.insert(labels, now);
        }
        states
    }

    fn sums(&self) -> Vec<(Labels, Arc<Sums>)> {
        let mut rows = self.table.lock();
        rows.sums.retain(|_, sums| sums.strong_count() > 0);
        let live = rows.sums.iter();
        let live = live.filter_map(|(labels, sums)| Some((labels.clone(), sums.upgrade()?)));
        let overflow = self.table.overflow.get();
        let overflow = overflow.map(|sums| (Labels::overflow(), Arc::clone(sums)));
        live.chain(overflow).collect()
    }
}
