//! The rows of one route and backend, for one connection: what was asked, how it ended, how long it took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Response, StatusCode};

use super::discover::LivePolicy;
use crate::balance::endpoints::Backend;
use crate::control::policy::outbound::RouteBackend;
use crate::exchange::body::{Body, BodyError, Observer};
use crate::exchange::respond::Fault;
use crate::route::select::Reference;
use crate::telemetry::labels::{Labels, Named, Referred};
use crate::telemetry::metrics::{Counter, Histogram, Metrics};

/// The outcomes of a label set: few, so that a scan beats a map.
type Few = Mutex<Vec<(Outcome, Arc<Counter>)>>;

#[derive(Clone, Copy, PartialEq, Eq)]
struct Outcome {
    status: Option<StatusCode>,
    error: &'static str,
}

pub struct Rows {
    metrics: Arc<Metrics>,
    by_route: Labels,
    by_backend: Labels,
    route_statuses: Few,
    backend_statuses: Few,
    duration: Arc<Histogram>,
    backend_requests: Arc<Counter>,
    backend_duration: Arc<Histogram>,
}

impl Rows {
    pub fn new(
        metrics: &Arc<Metrics>,
        parent: &Reference,
        route: &Reference,
        backend: &Backend,
    ) -> Arc<Self> {
        let named = Named {
            group: &route.group,
            kind: &route.kind,
            name: &route.name,
        };
        let by_route = Labels::new()
            .referred("parent_", referred(parent))
            .outbound_route(named, &route.namespace);
        let by_backend = by_route.clone();
        let by_backend = by_backend.referred("backend_", referred(&backend.reference));
        let families = &metrics.outbound.http;
        let shown = by_route.clone().with("hostname", "");
        Arc::new(Self {
            duration: families.request_duration.get(&shown),
            backend_requests: families.backend_requests.get(&by_backend),
            backend_duration: families.backend_response_duration.get(&by_backend),
            metrics: Arc::clone(metrics),
            by_route: shown,
            by_backend,
            route_statuses: Few::default(),
            backend_statuses: Few::default(),
        })
    }

    /// One attempt begins.
    pub fn attempt(&self) {
        self.backend_requests.increment();
    }

    /// One attempt was answered, or failed.
    pub fn attempted(&self, outcome: Result<StatusCode, &Fault>, after: Duration) {
        self.backend_duration.observe_time(after);
        let family = &self.metrics.outbound.http.backend_response_statuses;
        let make = |outcome: Outcome| family.get(&outcome.labels(&self.by_backend));
        count(&self.backend_statuses, Outcome::of(outcome), make);
    }

    /// The request's answer, retries included, to the end of its stream.
    pub fn follow(
        self: Arc<Self>,
        answer: Result<Response<Body>, Fault>,
        started: Instant,
    ) -> Result<Response<Body>, Fault> {
        let response = answer.inspect_err(|fault| {
            self.ended(Outcome::of(Err(fault)), started.elapsed());
        })?;
        let following = Following {
            started,
            status: response.status(),
            error: "",
            rows: self,
        };
        Ok(response.map(|body| body.also_observed_by(Box::new(following))))
    }

    fn ended(&self, outcome: Outcome, after: Duration) {
        self.duration.observe_time(after);
        let family = &self.metrics.outbound.http.request_statuses;
        let make = |outcome: Outcome| family.get(&outcome.labels(&self.by_route));
        count(&self.route_statuses, outcome, make);
    }
}

fn referred(to: &Reference) -> Referred<'_> {
    Referred {
        group: &to.group,
        kind: &to.kind,
        namespace: &to.namespace,
        name: &to.name,
        port: to.port.unwrap_or_default(),
        section: &to.section,
    }
}

fn count(known: &Few, outcome: Outcome, make: impl FnOnce(Outcome) -> Arc<Counter>) {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, counter)) = known.iter().find(|(seen, _)| *seen == outcome) {
        counter.increment();
        return;
    }
    let counter = make(outcome);
    counter.increment();
    known.push((outcome, counter));
}

impl Outcome {
    fn of(outcome: Result<StatusCode, &Fault>) -> Self {
        match outcome {
            Ok(status) => Self {
                status: Some(status),
                error: "",
            },
            Err(fault) => Self {
                status: None,
                error: match fault.label {
                    "failfast" => "FAIL_FAST",
                    "loadshed" => "LOAD_SHED",
                    "response timeout" => "REQUEST_TIMEOUT",
                    "i/o" => "IO",
                    _ => "UNKNOWN",
                },
            },
        }
    }

    fn labels(self, base: &Labels) -> Labels {
        let status = self.status.map(|status| status.as_str().to_string());
        let labels = base.clone();
        let labels = labels.with("http_status", &status.unwrap_or_default());
        labels.with("error", self.error)
    }
}

/// Follows an answered request to the end of its stream.
struct Following {
    rows: Arc<Rows>,
    started: Instant,
    status: StatusCode,
    error: &'static str,
}

impl Observer for Following {
    fn failed(&mut self, error: &BodyError) {
        self.error = match error {
            BodyError::TimedOut => "RESPONSE_STREAM_TIMEOUT",
            BodyError::Http(_) => "RESET",
        };
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let outcome = Outcome {
            status: Some(self.status),
            error: self.error,
        };
        self.rows.ended(outcome, self.started.elapsed());
    }
}

/// The rows that one connection has used, as long as the policy is the same.
#[derive(Default)]
pub struct Used {
    /// Held, so that its backends are told apart by where they are.
    policy: Option<Arc<LivePolicy>>,
    rows: Vec<(usize, Arc<Rows>)>,
}

impl Used {
    pub fn get(
        &mut self,
        policy: &Arc<LivePolicy>,
        backend: &RouteBackend<Arc<Backend>>,
        make: impl FnOnce() -> Arc<Rows>,
    ) -> Arc<Rows> {
        if !self.policy.as_ref().is_some_and(|p| Arc::ptr_eq(p, policy)) {
            self.policy = Some(Arc::clone(policy));
            self.rows.clear();
        }
        let place = std::ptr::from_ref(backend).addr();
        if let Some((_, rows)) = self.rows.iter().find(|(known, _)| *known == place) {
            return Arc::clone(rows);
        }
        let rows = make();
        self.rows.push((place, Arc::clone(&rows)));
        rows
    }
}
