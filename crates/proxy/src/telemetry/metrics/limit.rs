//! How many series there may be, over all families, and which labels they have.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::super::labels::Labels;

/// Shared by all families. Their overflow series, one each, come on top.
#[derive(Debug)]
pub struct SeriesLimit {
    most: usize,
    now: AtomicUsize,
    refused: AtomicU64,
    /// Names of labels that no sum has.
    dropped: Vec<String>,
}

/// What so many series take of the limit, for as long as this lives.
pub struct Room {
    limit: Arc<SeriesLimit>,
    series: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.limit.give_back(self.series);
    }
}

impl SeriesLimit {
    /// None: there is no room for so many more.
    pub(super) fn room(self: &Arc<Self>, series: usize) -> Option<Room> {
        self.take(series).then(|| Room {
            limit: Arc::clone(self),
            series,
        })
    }

    pub fn new(most: usize, dropped: Vec<String>) -> Arc<Self> {
        Arc::new(Self {
            most,
            now: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            dropped,
        })
    }

    /// False: there is no room for so many more.
    pub(super) fn take(&self, count: usize) -> bool {
        let sum = |now: usize| now.checked_add(count).filter(|&sum| sum <= self.most);
        if self.now.fetch_update(Relaxed, Relaxed, sum).is_ok() {
            return true;
        }
        if self.refused.fetch_add(1, Relaxed) == 0 {
            tracing::warn!(
                limit = self.most,
                "Too many metric series; what is new is counted with overflow=\"true\" instead of \
                 its own labels. LINKERD2_PROXY_METRICS_DROP_LABELS makes fewer, \
                 LINKERD2_PROXY_METRICS_MAX_SERIES allows more"
            );
        }
        false
    }

    pub(super) fn give_back(&self, count: usize) {
        self.now.fetch_sub(count, Relaxed);
    }

    pub(super) fn selected<'a>(&self, labels: &'a Labels) -> Cow<'a, Labels> {
        match self.dropped.is_empty() {
            true => Cow::Borrowed(labels),
            false => Cow::Owned(labels.without(&self.dropped)),
        }
    }

    pub fn most(&self) -> usize {
        self.most
    }

    pub fn now(&self) -> usize {
        self.now.load(Relaxed)
    }

    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }
}
