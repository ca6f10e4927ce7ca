//! The rows of one route and backend, for one connection: what was asked, how it ended, how long it took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use crate::balance::endpoints::Backend;
use crate::control::policy::outbound::RouteBackend;
use crate::exchange::body::{Body, BodyError, Observer};
use crate::exchange::classify::{grpc_name, grpc_status};
use crate::exchange::limits::Over;
use crate::exchange::respond::Fault;
use crate::route::select::Reference;
use crate::telemetry::labels::{Labels, Named};
use crate::telemetry::metrics::{Counter, Few, Histogram, Metrics, RouteFamilies};

#[derive(Clone, Copy, PartialEq, Eq)]
struct Outcome {
    ended: Ended,
    error: &'static str,
}

/// What a request ended with: an HTTP status, or on gRPC's routes a code; none before its head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Http(Option<StatusCode>),
    Grpc(Option<u32>),
}

pub struct Rows {
    metrics: Arc<Metrics>,
    is_grpc: bool,
    by_route: Labels,
    by_backend: Labels,
    route_statuses: Few<Outcome>,
    backend_statuses: Few<Outcome>,
    duration: Arc<Histogram>,
    backend_requests: Arc<Counter>,
    backend_duration: Arc<Histogram>,
    request_frames: Arc<Histogram>,
    response_frames: Arc<Histogram>,
}

impl Rows {
    pub fn new(
        metrics: &Arc<Metrics>,
        parent: &Reference,
        route: &Reference,
        backend: &Backend,
        is_grpc: bool,
    ) -> Arc<Self> {
        let named = Named {
            group: &route.group,
            kind: &route.kind,
            name: &route.name,
        };
        let by_route = Labels::new()
            .referred("parent_", parent.referred())
            .outbound_route(named, &route.namespace);
        let by_backend = by_route
            .clone()
            .referred("backend_", backend.reference.referred());
        let families = families(metrics, is_grpc);
        let shown = by_route.clone().with("hostname", "");
        Arc::new(Self {
            duration: families.request_duration.get(&shown),
            backend_requests: families.backend_requests.get(&by_backend),
            backend_duration: families.backend_response_duration.get(&by_backend),
            request_frames: families.request_frames.get(&by_route),
            response_frames: families.backend_response_frames.get(&by_backend),
            metrics: Arc::clone(metrics),
            is_grpc,
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

    /// One attempt was answered, or failed. A gRPC answer is counted when its trailers came.
    pub fn attempted(
        self: &Arc<Self>,
        answer: Result<Response<Body>, Fault>,
        started: Instant,
    ) -> Result<Response<Body>, Fault> {
        let response = answer.inspect_err(|fault| {
            self.backend_ended(self.fault(fault), started.elapsed());
        })?;
        if !self.is_grpc {
            let outcome = Outcome {
                ended: Ended::Http(Some(response.status())),
                error: "",
            };
            self.backend_ended(outcome, started.elapsed());
            return Ok(response);
        }
        Ok(self.followed(response, started, Whose::Backend))
    }

    fn backend_ended(&self, outcome: Outcome, after: Duration) {
        self.backend_duration.observe_time(after);
        let family = &families(&self.metrics, self.is_grpc).backend_response_statuses;
        let make = || family.get(&outcome.labels(&self.by_backend));
        self.backend_statuses.count(outcome, make);
    }

    /// The request's answer, retries included, to the end of its stream.
    pub fn follow(
        self: Arc<Self>,
        answer: Result<Response<Body>, Fault>,
        started: Instant,
    ) -> Result<Response<Body>, Fault> {
        let response = answer.inspect_err(|fault| {
            self.route_ended(self.fault(fault), started.elapsed());
        })?;
        Ok(self.followed(response, started, Whose::Route))
    }

    fn followed(
        self: &Arc<Self>,
        response: Response<Body>,
        started: Instant,
        whose: Whose,
    ) -> Response<Body> {
        let following = Following {
            rows: Arc::clone(self),
            whose,
            started,
            ended: match self.is_grpc {
                true => Ended::Grpc(grpc_status(response.headers())),
                false => Ended::Http(Some(response.status())),
            },
            error: "",
        };
        response.map(|body| body.also_observed_by(Box::new(following)))
    }

    fn route_ended(&self, outcome: Outcome, after: Duration) {
        self.duration.observe_time(after);
        let family = &families(&self.metrics, self.is_grpc).request_statuses;
        let make = || family.get(&outcome.labels(&self.by_route));
        self.route_statuses.count(outcome, make);
    }

    fn fault(&self, fault: &Fault) -> Outcome {
        Outcome {
            ended: match self.is_grpc {
                true => Ended::Grpc(Some(fault.code)),
                false => Ended::Http(None),
            },
            error: match (fault.over, fault.label) {
                (Some(over), _) => reached(over),
                (None, "failfast") => "FAIL_FAST",
                (None, "loadshed") => "LOAD_SHED",
                (None, "i/o") => "IO",
                (None, _) => "UNKNOWN",
            },
        }
    }

    /// The body that the client sends, if it has one, told of its frames.
    pub fn request_body(&self, body: Body) -> Body {
        use http_body::Body as _;
        match body.is_end_stream() {
            true => body,
            false => body.also_observed_by(Box::new(Frames(Arc::clone(&self.request_frames)))),
        }
    }

    /// What became of a try that was not the first, or could not be followed by another.
    pub fn retry(&self, what: Retried) {
        let families = families(&self.metrics, self.is_grpc);
        let family = match what {
            Retried::Sent => &families.retries,
            Retried::Succeeded => &families.retry_successes,
            Retried::LimitExceeded => &families.retry_limit_exceeded,
            Retried::Overflow => &families.retry_overflow,
        };
        family.get(&self.by_route).increment();
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Retried {
    Sent,
    Succeeded,
    LimitExceeded,
    /// Its body was too large to be kept.
    Overflow,
}

fn reached(limit: Over) -> &'static str {
    match limit {
        Over::Request(_) => "REQUEST_TIMEOUT",
        Over::Head(_) => "RESPONSE_HEADERS_TIMEOUT",
        Over::Response(_) => "RESPONSE_STREAM_TIMEOUT",
        Over::Idle(_) => "IDLE_TIMEOUT",
    }
}

fn families(metrics: &Metrics, is_grpc: bool) -> &RouteFamilies {
    match is_grpc {
        true => &metrics.outbound.grpc,
        false => &metrics.outbound.http,
    }
}

/// Counts the DATA frames of a request.
struct Frames(Arc<Histogram>);

impl Observer for Frames {
    fn data(&mut self, length: usize) {
        self.0.observe(length as u64);
    }
}

impl Outcome {
    fn labels(self, base: &Labels) -> Labels {
        let labels = base.clone();
        let labels = match self.ended {
            Ended::Http(status) => {
                let status = status.map(|status| status.as_str().to_string());
                labels.with("http_status", &status.unwrap_or_default())
            }
            Ended::Grpc(code) => labels.with("grpc_status", code.map_or("", grpc_name)),
        };
        labels.with("error", self.error)
    }
}

/// Which row an answer is counted in when it ended.
enum Whose {
    Route,
    Backend,
}

/// Follows an answer to the end of its stream.
struct Following {
    rows: Arc<Rows>,
    whose: Whose,
    started: Instant,
    ended: Ended,
    error: &'static str,
}

impl Observer for Following {
    fn data(&mut self, length: usize) {
        if matches!(self.whose, Whose::Route) {
            self.rows.response_frames.observe(length as u64);
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        if let Ended::Grpc(code) = &mut self.ended {
            *code = grpc_status(trailers).or(*code);
        }
    }

    fn failed(&mut self, error: &BodyError) {
        self.error = match error {
            BodyError::TimedOut(over) => reached(*over),
            BodyError::Http(_) | BodyError::Http2(_) => "RESET",
        };
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let outcome = Outcome {
            ended: self.ended,
            error: self.error,
        };
        match self.whose {
            Whose::Route => self.rows.route_ended(outcome, self.started.elapsed()),
            Whose::Backend => self.rows.backend_ended(outcome, self.started.elapsed()),
        }
    }
}

/// The rows of one policy, made when first needed. Its backends are told apart by where they are.
#[derive(Default)]
pub struct RowsOfPolicy(Mutex<Vec<(usize, Arc<Rows>)>>);

impl RowsOfPolicy {
    /// `backend` must be of the policy that these are kept with.
    pub fn get(
        &self,
        backend: &RouteBackend<Arc<Backend>>,
        make: impl FnOnce() -> Arc<Rows>,
    ) -> Arc<Rows> {
        let place = std::ptr::from_ref(backend).addr();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.binary_search_by_key(&place, |(place, _)| *place) {
            Ok(found) => Arc::clone(&known[found].1),
            Err(free) => {
                let rows = make();
                known.insert(free, (place, Arc::clone(&rows)));
                rows
            }
        }
    }
}
