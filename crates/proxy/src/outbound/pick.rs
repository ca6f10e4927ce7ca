//! Chooses the backend of a rule, and the endpoint of a backend, waiting a while if none is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::balance::endpoints::{Backend, Endpoint, Target};
use crate::balance::queue::Queue;
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
        Target::Balance(queue) => queue.balancer.snapshot().is_none_or(|set| !set.is_empty()),
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

/// Waits for an endpoint until `deadline`, unless others have already waited in vain.
pub async fn endpoint(backend: &Backend, deadline: Instant) -> Result<Arc<Endpoint>, Fault> {
    match &backend.target {
        Target::Forward(endpoint) => Ok(Arc::clone(endpoint)),
        Target::None => Err(no_backend(backend)),
        Target::Balance(queue) => match queue.balancer.pick() {
            Some(endpoint) => {
                queue.line().passed();
                Ok(endpoint)
            }
            None if queue.line().is_shut() => Err(failfast(queue)),
            None => {
                let turn = queue.line().enter(backend.capacity);
                let _turn = turn.map_err(|before| full(queue, before))?;
                wait(queue, deadline).await
            }
        },
    }
}

fn full(queue: &Queue, before: usize) -> Fault {
    Fault::unavailable(format!(
        "service unavailable: {before} requests already wait for an endpoint of {}",
        queue.balancer.authority()
    ))
}

async fn wait(queue: &Arc<Queue>, deadline: Instant) -> Result<Arc<Endpoint>, Fault> {
    let balancer = &queue.balancer;
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
            return Err(gave_up(queue));
        }
    }
}

/// Nobody was reached in time: from now on nobody waits.
pub fn gave_up(queue: &Arc<Queue>) -> Fault {
    queue.line().shut();
    failfast(queue)
}

fn failfast(queue: &Queue) -> Fault {
    let balancer = &queue.balancer;
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
