//! Tap: a live sample of requests for whoever may see it. While nobody watches, a request costs
//! one relaxed load.

mod events;
mod matcher;
mod server;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use linkerd2_proxy_api::tap as pb;
use tokio::sync::mpsc;
use tokio::time::Instant;

pub use events::Tapped;
use matcher::{InvalidMatch, Match};
pub use server::{accept, serve};

use crate::telemetry::labels::{Direction, Tls};

/// A watcher that reads slower than this loses events, never the requests.
const BUFFERED_EVENTS: usize = 400;

/// Events leave in one write when the first has waited for so long, or when there are many: a write
/// for each costs more than all else about it.
const GATHERED: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(5);
const MANY: usize = 100;

/// A request as a watcher may see it.
pub struct Seen<'a> {
    pub direction: Direction,
    pub source: SocketAddr,
    pub source_tls: Tls<'a>,
    pub destination: SocketAddr,
    pub destination_tls: Tls<'a>,
    pub destination_labels: &'a BTreeMap<String, String>,
    pub route_labels: &'a BTreeMap<String, String>,
    pub authority: &'a str,
    pub method: &'a http::Method,
    pub uri: &'a http::Uri,
    pub version: http::Version,
    pub headers: &'a http::HeaderMap,
}

/// An empty set of labels, to borrow.
pub static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

/// Who watches now. Shared by both directions and the server.
#[derive(Default)]
pub struct Taps {
    watching: Arc<AtomicUsize>,
    watchers: RwLock<Vec<Weak<Watcher>>>,
    /// Tells the events of one watcher from those of another in one session.
    next: AtomicU32,
}

/// One stream of events. Dropped when it ends, or when its limit is reached.
struct Watcher {
    base: u32,
    limit: usize,
    count: AtomicUsize,
    matching: Match,
    has_headers: bool,
    events: mpsc::Sender<Bytes>,
    watching: Arc<AtomicUsize>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watching.fetch_sub(1, Relaxed);
    }
}

impl Watcher {
    fn is_done(&self) -> bool {
        self.count.load(Relaxed) >= self.limit
    }
}

impl Taps {
    pub fn is_watched(&self) -> bool {
        self.watching.load(Relaxed) > 0
    }

    /// Begins to tap a request if somebody asked for its like. Tell it of the response, and let
    /// it observe the body.
    pub fn request(&self, seen: &Seen<'_>) -> Option<Tapped> {
        if !self.is_watched() {
            return None;
        }
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        let alive = watchers.iter().filter_map(Weak::upgrade);
        let matching = alive.filter(|watcher| watcher.matching.matches(seen));
        Tapped::begin(matching, seen)
    }

    fn watch(&self, request: pb::ObserveRequest) -> Result<Watching, InvalidMatch> {
        let matching = Match::try_from(request.r#match.unwrap_or_default())?;
        let (events, received) = mpsc::channel(BUFFERED_EVENTS);
        self.watching.fetch_add(1, Relaxed);
        let watcher = Arc::new(Watcher {
            base: self.next.fetch_add(1, Relaxed),
            limit: request.limit as usize,
            count: AtomicUsize::new(0),
            matching,
            has_headers: wants_headers(request.extract),
            events,
            watching: Arc::clone(&self.watching),
        });
        let mut watchers = self
            .watchers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        watchers.retain(|known| known.strong_count() > 0);
        watchers.push(Arc::downgrade(&watcher));
        Ok(Watching {
            watcher: Some(watcher),
            events: received,
        })
    }
}

fn wants_headers(extract: Option<pb::observe_request::Extract>) -> bool {
    use pb::observe_request::extract::{Extract, http};
    let Some(Extract::Http(of)) = extract.and_then(|e| e.extract) else {
        return false;
    };
    matches!(of.extract, Some(http::Extract::Headers(_)))
}

/// The receiving end.
struct Watching {
    watcher: Option<Arc<Watcher>>,
    events: mpsc::Receiver<Bytes>,
}

impl Watching {
    /// None once the limit is reached and the last of the tapped responses has ended.
    async fn next(&mut self) -> Option<Bytes> {
        let event = match self.events.try_recv() {
            Ok(event) => Some(event),
            Err(_) => self.first_of_many().await,
        };
        self.watcher = self.watcher.take().filter(|watcher| !watcher.is_done());
        event
    }

    async fn first_of_many(&mut self) -> Option<Bytes> {
        let event = self.events.recv().await?;
        let until = Instant::now() + GATHERED;
        while Instant::now() < until && self.events.len() < MANY {
            tokio::time::sleep(LOOK).await;
        }
        Some(event)
    }
}
