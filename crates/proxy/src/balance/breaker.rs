//! A breaker keeps requests from an endpoint that fails again and again. It opens after so many
//! failures in a row, waits, lets one request through as a probe, and closes or waits longer.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq)]
pub struct BreakerSettings {
    pub max_failures: u32,
    pub min_backoff: Duration,
    pub max_backoff: Duration,
    /// Up to this share of a wait is added to it by chance.
    pub jitter: f64,
}

pub struct Breaker {
    settings: BreakerSettings,
    /// In a row, while closed.
    failures: AtomicU32,
    /// Read per request, so that a closed breaker takes no lock.
    is_open: AtomicBool,
    open: Mutex<Open>,
}

struct Open {
    until: Instant,
    /// How often it has opened since it was last closed.
    times: u32,
    is_probed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint failed too often and is left alone for a while")]
pub struct Ejected;

/// One request that the breaker let through.
#[must_use]
pub struct Permit {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            failures: AtomicU32::new(0),
            is_open: AtomicBool::new(false),
            open: Mutex::new(Open {
                until: Instant::now(),
                times: 0,
                is_probed: false,
            }),
        })
    }

    /// Whether `admit` would give a permit.
    pub fn is_available(&self, now: Instant) -> bool {
        if !self.is_open.load(Relaxed) {
            return true;
        }
        let open = self.lock();
        open.until <= now && !open.is_probed
    }

    /// When an open breaker takes a probe; None while it is closed.
    pub fn retry_at(&self) -> Option<Instant> {
        let is_open = self.is_open.load(Relaxed);
        is_open.then(|| self.lock().until)
    }

    pub fn admit(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        let is_probe = self.is_open.load(Relaxed);
        if is_probe {
            let mut open = self.lock();
            if open.until > now || open.is_probed {
                return None;
            }
            open.is_probed = true;
        }
        Some(Permit {
            breaker: Arc::clone(self),
            is_probe,
        })
    }

    fn succeeded(&self, is_probe: bool) {
        if is_probe {
            let mut open = self.lock();
            open.times = 0;
            open.is_probed = false;
            self.is_open.store(false, Relaxed);
        }
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    fn failed(&self, is_probe: bool, now: Instant, chance: f64) {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        // What was sent before it opened says nothing new.
        let is_news = is_probe || !self.is_open.load(Relaxed);
        if !is_news || (!is_probe && failures < self.settings.max_failures) {
            return;
        }
        let mut open = self.lock();
        open.until = now + self.backoff(open.times, chance);
        open.times = open.times.saturating_add(1);
        open.is_probed = false;
        self.is_open.store(true, Relaxed);
    }

    fn backoff(&self, times: u32, chance: f64) -> Duration {
        let doubled = self.settings.min_backoff.saturating_mul(1 << times.min(20));
        let wait = doubled.min(self.settings.max_backoff);
        wait.mul_f64(1.0 + self.settings.jitter.clamp(0.0, 100.0) * chance)
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// How the request ended. `chance` is from 0 to 1.
    pub fn settle(mut self, is_success: bool, now: Instant, chance: f64) {
        let is_probe = std::mem::take(&mut self.is_probe);
        match is_success {
            true => self.breaker.succeeded(is_probe),
            false => self.breaker.failed(is_probe, now, chance),
        }
    }
}

impl Drop for Permit {
    /// A probe that ended without a result leaves its turn to another.
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.lock().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> Arc<Breaker> {
        let settings = BreakerSettings {
            max_failures: 3,
            min_backoff: SECOND,
            max_backoff: 4 * SECOND,
            jitter: 0.5,
        };
        Breaker::new(settings)
    }

    fn settle(breaker: &Arc<Breaker>, is_success: bool, now: Instant) {
        let permit = breaker.admit(now).unwrap();
        permit.settle(is_success, now, 0.0);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let breaker = breaker();
        for is_success in [false, false, true, false, false] {
            settle(&breaker, is_success, now);
        }
        assert!(breaker.is_available(now));
        settle(&breaker, false, now);
        assert!(!breaker.is_available(now));
        assert!(breaker.admit(now).is_none());
        assert_eq!(breaker.retry_at(), Some(now + SECOND));
    }

    #[test]
    fn one_probe_decides() {
        let start = Instant::now();
        let breaker = breaker();
        (0..3).for_each(|_| settle(&breaker, false, start));
        let mut now = start;
        for wait in [1, 2, 4, 4] {
            assert!(!breaker.is_available(now + wait * SECOND - Duration::from_millis(1)));
            now += wait * SECOND;
            let probe = breaker.admit(now).unwrap();
            assert!(breaker.admit(now).is_none(), "only one probe");
            probe.settle(false, now, 0.0);
        }
        now += 4 * SECOND;
        settle(&breaker, true, now);
        settle(&breaker, false, now);
        assert!(breaker.is_available(now));
    }

    #[test]
    fn an_abandoned_probe_leaves_its_turn() {
        let now = Instant::now();
        let breaker = breaker();
        (0..3).for_each(|_| settle(&breaker, false, now));
        let later = now + SECOND;
        drop(breaker.admit(later));
        assert!(breaker.is_available(later));
    }

    #[test]
    fn what_was_sent_before_it_opened_changes_nothing() {
        let now = Instant::now();
        let breaker = breaker();
        let early = [breaker.admit(now).unwrap(), breaker.admit(now).unwrap()];
        (0..3).for_each(|_| settle(&breaker, false, now));
        let [first, second] = early;
        first.settle(true, now, 0.0);
        second.settle(false, now + SECOND, 0.0);
        assert_eq!(breaker.retry_at(), Some(now + SECOND));
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds(times in 0u32..1000, chance in 0.0f64..=1.0) {
            let wait = breaker().backoff(times, chance);
            prop_assert!(wait >= SECOND && wait <= 6 * SECOND);
        }
    }
}
