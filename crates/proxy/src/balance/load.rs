//! How loaded an endpoint is: its recent peak latency times what it still has to answer.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::exchange::body::Observer;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadSettings {
    /// Assumed until the endpoint has answered once.
    pub default_rtt: Duration,
    pub decay: Duration,
}

impl Default for LoadSettings {
    fn default() -> Self {
        Self {
            default_rtt: Duration::from_millis(30),
            decay: Duration::from_secs(10),
        }
    }
}

#[derive(Clone)]
pub struct Load(Arc<Shared>);

struct Shared {
    settings: LoadSettings,
    pending: AtomicU32,
    average: Mutex<Average>,
}

#[derive(Clone, Copy)]
struct Average {
    nanos: f64,
    at: Instant,
}

/// One request in flight. Dropped unanswered, it teaches nothing.
pub struct Pending {
    load: Load,
    since: Instant,
}

impl Load {
    pub fn new(settings: LoadSettings) -> Self {
        let average = Average {
            nanos: settings.default_rtt.as_nanos() as f64,
            at: Instant::now(),
        };
        Self(Arc::new(Shared {
            settings,
            pending: AtomicU32::new(0),
            average: Mutex::new(average),
        }))
    }

    pub fn start(&self, now: Instant) -> Pending {
        self.0.pending.fetch_add(1, Ordering::Relaxed);
        Pending {
            load: self.clone(),
            since: now,
        }
    }

    /// Comparable among endpoints of one set; smaller is better.
    pub fn cost(&self, now: Instant) -> f64 {
        let pending = self.0.pending.load(Ordering::Relaxed);
        let average = *self.lock();
        let idle = now.saturating_duration_since(average.at).as_secs_f64();
        let decayed = average.nanos * (-idle / self.0.settings.decay.as_secs_f64()).exp();
        (decayed + 1.0) * f64::from(pending + 1)
    }

    /// A slower answer counts at once, a faster one by and by.
    fn observe(&self, rtt: Duration, now: Instant) {
        let nanos = rtt.as_nanos() as f64;
        let mut average = self.lock();
        if nanos > average.nanos {
            average.nanos = nanos;
        } else {
            let elapsed = now.saturating_duration_since(average.at).as_secs_f64();
            let weight = (-elapsed / self.0.settings.decay.as_secs_f64()).exp();
            average.nanos = average.nanos * weight + nanos * (1.0 - weight);
        }
        average.at = now;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Average> {
        let average = self.0.average.lock();
        average.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    pub fn answered(&self, now: Instant) {
        let rtt = now.saturating_duration_since(self.since);
        self.load.observe(rtt, now);
    }
}

impl Observer for Pending {}

impl Drop for Pending {
    fn drop(&mut self) {
        self.load.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_raises_the_cost_at_once() {
        let load = Load::new(LoadSettings::default());
        let start = Instant::now();
        let before = load.cost(start);
        let pending = load.start(start);
        let later = start + Duration::from_secs(1);
        pending.answered(later);
        drop(pending);
        assert!(load.cost(later) > before * 10.0);
    }

    #[test]
    fn what_is_pending_counts() {
        let load = Load::new(LoadSettings::default());
        let now = Instant::now();
        let idle = load.cost(now);
        let _pending = load.start(now);
        assert!(load.cost(now) > idle * 1.9);
    }
}
