//! A line of requests that wait for an endpoint, and its gate: once they waited in vain, nobody does until one was reached.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::telemetry::metrics::{BalancerRow, Now, Sums};

pub struct Line {
    row: BalancerRow,
    waiting: AtomicUsize,
    is_shut: AtomicBool,
    /// When it was opened or shut, in seconds since the epoch, as the bits of an f64.
    changed: AtomicU64,
}

impl Line {
    /// Open, and nobody waits.
    pub fn new(row: BalancerRow) -> Self {
        row.sums().opened();
        Self {
            row,
            waiting: AtomicUsize::new(0),
            is_shut: AtomicBool::new(false),
            changed: AtomicU64::new(now()),
        }
    }

    pub fn sums(&self) -> &Sums {
        self.row.sums()
    }

    /// A request found an endpoint without waiting.
    pub fn passed(&self) {
        self.row.sums().passed();
    }

    /// A place among those that wait. Err: so many do already.
    pub fn enter(&self, capacity: usize) -> Result<Turn<'_>, usize> {
        let before = self.waiting.fetch_add(1, Relaxed);
        if before >= capacity {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(before);
        }
        self.row.sums().waits();
        Ok(Turn {
            line: self,
            since: Instant::now(),
        })
    }

    pub fn shut(&self) {
        if !self.is_shut.swap(true, Relaxed) {
            self.changed.store(now(), Relaxed);
            self.row.sums().shut();
        }
    }

    pub fn open(&self) {
        if self.is_shut() && self.is_shut.swap(false, Relaxed) {
            self.changed.store(now(), Relaxed);
            self.row.sums().opened();
        }
    }

    pub fn is_shut(&self) -> bool {
        self.is_shut.load(Relaxed)
    }

    /// `timeout` is how long a request may wait until the line is shut.
    pub fn now(&self, ready: usize, pending: usize, timeout: Duration) -> Now {
        Now {
            ready,
            pending,
            waiting: self.waiting.load(Relaxed),
            is_shut: self.is_shut(),
            since: f64::from_bits(self.changed.load(Relaxed)),
            timeout,
        }
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64().to_bits()
}

/// One that waits.
pub struct Turn<'a> {
    line: &'a Line,
    since: Instant,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.line.waiting.fetch_sub(1, Relaxed);
        self.line.row.sums().waited(self.since.elapsed());
    }
}
