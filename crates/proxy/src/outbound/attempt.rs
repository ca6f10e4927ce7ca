//! One request to one endpoint, and who is told how it went: metrics, the breaker, a tap.

use std::time::Duration;

use http::Response;
use tokio::time::Instant;

use crate::balance::breaker::Permit;
use crate::balance::endpoints::Endpoint;
use crate::balance::load::Pending;
use crate::connect::pool::{Lease, SendError};
use crate::control::stream::chance;
use crate::exchange::body::Body;
use crate::exchange::finish::Finish;
use crate::tap::Tapped;
use crate::telemetry::metrics::Class;

pub struct Attempt<'a> {
    pub endpoint: &'a Endpoint,
    pub started: Instant,
    pub pending: Pending,
    pub permit: Option<Permit>,
    pub tapped: Option<Tapped>,
}

impl Attempt<'_> {
    pub fn sent<T>(&mut self, sent: Result<T, SendError>) -> Result<T, SendError> {
        match &sent {
            Ok(_) => self.endpoint.connected(),
            Err(SendError::Failed(_) | SendError::Coding(_) | SendError::TimedOut(_)) => {
                let metrics = self.endpoint.metrics.http();
                let error = Some("unclassified");
                metrics.response(None, Class::Failure, None, error, Duration::ZERO);
                if let Some(permit) = self.permit.take() {
                    permit.settle(false, Instant::now(), chance());
                }
            }
            Err(SendError::NotSent { .. }) => {}
        }
        sent
    }

    pub fn finish(self, response: Response<Body>, mut lease: Option<Lease>) -> Response<Body> {
        use http_body::Body as _;
        self.pending.answered(Instant::now());
        if response.body().is_end_stream()
            && let Some(mut lease) = lease.take()
        {
            lease.give_back();
        }
        let http = self.endpoint.metrics.http();
        let finish = Finish::new(http, &response, self.started, lease, self.pending);
        let finish = Box::new(finish.judged_by(self.permit));
        let response = response.map(|body| body.observed_by(finish));
        match self.tapped {
            Some(mut tapped) => {
                tapped.response(&response);
                response.map(|body| body.also_observed_by(Box::new(tapped)))
            }
            None => response,
        }
    }
}
