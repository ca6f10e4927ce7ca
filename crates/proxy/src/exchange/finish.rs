//! Follows a response to its end: counts it and frees what it held.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};
use tokio::time::Instant;

use super::body::{BodyError, Observer};
use super::classify::{grpc_status, is_failure, is_grpc};
use crate::balance::breaker::Permit;
use crate::connect::pool::Lease;
use crate::control::stream::chance;
use crate::telemetry::metrics::{Class, HttpEndpointMetrics};

/// `G` sees what the response does too, and is held until it ended: the outbound side's share of an endpoint's load,
/// the inbound side's rows of its route.
pub struct Finish<G> {
    metrics: Arc<HttpEndpointMetrics>,
    started: Instant,
    status: StatusCode,
    is_grpc: bool,
    code: Option<u32>,
    latency: Option<Duration>,
    error: Option<&'static str>,
    lease: Option<Lease>,
    permit: Option<Permit>,
    held: G,
}

impl<G> Finish<G> {
    pub fn new<B>(
        metrics: &Arc<HttpEndpointMetrics>,
        response: &Response<B>,
        started: Instant,
        lease: Option<Lease>,
        held: G,
    ) -> Self {
        let is_grpc = is_grpc(response.headers());
        Self {
            metrics: Arc::clone(metrics),
            started,
            status: response.status(),
            is_grpc,
            code: is_grpc.then(|| grpc_status(response.headers())).flatten(),
            latency: None,
            error: None,
            lease,
            permit: None,
            held,
        }
    }

    /// Tells the endpoint's breaker how it ended.
    pub fn judged_by(mut self, permit: Option<Permit>) -> Self {
        self.permit = permit;
        self
    }
}

impl<G: Observer> Observer for Finish<G> {
    fn data(&mut self, length: usize) {
        self.held.data(length);
        if self.latency.is_none() {
            self.latency = Some(self.started.elapsed());
        }
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.held.trailers(trailers);
        if self.is_grpc {
            self.code = grpc_status(trailers).or(self.code);
        }
    }

    fn failed(&mut self, error: &BodyError) {
        self.lease = None;
        self.error = Some(match error {
            BodyError::TimedOut(_) => "timeout",
            BodyError::Http(_) | BodyError::Http2(_) => "unclassified",
        });
    }

    fn ended(&mut self) {
        if let Some(mut lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl<G> Drop for Finish<G> {
    fn drop(&mut self) {
        let latency = self.latency.unwrap_or_else(|| self.started.elapsed());
        let class = match self.error.is_some() || is_failure(self.status, self.code) {
            true => Class::Failure,
            false => Class::Success,
        };
        if let Some(permit) = self.permit.take() {
            let is_success = class == Class::Success;
            permit.settle(is_success, Instant::now(), chance());
        }
        // A gRPC response without a status is shown as UNKNOWN, though it is no failure.
        let code = self.code.or(self.is_grpc.then_some(2));
        let status = Some(self.status.as_u16());
        self.metrics
            .response(status, class, code, self.error, latency);
    }
}
