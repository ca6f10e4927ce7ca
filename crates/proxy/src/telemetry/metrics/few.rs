//! Counters of a label set by what came of it: few, so that a scan beats a map, and none before it is needed.

use std::sync::{Arc, Mutex, PoisonError};

use super::family::Counter;

pub struct Few<K>(Mutex<Vec<(K, Arc<Counter>)>>);

impl<K> Default for Few<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + PartialEq> Few<K> {
    pub fn count(&self, key: K, make: impl FnOnce() -> Arc<Counter>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counter)) = known.iter().find(|(seen, _)| *seen == key) {
            counter.increment();
            return;
        }
        let counter = make();
        counter.increment();
        known.push((key, counter));
    }
}
