//! Discoveries by key, shared while in use and dropped once idle.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

pub struct Cache<K, V> {
    idle: Duration,
    entries: Mutex<HashMap<K, Entry<V>>>,
}

struct Entry<V> {
    value: Arc<V>,
    last_used: Instant,
}

impl<K, V> Cache<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Send + Sync + 'static,
{
    /// A sweep drops what nobody held for `idle`; it ends with the cache.
    pub fn new(idle: Duration) -> Arc<Self> {
        let cache = Arc::new(Self {
            idle,
            entries: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&cache), idle));
        cache
    }

    pub fn get_or_insert(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        let mut entries = self.lock();
        if let Some(entry) = entries.get_mut(key) {
            entry.last_used = Instant::now();
            return Arc::clone(&entry.value);
        }
        let value = Arc::new(make());
        let entry = Entry {
            value: Arc::clone(&value),
            last_used: Instant::now(),
        };
        entries.insert(key.clone(), entry);
        value
    }

    pub fn len(&self) -> usize {
        self.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn evict(&self, now: Instant) {
        self.lock().retain(|_, entry| {
            if Arc::strong_count(&entry.value) > 1 {
                entry.last_used = now;
            }
            now.duration_since(entry.last_used) < self.idle
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Entry<V>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sweep<K, V>(cache: Weak<Cache<K, V>>, idle: Duration)
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Send + Sync + 'static,
{
    let every = (idle / 2).max(Duration::from_millis(100));
    loop {
        tokio::time::sleep(every).await;
        let Some(cache) = cache.upgrade() else {
            return;
        };
        cache.evict(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_entry_in_use_outlives_the_idle_time() {
        let cache = Cache::new(Duration::from_secs(5));
        let held = cache.get_or_insert(&1, || "held");
        drop(cache.get_or_insert(&2, || "idle"));
        cache.evict(Instant::now() + Duration::from_secs(6));
        assert_eq!((*held, cache.len()), ("held", 1));
    }
}
