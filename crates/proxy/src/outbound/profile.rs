//! The routes of a ServiceProfile at work: counted, timed and retried within its budget.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use crate::control::profile::{Profile, ProfileRoute};
use crate::exchange::body::{Body, BodyError, Observer};
use crate::exchange::classify::{grpc_status, is_failure};
use crate::route::budget::Budget;
use crate::telemetry::labels::{Direction, Labels};
use crate::telemetry::metrics::{Class, Counter, HttpEndpointMetrics, Metrics};

pub struct LiveProfile {
    pub routes: Vec<Arc<LiveRoute>>,
    pub budget: Budget,
}

pub struct LiveRoute {
    route: ProfileRoute,
    /// As tap shows them.
    labels: BTreeMap<String, String>,
    /// One per request.
    logical: Arc<HttpEndpointMetrics>,
    /// One per try.
    actual: Arc<HttpEndpointMetrics>,
    over_budget: Arc<Counter>,
    retried: Arc<Counter>,
}

impl LiveProfile {
    pub fn new(profile: Profile, port: u16, metrics: &Metrics) -> Self {
        let authority = format!("{}:{port}", profile.name);
        let routes = profile.routes.into_iter();
        let routes = routes.map(|route| Arc::new(LiveRoute::new(route, &authority, metrics)));
        Self {
            routes: routes.collect(),
            budget: Budget::new(profile.budget),
        }
    }

    /// In the order that they are written; the first wins.
    pub fn select(&self, request: &Parts) -> Option<&Arc<LiveRoute>> {
        let (method, path) = (&request.method, request.uri.path());
        let mut routes = self.routes.iter();
        routes.find(|live| live.route.condition.matches(method, path))
    }
}

/// The route that a request matched, and the budget it shares.
#[derive(Clone)]
pub struct Profiled<'a> {
    pub route: Arc<LiveRoute>,
    pub budget: &'a Budget,
}

impl<'a> Profiled<'a> {
    pub fn select(profile: &'a LiveProfile, request: &Parts) -> Option<Self> {
        Some(Self {
            route: Arc::clone(profile.select(request)?),
            budget: &profile.budget,
        })
    }

    pub fn started(&self) {
        self.budget.request(Instant::now());
        self.route.logical.request();
    }

    /// Whether the budget allows another try of a failed request.
    pub fn may_retry(&self) -> bool {
        let allowed = self.budget.withdraw(Instant::now());
        match allowed {
            true => self.route.retried.increment(),
            false => self.route.over_budget.increment(),
        }
        allowed
    }
}

impl LiveRoute {
    fn new(route: ProfileRoute, authority: &str, metrics: &Metrics) -> Self {
        let mut labels = Labels::new()
            .direction(Direction::Outbound)
            .with("dst", authority);
        for (key, value) in &route.labels {
            labels = labels.with(&format!("rt_{key}"), value);
        }
        let over_budget = labels.clone().with("skipped", "no_budget");
        Self {
            labels: route.labels.iter().cloned().collect(),
            route,
            logical: metrics.profile_route(labels.clone()),
            actual: metrics.profile_attempt(labels.clone()),
            over_budget: metrics.profile_retryable.get(&over_budget),
            retried: metrics.profile_retryable.get(&labels),
        }
    }

    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    pub fn timeout(&self) -> Option<Duration> {
        self.route.timeout
    }

    pub fn is_retryable(&self) -> bool {
        self.route.is_retryable
    }

    pub fn is_failure(&self, status: StatusCode, code: Option<u32>) -> bool {
        let said = self.route.is_failure(status);
        said.unwrap_or_else(|| is_failure(status, code))
    }

    pub fn attempt(&self) {
        self.actual.request();
    }

    pub fn attempted(&self, status: Option<StatusCode>, is_failure: bool) {
        let class = class(is_failure);
        let status = status.map(|status| status.as_u16());
        self.actual
            .response(status, class, None, None, Duration::ZERO);
    }

    pub fn failed(&self, started: Instant) {
        let latency = started.elapsed();
        self.logical
            .response(None, Class::Failure, None, None, latency);
    }
}

fn class(is_failure: bool) -> Class {
    match is_failure {
        true => Class::Failure,
        false => Class::Success,
    }
}

/// Counts the route's request when its response ended.
struct Finish {
    route: Arc<LiveRoute>,
    started: Instant,
    latency: Option<Duration>,
    status: StatusCode,
    code: Option<u32>,
    has_failed: bool,
}

/// The response, watched on behalf of its route.
pub fn observe(
    route: &Arc<LiveRoute>,
    response: Response<Body>,
    started: Instant,
) -> Response<Body> {
    let finish = Finish {
        route: Arc::clone(route),
        started,
        latency: None,
        status: response.status(),
        code: grpc_status(response.headers()),
        has_failed: false,
    };
    response.map(|body| body.also_observed_by(Box::new(finish)))
}

impl Observer for Finish {
    fn data(&mut self, _length: usize) {
        if self.latency.is_none() {
            self.latency = Some(self.started.elapsed());
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.code = grpc_status(trailers).or(self.code);
    }

    fn failed(&mut self, _error: &BodyError) {
        self.has_failed = true;
    }
}

impl Drop for Finish {
    fn drop(&mut self) {
        let said = self.route.route.is_failure(self.status);
        let is_failure = said.unwrap_or_else(|| is_failure(self.status, self.code));
        let class = class(is_failure || self.has_failed);
        let latency = self.latency.unwrap_or_else(|| self.started.elapsed());
        let status = Some(self.status.as_u16());
        let logical = &self.route.logical;
        logical.response(status, class, self.code, None, latency);
    }
}
