//! The live endpoints of one address set, kept as destination says, and the picks among them.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use linkerd2_proxy_api::destination as pb;
use tokio::sync::watch;
use tokio::time::Instant;

use super::breaker::{Breaker, BreakerSettings, Ejected, Permit};
use super::load::{Load, LoadSettings};
use super::observe::{EndpointMetrics, Updates};
use super::queue::{Queue, QueueSpec};
use crate::config::Backoff;
use crate::connect::header::TransportHeader;
use crate::connect::pool::{Pool, PoolSettings};
use crate::connect::tcp::{Connector, Dial};
use crate::control::destination::{Change, EndpointSpec, Hint, change};
use crate::control::grpc;
use crate::control::policy::outbound::{BackendSpec, BackendTarget};
use crate::control::stream::{Channel, Event, StreamLimits, chance, follow};
use crate::route::select::Reference;
use crate::telemetry::metrics::{Metrics, Update};

/// One endpoint with its connections, its load and its metric handles.
pub struct Endpoint {
    pub spec: EndpointSpec,
    pub pool: Arc<Pool>,
    pub load: Load,
    pub metrics: EndpointMetrics,
    /// None: failures are not accrued.
    breaker: Option<Arc<Breaker>>,
    is_gone: AtomicBool,
    health: Mutex<Health>,
    backoff: Backoff,
}

/// After failing to connect, an endpoint is left alone for a while that doubles each time.
#[derive(Default)]
struct Health {
    failures: u32,
    retry_at: Option<Instant>,
}

/// How a backend's policy wants its endpoints weighed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BalanceSettings {
    pub load: LoadSettings,
    pub breaker: Option<BreakerSettings>,
}

/// What every endpoint of the outbound side is made with.
pub struct EndpointSettings {
    pub connector: Arc<Connector>,
    pub pool: PoolSettings,
    /// Addresses of our own pod: no mesh towards them.
    pub local: Vec<IpAddr>,
    pub metrics: Arc<crate::telemetry::metrics::Metrics>,
    /// Between attempts to connect to an endpoint that could not be reached.
    pub backoff: Backoff,
}

impl Endpoint {
    pub fn new(
        spec: EndpointSpec,
        authority: Option<&str>,
        balance: &BalanceSettings,
        settings: &EndpointSettings,
    ) -> Arc<Self> {
        let spec = spec.without_mesh_if_local(&settings.local);
        let metrics = EndpointMetrics::new(&settings.metrics, &spec, authority, &settings.local);
        let mut pool = settings.pool.clone();
        pool.http2.keep_alive = spec.keep_alive.or(pool.http2.keep_alive);
        let connector = Arc::clone(&settings.connector);
        let meters = metrics.meters.clone();
        Arc::new(Self {
            pool: Pool::new(dial(&spec), connector, pool, meters),
            load: Load::new(balance.load),
            breaker: balance.breaker.clone().map(Breaker::new),
            metrics,
            spec,
            is_gone: AtomicBool::new(false),
            health: Mutex::default(),
            backoff: settings.backoff,
        })
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connect_failed(&self) {
        let mut health = self.health();
        let Backoff { min, max, jitter } = self.backoff;
        let delay = min.saturating_mul(1 << health.failures.min(20)).min(max);
        health.failures += 1;
        health.retry_at = Some(Instant::now() + delay + delay.mul_f64(jitter * chance()));
    }

    pub fn connected(&self) {
        let mut health = self.health();
        if health.failures > 0 {
            *health = Health::default();
        }
    }

    pub(super) fn is_available(&self) -> bool {
        let now = Instant::now();
        let is_closed = self.breaker.as_ref().is_none_or(|b| b.is_available(now));
        is_closed && self.health().retry_at.is_none_or(|at| at <= now)
    }

    fn retry_at(&self) -> Option<Instant> {
        let ejected_until = self.breaker.as_ref().and_then(|b| b.retry_at());
        self.health().retry_at.max(ejected_until)
    }

    /// Asked before each request; the permit is told how it ended.
    pub fn admit(&self) -> Result<Option<Permit>, Ejected> {
        match &self.breaker {
            Some(breaker) => breaker.admit(Instant::now()).map(Some).ok_or(Ejected),
            None => Ok(None),
        }
    }

    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// HTTP/1 may travel inside HTTP/2.
    pub fn takes_http2(&self) -> bool {
        self.spec.hint == Hint::Http2
    }

    fn remove(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
        self.pool.close();
    }
}

fn dial(spec: &EndpointSpec) -> Dial {
    let port = spec.address.port();
    let transport = spec.transport_port.filter(|_| spec.peer.is_some());
    Dial {
        address: SocketAddr::new(spec.address.ip(), transport.unwrap_or(port)),
        peer: spec.peer.clone(),
        header: transport.map(|_| TransportHeader {
            port,
            name: None,
            protocol: None,
        }),
    }
}

/// None: destination has not answered yet.
type Snapshot = Option<Arc<[Arc<Endpoint>]>>;

/// The endpoints of one authority. Its stream ends when it is dropped.
pub struct Balancer {
    set: Arc<EndpointSet>,
    /// Those that somebody holds.
    queues: Mutex<Vec<Weak<Queue>>>,
    following: tokio::task::AbortHandle,
}

/// Two candidates are enough to avoid the loaded one without looking at all.
fn pick(set: &[Arc<Endpoint>]) -> Option<&Arc<Endpoint>> {
    match set {
        [] => return None,
        [only] => return only.is_available().then_some(only),
        _ => {}
    }
    let now = Instant::now();
    let start = (chance() * set.len() as f64) as usize;
    let other = start + 1 + (chance() * (set.len() - 1) as f64) as usize;
    let first = nth_available(set, start)?;
    let second = nth_available(set, other % set.len())?;
    let cost = |e: &Endpoint| e.load.cost(now) / f64::from(e.spec.weight.max(1));
    Some(if cost(second) < cost(first) {
        second
    } else {
        first
    })
}

/// From `start` on, around the end.
fn nth_available(set: &[Arc<Endpoint>], start: usize) -> Option<&Arc<Endpoint>> {
    let (before, from) = set.split_at(start.min(set.len()));
    from.iter().chain(before).find(|e| e.is_available())
}

struct EndpointSet {
    authority: Arc<str>,
    balance: BalanceSettings,
    settings: Arc<EndpointSettings>,
    endpoints: watch::Sender<Snapshot>,
    updates: Updates,
}

/// What a balancer is made with, besides its authority.
pub struct BalancerSettings {
    pub endpoint: Arc<EndpointSettings>,
    pub channel: Channel,
    pub context: String,
    pub limits: StreamLimits,
}

impl Balancer {
    pub fn new(authority: Arc<str>, balance: BalanceSettings, settings: &BalancerSettings) -> Self {
        let set = Arc::new(EndpointSet {
            authority: Arc::clone(&authority),
            balance,
            settings: Arc::clone(&settings.endpoint),
            endpoints: watch::Sender::new(None),
            updates: Updates::default(),
        });
        let channel = settings.channel.clone();
        let (context, limits) = (settings.context.clone(), settings.limits);
        let updated = Arc::clone(&set);
        let following = tokio::spawn(async move {
            let open = || get(&channel, &authority, &context);
            let apply = |event| {
                updated.apply(event);
                ControlFlow::Continue(())
            };
            follow(limits, open, apply).await;
        });
        Self {
            set,
            queues: Mutex::default(),
            following: following.abort_handle(),
        }
    }

    pub fn authority(&self) -> &Arc<str> {
        &self.set.authority
    }

    /// The better of two by chance, among those that can be reached.
    pub fn pick(&self) -> Option<Arc<Endpoint>> {
        let set = self.set.endpoints.borrow();
        pick(set.as_deref()?).cloned()
    }

    /// When the first endpoint that is left alone may be tried again.
    pub fn next_retry(&self) -> Option<Instant> {
        let set = self.set.endpoints.borrow();
        set.iter()
            .flat_map(|set| set.iter())
            .filter_map(|e| e.retry_at())
            .min()
    }

    pub fn metrics(&self) -> &Metrics {
        &self.set.settings.metrics
    }

    pub fn updates(&self) -> &Updates {
        &self.set.updates
    }

    /// One for each that asks, whichever its policy is.
    fn queue(self: &Arc<Self>, spec: QueueSpec) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.retain(|queue| queue.strong_count() > 0);
        let known = queues.iter().filter_map(Weak::upgrade);
        if let Some(known) = known.into_iter().find(|queue| *queue.spec() == spec) {
            return known;
        }
        let queue = Arc::new(Queue::new(Arc::clone(self), spec));
        queues.push(Arc::downgrade(&queue));
        queue
    }

    pub fn snapshot(&self) -> Option<Arc<[Arc<Endpoint>]>> {
        self.set.endpoints.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<Option<Arc<[Arc<Endpoint>]>>> {
        self.set.endpoints.subscribe()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl EndpointSet {
    fn apply(&self, event: Event<pb::Update>) {
        let (update, is_first) = match event {
            Event::Message { message, is_first } => (message, is_first),
            Event::Failed(status) => {
                tracing::debug!(authority = %self.authority, %status, "Endpoints are not updated");
                return;
            }
        };
        let Some(change) = change(update) else {
            return;
        };
        let before = self.endpoints.borrow().clone();
        let known = before.iter().flat_map(|set| set.iter());
        let known = known.map(|e| (e.spec.address, Arc::clone(e))).collect();
        let update = match &change {
            _ if is_first => Update::Reset,
            Change::Clear => Update::Reset,
            Change::Add(_) => Update::Add,
            Change::Remove(_) => Update::Remove,
        };
        let (now, changes) = self.changed(known, change, is_first);
        match update {
            Update::Reset => self.updates.count(update, changes.min(1)),
            _ => self.updates.count(update, changes),
        }
        let set: Arc<[Arc<Endpoint>]> = now.into_values().collect();
        tracing::debug!(authority = %self.authority, endpoints = set.len(), "Endpoints changed");
        self.endpoints.send_replace(Some(set));
    }

    /// The first update of a stream tells all; whoever it leaves out is gone. The number is of endpoints that came,
    /// changed or went.
    fn changed(
        &self,
        mut old: BTreeMap<SocketAddr, Arc<Endpoint>>,
        change: Change,
        is_first: bool,
    ) -> (BTreeMap<SocketAddr, Arc<Endpoint>>, usize) {
        let mut now = BTreeMap::new();
        let mut changes = 0;
        if !is_first && !matches!(change, Change::Clear) {
            now = std::mem::take(&mut old);
        }
        match change {
            Change::Clear => {}
            Change::Remove(addresses) => {
                for address in addresses {
                    old.extend(now.remove_entry(&address));
                }
            }
            Change::Add(specs) => {
                for spec in specs {
                    let address = spec.address;
                    let known = old.remove(&address).or_else(|| now.remove(&address));
                    let wanted = spec.clone().without_mesh_if_local(&self.settings.local);
                    let endpoint = match known {
                        Some(known) if known.spec == wanted => known,
                        replaced => {
                            changes += 1;
                            if let Some(replaced) = replaced {
                                replaced.remove();
                            }
                            {
                                let authority = Some(&*self.authority);
                                Endpoint::new(spec, authority, &self.balance, &self.settings)
                            }
                        }
                    };
                    now.insert(address, endpoint);
                }
            }
        }
        changes += old.len();
        for gone in old.into_values() {
            gone.remove();
        }
        (now, changes)
    }
}

fn get(channel: &Channel, authority: &str, context: &str) -> grpc::Opening<pb::Update> {
    let request = pb::GetDestination {
        scheme: String::new(),
        path: authority.to_string(),
        context_token: context.to_string(),
    };
    let method = "/io.linkerd.proxy.destination.Destination/Get";
    grpc::open(channel, method, request)
}

/// Where a rule sends requests: resolved once per policy.
pub struct Backend {
    pub reference: Arc<Reference>,
    /// How long a request may wait for an endpoint.
    pub failfast: Duration,
    /// How many may.
    pub capacity: usize,
    pub target: Target,
}

impl Backend {
    /// One of its endpoints answered: it is worth waiting for again.
    pub fn reached(&self) {
        if let Target::Balance(queue) = &self.target {
            queue.line().open();
        }
    }
}

pub enum Target {
    Balance(Arc<Queue>),
    Forward(Arc<Endpoint>),
    /// The backend is not there; requests fail.
    None,
}

/// Makes backends live; balancers are shared by authority.
pub struct Backends {
    balancers: Arc<crate::control::cache::Cache<(Arc<str>, String), Balancer>>,
    settings: Arc<BalancerSettings>,
}

impl Backends {
    pub fn new(settings: Arc<BalancerSettings>, idle: Duration) -> Self {
        Self {
            balancers: crate::control::cache::Cache::new(idle),
            settings,
        }
    }

    pub fn settings(&self) -> &EndpointSettings {
        &self.settings.endpoint
    }

    pub fn resolve(&self, parent: &Arc<Reference>, spec: BackendSpec) -> Arc<Backend> {
        let target = match spec.target {
            BackendTarget::None => Target::None,
            BackendTarget::Forward(endpoint) => Target::Forward(Endpoint::new(
                *endpoint,
                None,
                &BalanceSettings::default(),
                self.settings(),
            )),
            BackendTarget::Balance {
                authority,
                default_rtt,
                decay,
                accrual,
            } => {
                let balance = BalanceSettings {
                    load: LoadSettings { default_rtt, decay },
                    breaker: accrual,
                };
                // Policies that differ in how they weigh endpoints do not share them.
                let key = (Arc::clone(&authority), format!("{balance:?}"));
                let make = || Balancer::new(authority, balance, &self.settings);
                let balancer = self.balancers.get_or_insert(&key, make);
                let queue = balancer.queue(QueueSpec {
                    parent: Arc::clone(parent),
                    backend: Arc::clone(&spec.reference),
                    carried: spec.carried,
                });
                queue.set_failfast(spec.queue.failfast);
                Target::Balance(queue)
            }
        };
        Arc::new(Backend {
            reference: spec.reference,
            failfast: spec.queue.failfast,
            capacity: spec.queue.capacity,
            target,
        })
    }
}
