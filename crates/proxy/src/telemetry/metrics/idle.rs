//! A table of series that leave the exposition when nothing touched them for long.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::labels::Labels;
use super::limit::SeriesLimit;

/// Set by whoever counts, cleared by the scrape: cheaper than reading a clock per request.
#[derive(Debug, Default)]
pub struct Touched(AtomicBool);

impl Touched {
    pub fn touch(&self) {
        if !self.0.load(Relaxed) {
            self.0.store(true, Relaxed);
        }
    }

    fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

pub trait Idle {
    fn touched(&self) -> &Touched;
    /// In use although nothing counts: an open connection.
    fn is_busy(&self) -> bool {
        false
    }
    /// Lines of the exposition that were taken from the limit.
    fn series(&self) -> usize;
}

struct Row<T> {
    metric: Arc<T>,
    seen: Instant,
}

pub struct Table<T> {
    rows: Mutex<BTreeMap<Labels, Row<T>>>,
    limit: Arc<SeriesLimit>,
}

impl<T: Idle> Table<T> {
    pub fn new(limit: &Arc<SeriesLimit>) -> Self {
        Self {
            rows: Mutex::default(),
            limit: Arc::clone(limit),
        }
    }

    pub fn get(&self, labels: Labels, make: impl FnOnce() -> T) -> Arc<T> {
        let labels = match self.limit.selected(&labels) {
            Cow::Borrowed(_) => labels,
            Cow::Owned(fewer) => fewer,
        };
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get(&labels) {
            return Arc::clone(&row.metric);
        }
        let metric = make();
        let labels = match self.limit.take(metric.series()) {
            true => labels,
            false => Labels::overflow(),
        };
        let row = rows.entry(labels).or_insert_with(|| Row {
            metric: Arc::new(metric),
            seen: Instant::now(),
        });
        Arc::clone(&row.metric)
    }

    /// Rows to print. Idle ones are removed, or only hidden while somebody still holds them.
    pub fn current(&self, now: Instant, retain: Duration) -> Vec<(Labels, Arc<T>)> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let overflow = Labels::overflow();
        let mut current = Vec::with_capacity(rows.len());
        rows.retain(|labels, row| {
            if row.metric.touched().take() || row.metric.is_busy() {
                row.seen = now;
            }
            if now.saturating_duration_since(row.seen) <= retain {
                current.push((labels.clone(), Arc::clone(&row.metric)));
                return true;
            }
            let is_held = Arc::strong_count(&row.metric) > 1;
            if !is_held && *labels != overflow {
                self.limit.give_back(row.metric.series());
            }
            is_held
        });
        current
    }
}
