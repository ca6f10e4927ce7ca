//! A table of series that leave the exposition when nothing touched them for long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::super::labels::Labels;
use super::family::SeriesLimit;

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
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = rows.get(&labels) {
            return Arc::clone(&row.metric);
        }
        let metric = Arc::new(make());
        if self.limit.take() {
            let row = Row {
                metric: Arc::clone(&metric),
                seen: Instant::now(),
            };
            rows.insert(labels, row);
        }
        metric
    }

    /// Rows to print. Idle ones are removed, or only hidden while somebody still holds them.
    pub fn current(&self, now: Instant, retain: Duration) -> Vec<(Labels, Arc<T>)> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let before = rows.len();
        let mut current = Vec::with_capacity(before);
        rows.retain(|labels, row| {
            if row.metric.touched().take() || row.metric.is_busy() {
                row.seen = now;
            }
            if now.saturating_duration_since(row.seen) <= retain {
                current.push((labels.clone(), Arc::clone(&row.metric)));
                return true;
            }
            Arc::strong_count(&row.metric) > 1
        });
        self.limit.give_back(before - rows.len());
        current
    }
}
