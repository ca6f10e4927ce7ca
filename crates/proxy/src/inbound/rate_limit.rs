//! Local rate limits of one port, each a bucket that refills by the second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::control::policy::inbound::RateLimit;
use crate::tls::name::Identity;

/// More identities than this share the bucket of the unknown.
const MAX_IDENTITIES: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    Total(u32),
    Identity(u32),
    Override(u32),
}

/// When the next request is due, were they evenly spaced: all that the generic cell rate algorithm keeps.
#[derive(Default)]
struct Cell(Option<Instant>);

impl Cell {
    /// A second's worth may come at once.
    fn admit(&mut self, per_second: u32, now: Instant) -> bool {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let due = self.0.map_or(now, |due| due.max(now));
        if due + interval > now + Duration::from_secs(1) {
            return false;
        }
        self.0 = Some(due + interval);
        true
    }
}

pub struct Limiter {
    limit: RateLimit,
    cells: Mutex<Cells>,
}

#[derive(Default)]
struct Cells {
    total: Cell,
    overrides: HashMap<usize, Cell>,
    identities: HashMap<Option<Identity>, Cell>,
}

impl Limiter {
    pub fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            cells: Mutex::default(),
        }
    }

    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// In the order that users know: the total, then the client's override, else its share.
    pub fn admit(&self, client: Option<&Identity>, now: Instant) -> Result<(), Exceeded> {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(total) = self.limit.total
            && !cells.total.admit(total, now)
        {
            return Err(Exceeded::Total(total));
        }
        let mut overrides = self.limit.overrides.iter().enumerate();
        let listed =
            overrides.find(|(_, (_, clients))| client.is_some_and(|c| clients.contains(c)));
        if let Some((index, (rate, _))) = listed {
            return match cells.overrides.entry(index).or_default().admit(*rate, now) {
                true => Ok(()),
                false => Err(Exceeded::Override(*rate)),
            };
        }
        let Some(rate) = self.limit.identity else {
            return Ok(());
        };
        let is_full = cells.identities.len() >= MAX_IDENTITIES;
        let key = client.cloned().filter(|_| !is_full);
        match cells.identities.entry(key).or_default().admit(rate, now) {
            true => Ok(()),
            false => Err(Exceeded::Identity(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_and_then_no_more() {
        let limiter = Limiter::new(RateLimit {
            reference: std::sync::Arc::default(),
            total: Some(10),
            identity: None,
            overrides: Vec::new(),
        });
        let start = Instant::now();
        let admitted = (0..20).filter(|_| limiter.admit(None, start).is_ok());
        assert_eq!(admitted.count(), 10);
        let later = start + Duration::from_millis(100);
        assert!(limiter.admit(None, later).is_ok());
        assert_eq!(limiter.admit(None, later), Err(Exceeded::Total(10)));
    }
}
