//! A retry budget: retries may be a share of the requests of the last seconds, plus a few.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::control::profile::RetryBudget;

pub struct Budget {
    settings: RetryBudget,
    window: Mutex<Window>,
}

/// Requests and retries by second, the oldest first.
#[derive(Default)]
struct Window {
    seconds: VecDeque<(Instant, u32, u32)>,
}

impl Budget {
    pub fn new(settings: RetryBudget) -> Self {
        Self {
            settings,
            window: Mutex::default(),
        }
    }

    pub fn request(&self, now: Instant) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.current(self.settings, now).1 += 1;
    }

    /// Takes a retry out of the budget; false: there is none left.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.current(self.settings, now);
        let requests: u32 = window.seconds.iter().map(|(_, requests, _)| requests).sum();
        let retries: u32 = window.seconds.iter().map(|(_, _, retries)| retries).sum();
        let reserve = f64::from(self.settings.per_second) * self.settings.ttl.as_secs_f64();
        let allowed = f64::from(requests) * self.settings.ratio + reserve;
        if f64::from(retries) + 1.0 > allowed {
            return false;
        }
        window.current(self.settings, now).2 += 1;
        true
    }
}

impl Window {
    fn current(&mut self, settings: RetryBudget, now: Instant) -> &mut (Instant, u32, u32) {
        let is_old = |since: Instant| now.saturating_duration_since(since) > settings.ttl;
        while self
            .seconds
            .front()
            .is_some_and(|(since, ..)| is_old(*since))
        {
            self.seconds.pop_front();
        }
        let is_current = |since: Instant| now.saturating_duration_since(since).as_secs() == 0;
        if !self
            .seconds
            .back()
            .is_some_and(|(since, ..)| is_current(*since))
        {
            self.seconds.push_back((now, 0, 0));
        }
        let last = self.seconds.len() - 1;
        &mut self.seconds[last]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn retries_are_a_share_of_requests() {
        let budget = Budget::new(RetryBudget {
            ratio: 0.2,
            per_second: 0,
            ttl: Duration::from_secs(10),
        });
        let now = Instant::now();
        (0..10).for_each(|_| budget.request(now));
        let granted = (0..10).filter(|_| budget.withdraw(now)).count();
        assert_eq!(granted, 2);
        assert!(!budget.withdraw(now + Duration::from_secs(11)));
    }
}
