//! The queue in front of a backend's balancer: one for all that a parent sends the backend by one protocol.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::endpoints::Balancer;
use super::line::Line;
use crate::control::policy::outbound::Carried;
use crate::route::select::Reference;
use crate::telemetry::labels::Labels;
use crate::telemetry::metrics::{BalancerFamilies, Balancing, Now, OutboundFamilies};

/// What tells the queues of one balancer apart.
#[derive(Clone, PartialEq)]
pub struct QueueSpec {
    pub parent: Arc<Reference>,
    pub backend: Arc<Reference>,
    pub carried: Carried,
}

pub struct Queue {
    pub balancer: Arc<Balancer>,
    spec: QueueSpec,
    /// Microseconds that one may wait, by the newest policy.
    failfast: AtomicU64,
    /// Made when it is first asked for an endpoint.
    line: OnceLock<Line>,
}

impl Queue {
    pub fn new(balancer: Arc<Balancer>, spec: QueueSpec) -> Self {
        Self {
            balancer,
            spec,
            failfast: AtomicU64::new(0),
            line: OnceLock::new(),
        }
    }

    pub fn spec(&self) -> &QueueSpec {
        &self.spec
    }

    pub fn line(self: &Arc<Self>) -> &Line {
        self.line.get_or_init(|| {
            let labels = Labels::new()
                .referred("parent_", self.spec.parent.referred())
                .referred("backend_", self.spec.backend.referred());
            let source = Arc::downgrade(self) as Weak<dyn Balancing>;
            let families = families(&self.balancer.metrics().outbound, self.spec.carried);
            let row = families.row(labels.fitted(), source);
            self.balancer.updates().tell(row.sums());
            Line::new(row)
        })
    }

    pub fn set_failfast(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.failfast.store(limit, Relaxed);
    }
}

impl Balancing for Queue {
    fn now(&self) -> Option<Now> {
        let set = self.balancer.snapshot();
        let all = set.as_ref().map_or(0, |set| set.len());
        let ready = set.iter().flat_map(|set| set.iter());
        let ready = ready.filter(|endpoint| endpoint.is_available()).count();
        let line = self.line.get()?;
        let failfast = Duration::from_micros(self.failfast.load(Relaxed));
        Some(line.now(ready, all - ready, failfast))
    }
}

fn families(outbound: &OutboundFamilies, carried: Carried) -> &BalancerFamilies {
    match carried {
        Carried::Http => &outbound.http_balancer,
        Carried::Opaque => &outbound.tcp_balancer,
        Carried::Tls => &outbound.tls_balancer,
    }
}
