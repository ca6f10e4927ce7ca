//! Chooses the backend of a rule, and the endpoint of a backend, waiting a while if none is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::endpoints::{Backend, Balancer, Endpoint, Target};
use crate::control::policy::outbound::{Distribution, RouteBackend};
use crate::control::stream::chance;
use crate::exchange::respond::Fault;

const PROBE_AGAIN_AFTER: Duration = Duration::from_millis(10);

type Backends = Distribution<Arc<Backend>>;

/// None: the rule has no backend that could answer.
pub fn backend(distribution: &Backends) -> Option<&RouteBackend<Arc<Backend>>> {
    match distribution {
        Distribution::Empty => None,
        Distribution::First(backends) => backends
            .iter()
            .find(|b| has_endpoints(&b.backend))
            .or(backends.first()),
        Distribution::Random(backends) => weighted(backends),
    }
}

fn has_endpoints(backend: &Backend) -> bool {
    match &backend.target {
        Target::Balance(balancer) => balancer.snapshot().is_none_or(|set| !set.is_empty()),
        Target::Forward(_) => true,
        Target::None => false,
    }
}

/// A backend that does not exist keeps its share, which fails, as the Gateway API asks.
fn weighted(backends: &[RouteBackend<Arc<Backend>>]) -> Option<&RouteBackend<Arc<Backend>>> {
    let total: u64 = backends.iter().map(|b| u64::from(b.weight)).sum();
    let mut point = (chance() * total as f64) as u64;
    backends.iter().find(|b| {
        let weight = u64::from(b.weight);
        let is_hit = point < weight;
        point = point.saturating_sub(weight);
        is_hit
    })
}

/// Waits for an endpoint until `deadline`, unless the balancer has already made others wait in vain.
pub async fn endpoint(backend: &Backend, deadline: Instant) -> Result<Arc<Endpoint>, Fault> {
    match &backend.target {
        Target::Forward(endpoint) => Ok(Arc::clone(endpoint)),
        Target::None => Err(no_backend(backend)),
        Target::Balance(balancer) => match balancer.pick() {
            Some(endpoint) => Ok(endpoint),
            None if balancer.is_failing_fast() => Err(failfast(balancer)),
            None => {
                let _turn = Turn::take(backend, balancer)?;
                wait(balancer, deadline).await
            }
        },
    }
}

/// A place among those that wait for an endpoint of a backend.
struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    fn take(backend: &'a Backend, balancer: &Balancer) -> Result<Self, Fault> {
        let before = backend.waiting.fetch_add(1, Relaxed);
        let turn = Self(&backend.waiting);
        match before < backend.capacity {
            true => Ok(turn),
            false => Err(Fault::unavailable(format!(
                "service unavailable: {before} requests already wait for an endpoint of {}",
                balancer.authority()
            ))),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

async fn wait(balancer: &Balancer, deadline: Instant) -> Result<Arc<Endpoint>, Fault> {
    let mut changes = balancer.watch();
    loop {
        if let Some(endpoint) = balancer.pick() {
            return Ok(endpoint);
        }
        // While another request probes an ejected endpoint, its time has come but not its turn.
        let soon = Instant::now() + PROBE_AGAIN_AFTER;
        let retry = balancer.next_retry();
        let retry = retry.map_or(deadline, |at| at.max(soon).min(deadline));
        let changed = tokio::time::timeout_at(retry, changes.changed()).await;
        if changed.is_err() && Instant::now() >= deadline {
            return Err(gave_up(balancer));
        }
    }
}

/// Nobody was reached in time: from now on nobody waits.
pub fn gave_up(balancer: &Balancer) -> Fault {
    balancer.fail_fast();
    failfast(balancer)
}

fn failfast(balancer: &Balancer) -> Fault {
    let authority = balancer.authority();
    let known = match balancer.snapshot() {
        None => "destination has not answered".to_string(),
        Some(set) if set.is_empty() => "it has no endpoints".to_string(),
        Some(set) => format!("none of its {} endpoints can be reached", set.len()),
    };
    Fault::failfast(format!("service in fail-fast: {authority}: {known}"))
}

fn no_backend(backend: &Backend) -> Fault {
    let name = &backend.reference.name;
    Fault::invalid_policy(format!("the route's backend {name} does not exist"))
}
