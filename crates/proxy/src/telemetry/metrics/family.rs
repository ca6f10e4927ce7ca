//! Counters, gauges, histograms and the families they belong to. A series is looked up once, by
//! its label text, and then held: counting is one relaxed atomic addition.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use super::super::labels::Labels;
use super::limit::SeriesLimit;

/// Writing to a string cannot fail; this says it once for all writers here.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        write!($out, $($text)*).expect("writing to a string cannot fail")
    };
}

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn increment(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds in the unit that is counted (microseconds, bytes) and how many of it make one
/// of the unit that is shown (milliseconds, seconds, bytes).
#[derive(Debug)]
pub struct Buckets {
    pub bounds: &'static [u64],
    pub per_shown: u64,
    /// The older families print `1`, the newer ones `1.0`.
    pub is_whole: bool,
    /// Once they were: what a scrape shows of each, which is the same for all series.
    shown: OnceLock<Box<[String]>>,
}

impl Buckets {
    pub const fn new(bounds: &'static [u64], per_shown: u64, is_whole: bool) -> Self {
        Self {
            bounds,
            per_shown,
            is_whole,
            shown: OnceLock::new(),
        }
    }

    /// The value of the label `le` of each, and of the one without a bound.
    fn shown(&self) -> &[String] {
        self.shown.get_or_init(|| {
            let bounds = self.bounds.iter().map(|&bound| match self.is_whole {
                true => (bound / self.per_shown).to_string(),
                false => format!("{:?}", bound as f64 / self.per_shown as f64),
            });
            bounds.chain(["+Inf".to_string()]).collect()
        })
    }
}

#[derive(Debug)]
pub struct Histogram {
    buckets: &'static Buckets,
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    pub fn new(buckets: &'static Buckets) -> Self {
        let counts = (0..=buckets.bounds.len()).map(|_| AtomicU64::new(0));
        Self {
            buckets,
            counts: counts.collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// `value` is in the bounds' unit.
    pub fn observe(&self, value: u64) {
        let index = self.buckets.bounds.partition_point(|&bound| bound < value);
        self.counts[index].fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
    }

    /// Adds what another one of the same bounds holds, and so many that were nothing.
    pub(super) fn add(&self, other: Option<&Self>, nothings: u64) {
        self.counts[0].fetch_add(nothings, Relaxed);
        let Some(other) = other else {
            return;
        };
        for (count, more) in self.counts.iter().zip(&other.counts) {
            count.fetch_add(more.load(Relaxed), Relaxed);
        }
        self.sum.fetch_add(other.sum.load(Relaxed), Relaxed);
    }

    /// For histograms of time.
    pub fn observe_time(&self, time: std::time::Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }
}

/// What a family can be made of.
pub trait Metric {
    const KIND: &'static str;
    /// Lines of the exposition.
    fn series(&self) -> usize {
        1
    }
    /// Counters are printed with `_total`, as their TYPE line is.
    fn write(&self, out: &mut String, name: &str, labels: &str);
}

impl Metric for Counter {
    const KIND: &'static str = "counter";

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        write_sample(out, name, labels, self.value());
    }
}

impl Metric for Gauge {
    const KIND: &'static str = "gauge";

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        write_sample(out, name, labels, self.value());
    }
}

impl Metric for Histogram {
    const KIND: &'static str = "histogram";

    fn series(&self) -> usize {
        self.counts.len() + 2
    }

    fn write(&self, out: &mut String, name: &str, labels: &str) {
        let comma = if labels.is_empty() { "" } else { "," };
        let per_shown = self.buckets.per_shown as f64;
        let begin = format!("{name}_bucket{{{labels}{comma}le=\"");
        let mut count = 0;
        for (bucket, bound) in self.counts.iter().zip(self.buckets.shown()) {
            count += bucket.load(Relaxed);
            out.push_str(&begin);
            out.push_str(bound);
            put!(out, "\"}} {count}\n");
        }
        let sum = self.sum.load(Relaxed) as f64 / per_shown;
        put!(
            out,
            "{name}_sum{}{labels}{} {sum}\n",
            open(labels),
            close(labels)
        );
        put!(
            out,
            "{name}_count{}{labels}{} {count}\n",
            open(labels),
            close(labels)
        );
    }
}

fn open(labels: &str) -> &'static str {
    if labels.is_empty() { "" } else { "{" }
}

fn close(labels: &str) -> &'static str {
    if labels.is_empty() { "" } else { "}" }
}

pub fn write_sample(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    put!(
        out,
        "{name}{}{labels}{} {value}\n",
        open(labels),
        close(labels)
    );
}

pub fn write_head(out: &mut String, name: &str, help: &str, kind: &str) {
    put!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// All series of one name. They do not expire.
pub struct Family<T> {
    name: String,
    help: &'static str,
    make: fn() -> T,
    series: RwLock<BTreeMap<Labels, Arc<T>>>,
    limit: Arc<SeriesLimit>,
}

impl<T: Metric> Family<T> {
    pub fn with(
        name: impl Into<String>,
        help: &'static str,
        limit: &Arc<SeriesLimit>,
        make: fn() -> T,
    ) -> Self {
        Self {
            name: name.into(),
            help,
            make,
            series: RwLock::default(),
            limit: Arc::clone(limit),
        }
    }

    /// The series of these labels; over the limit it is the family's overflow.
    pub fn get(&self, labels: &Labels) -> Arc<T> {
        let labels = self.limit.selected(labels);
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(labels.as_ref()) {
            return Arc::clone(series);
        }
        drop(known);
        let mut known = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(series) = known.get(labels.as_ref()) {
            return Arc::clone(series);
        }
        let series = Arc::new((self.make)());
        if !self.limit.take(series.series()) {
            return Arc::clone(known.entry(Labels::overflow()).or_insert(series));
        }
        known.insert(labels.into_owned(), Arc::clone(&series));
        series
    }

    pub fn write(&self, out: &mut String) {
        let known = self.series.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_empty() {
            return;
        }
        write_head(out, &self.name, self.help, T::KIND);
        for (labels, series) in known.iter() {
            series.write(out, &self.name, labels.as_str());
        }
    }
}

impl Family<Counter> {
    pub fn counter(name: impl Into<String>, help: &'static str, limit: &Arc<SeriesLimit>) -> Self {
        Self::with(name, help, limit, Counter::default)
    }
}
