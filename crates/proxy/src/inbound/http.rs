//! One inbound request: its route, whether its client may, and the application's answer.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::authorize::{ClientTls, Decision, authorize};
use super::labels::named;
use super::policies::{LivePolicy, PortPolicy};
use super::rate_limit::Exceeded;
use super::rows::Counted;
use crate::admin::Admin;
use crate::connect::pool::{Lease, NotSent, Pool, SendError};
use crate::connect::tcp::ConnectError;
use crate::control::policy::inbound::{HttpRoutes, HttpRule};
use crate::drain::Watch;
use crate::exchange::body::Body;
use crate::exchange::finish::Finish;
use crate::exchange::in_flight::InFlight;
use crate::exchange::prefixed::Prefixed;
use crate::exchange::respond::{Audience, Fault, redirect};
use crate::exchange::serve::{self, HttpSettings};
use crate::exchange::{framing, hygiene, orig_proto, upgrade};
use crate::route::filter::{self, Answer};
use crate::route::select::Selected;
use crate::tap::{NO_LABELS, Seen, Tapped, Taps};
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::labels::{Direction, Labels, NoTls, Tls};
use crate::telemetry::metrics::{Class, Counter, HttpEndpointMetrics, Metrics};

const L5D_CLIENT_ID: HeaderName = HeaderName::from_static("l5d-client-id");

/// What the requests of one client connection share.
pub struct Session {
    pub policy: Arc<PortPolicy>,
    pub client: SocketAddr,
    pub tls: ClientTls,
    /// The application's own address.
    pub target: SocketAddr,
    pub application: Application,
    pub is_http2: bool,
    pub metrics: Arc<Metrics>,
    pub taps: Arc<Taps>,
    pub access_log: Option<AccessLog>,
    pub client_id: Option<HeaderValue>,
    pub verdicts: Mutex<Verdicts>,
    pub in_flight: Arc<InFlight>,
}

/// Who answers.
pub enum Application {
    Dialled(Arc<Pool>),
    /// The proxy's own admin server.
    Admin(Arc<Admin>),
}

/// Decisions hold for a connection as long as the policy does; one per rule, made when first needed.
#[derive(Default)]
pub struct Verdicts {
    policy: Option<Arc<LivePolicy>>,
    by_rule: Vec<Option<Verdict>>,
}

#[derive(Clone)]
enum Verdict {
    Allow {
        requests: Arc<HttpEndpointMetrics>,
        allowed: Arc<Counter>,
    },
    Deny(Arc<Counter>),
}

pub async fn serve<IO>(
    io: Prefixed<IO>,
    session: Arc<Session>,
    settings: HttpSettings,
    mut drain: Watch,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_http2 = session.is_http2;
    let handle = move |request| {
        let session = Arc::clone(&session);
        async move { session.handle(request).await }
    };
    let draining = drain.draining();
    let ended = match is_http2 {
        true => serve::http2(io, handle, &settings, draining).await,
        false => serve::http1(io, handle, &settings, draining).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "Client connection ended");
    }
}

impl Session {
    /// What the client sees, written to the access log when it is through.
    async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let client_id = self.tls.identity().map(|id| id.as_str());
        let log = self.access_log.as_ref();
        let entry = log.map(|log| log.begin(self.client, client_id, &request));
        let response = self.answer(request).await;
        match entry {
            Some(mut entry) => {
                entry.answered(&response);
                response.map(|body| body.also_observed_by(Box::new(entry)))
            }
            None => response,
        }
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let is_meshed = self.tls.identity().is_some();
        // Only a peer's proxy may say that it carries another version.
        let was_carried = self.is_http2 && is_meshed && orig_proto::downgrade(&mut request);
        let audience = Audience::of(&request, is_meshed, is_meshed);
        let admitted = framing::check(&mut request).and_then(|()| self.in_flight.admit());
        let answered = match admitted {
            Ok(_admitted) => self.forward(request, audience).await,
            Err(fault) => Err(fault),
        };
        let mut response = match answered {
            Ok(mut response) => {
                if !is_meshed {
                    hygiene::strip(response.headers_mut());
                }
                response
            }
            Err(fault) => {
                self.report(&fault);
                fault.response(audience)
            }
        };
        if was_carried {
            orig_proto::mark_response(&mut response);
        }
        response
    }

    fn report(&self, fault: &Fault) {
        let is_policy = matches!(
            fault.label,
            "unauthorized" | "route not found" | "ratelimit"
        );
        if !is_policy {
            let labels = Labels::new().target(self.target).with("error", fault.label);
            self.metrics.inbound.http_errors.get(&labels).increment();
        }
        let client = self.client;
        tracing::info!(%client, target = %self.target, error = %fault.message, "Failed to proxy request");
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        audience: Audience,
    ) -> Result<Response<Body>, Fault> {
        let started = Instant::now();
        let live = self.policy.current();
        let routes = routes(&live)?;
        let (mut parts, body) = request.into_parts();
        let host = host(&parts).to_string();
        let Some(selected) = routes.select(&parts, &host) else {
            self.count_unrouted(&live);
            return Err(Fault::no_route());
        };
        let requests = self.admit(&live, routes, &selected)?;
        let filters = &selected.policy.filters;
        match filter::apply(filters, selected.prefix, &host, &mut parts) {
            None => {}
            Some(Answer::Redirect(status, location)) => {
                return Ok(redirect(status, location, audience));
            }
            Some(Answer::Fail(failure, message)) => {
                return Err(Fault::injected(&failure, message));
            }
        }
        self.replace_headers(&mut parts);
        requests.request();
        let tapped = self.tap(&parts, &host);
        let request = Request::from_parts(parts, body);
        let response = match &self.application {
            Application::Admin(admin) => {
                let response = admin.answer(request, self.client.ip()).await;
                let finish = Finish::new(&requests, &response, started, None, ());
                response.map(|body| body.observed_by(Box::new(finish)))
            }
            Application::Dialled(pool) => {
                let rows = live.rows(&self.metrics, self.target.port(), &selected);
                let counted = Counted::begin(rows, started);
                self.send(pool, request, requests, counted).await?
            }
        };
        match tapped {
            Some(mut tapped) => {
                tapped.response(&response);
                Ok(response.map(|body| body.also_observed_by(Box::new(tapped))))
            }
            None => Ok(response),
        }
    }

    fn tap(&self, parts: &Parts, host: &str) -> Option<Tapped> {
        if !self.taps.is_watched() {
            return None;
        }
        self.taps.request(&Seen {
            direction: Direction::Inbound,
            source: self.client,
            source_tls: self.tls.label(),
            destination: self.target,
            destination_tls: Tls::None(NoTls::Loopback),
            destination_labels: &NO_LABELS,
            route_labels: &NO_LABELS,
            authority: host,
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
        })
    }

    /// What a client says of itself is dropped; what it proved is told.
    fn replace_headers(&self, parts: &mut Parts) {
        hygiene::strip(&mut parts.headers);
        if let Some(id) = &self.client_id {
            parts.headers.insert(L5D_CLIENT_ID, id.clone());
        }
    }

    /// Authorization first, then the rate limit.
    fn admit(
        &self,
        live: &Arc<LivePolicy>,
        routes: &HttpRoutes,
        selected: &Selected<'_, HttpRule>,
    ) -> Result<Arc<HttpEndpointMetrics>, Fault> {
        let verdict = self.verdict(live, routes, selected);
        let Verdict::Allow { requests, allowed } = verdict else {
            if let Verdict::Deny(denied) = verdict {
                denied.increment();
            }
            return Err(self.denied(live, selected));
        };
        allowed.increment();
        let Some(limiter) = &live.limiter else {
            return Ok(requests);
        };
        match limiter.admit(self.tls.identity(), Instant::now()) {
            Ok(()) => Ok(requests),
            Err(exceeded) => Err(self.limited(live, exceeded)),
        }
    }

    fn verdict(
        &self,
        live: &Arc<LivePolicy>,
        routes: &HttpRoutes,
        selected: &Selected<'_, HttpRule>,
    ) -> Verdict {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if !verdicts
            .policy
            .as_ref()
            .is_some_and(|p| Arc::ptr_eq(p, live))
        {
            verdicts.policy = Some(Arc::clone(live));
            verdicts.by_rule = vec![None; routes.rules()];
        }
        let decided = &mut verdicts.by_rule[selected.index];
        decided
            .get_or_insert_with(|| self.decide(live, selected))
            .clone()
    }

    fn decide(&self, live: &LivePolicy, selected: &Selected<'_, HttpRule>) -> Verdict {
        let server = named(&live.policy.server);
        let route = named(&selected.route.reference);
        let tls = self.tls.label();
        let policy = &self.metrics.inbound;
        let base = Labels::new().target(self.target);
        let by_route = base.server(server, self.target.port()).route(route);
        let authorizations = &selected.policy.authorizations;
        match authorize(authorizations, self.client.ip(), &self.tls) {
            Decision::Allow(by) => {
                let authorization = named(&by);
                let allowed = by_route.authorization(authorization).tls(tls);
                let requests = Labels::new()
                    .direction(Direction::Inbound)
                    .target(self.target)
                    .tls(tls)
                    .server(server, self.target.port())
                    .route(route)
                    .authorization(authorization);
                Verdict::Allow {
                    requests: self.metrics.http_endpoint(requests),
                    allowed: policy.http_allow.get(&allowed),
                }
            }
            Decision::Deny => Verdict::Deny(policy.http_deny.get(&by_route.tls(tls))),
        }
    }

    fn denied(&self, live: &LivePolicy, selected: &Selected<'_, HttpRule>) -> Fault {
        let server = &live.policy.server;
        let route = &selected.route.reference;
        let tls = match self.tls.identity() {
            Some(identity) => identity.as_str(),
            None => "none",
        };
        tracing::info!(
            server.group = %server.group, server.kind = %server.kind, server.name = %server.name,
            route.group = %route.group, route.kind = %route.kind, route.name = %route.name,
            client.tls = tls, client.ip = %self.client.ip(),
            "Request denied"
        );
        let kind = &route.kind;
        Fault::unauthorized(format!(
            "unauthorized request on route {kind}/{}",
            route.name
        ))
    }

    fn limited(&self, live: &LivePolicy, exceeded: Exceeded) -> Fault {
        let (scope, message) = match exceeded {
            Exceeded::Total(rate) => ("total", format!("total rate limit exceeded: {rate}rps")),
            Exceeded::Identity(rate) => (
                "identity",
                format!("per-identity rate limit exceeded: {rate}rps"),
            ),
            Exceeded::Override(rate) => (
                "identity",
                format!("override rate limit exceeded: {rate}rps"),
            ),
        };
        let mut labels = Labels::new()
            .target(self.target)
            .server(named(&live.policy.server), self.target.port());
        if let Some(limiter) = &live.limiter {
            labels = labels.rate_limit(named(&limiter.limit().reference));
        }
        let labels = labels.with("ratelimit_scope", scope).tls(self.tls.label());
        self.metrics
            .inbound
            .http_rate_limit
            .get(&labels)
            .increment();
        Fault::rate_limited(message)
    }

    fn count_unrouted(&self, live: &LivePolicy) {
        let labels = Labels::new()
            .target(self.target)
            .server(named(&live.policy.server), self.target.port())
            .tls(self.tls.label());
        let unrouted = &self.metrics.inbound.http_route_not_found;
        unrouted.get(&labels).increment();
    }

    async fn send(
        &self,
        pool: &Arc<Pool>,
        mut request: Request<Incoming>,
        requests: Arc<HttpEndpointMetrics>,
        mut counted: Counted,
    ) -> Result<Response<Body>, Fault> {
        use http_body::Body as _;
        let is_upgrade = upgrade::is_asked(&request) && !self.is_http2;
        let is_connect = request.method() == Method::CONNECT;
        let client = is_upgrade.then(|| hyper::upgrade::on(&mut request));
        let request = match request.body().is_end_stream() && !is_upgrade {
            true => request.map(|_| Body::empty()),
            false => request.map(|body| counted.request_body(Body::incoming(body))),
        };
        let sent = exchange(pool, request, is_upgrade).await;
        let (mut response, mut lease) = match sent {
            Ok(answered) => answered,
            Err(error) => {
                let fault = failed(error, &requests, counted.started);
                counted.failed(&fault);
                return Err(fault);
            }
        };
        if let Some(client) = client
            && upgrade::is_agreed(is_connect, &response)
        {
            drop(counted.answered(&response));
            upgrade::join(client, hyper::upgrade::on(&mut response));
            return Ok(response.map(|_| Body::empty()));
        }
        if response.version() != Version::HTTP_2 {
            orig_proto::strip_connection_headers(response.headers_mut());
        }
        if response.body().is_end_stream()
            && let Some(mut lease) = lease.take()
        {
            lease.give_back();
        }
        let (started, counted) = (counted.started, counted.answered(&response));
        let finish = Finish::new(&requests, &response, started, lease, counted);
        Ok(response.map(|body| body.observed_by(Box::new(finish))))
    }
}

/// The application is asked in the version that the client spoke.
async fn exchange(
    pool: &Arc<Pool>,
    mut request: Request<Body>,
    is_upgrade: bool,
) -> Result<(Response<Body>, Option<Lease>), SendError> {
    if request.version() == Version::HTTP_2 {
        let response = pool.send_http2(request).await?;
        return Ok((response, None));
    }
    if !is_upgrade {
        orig_proto::strip_connection_headers(request.headers_mut());
    }
    let (response, lease) = pool.send_http1(request).await?;
    Ok((response, Some(lease)))
}

fn routes(live: &LivePolicy) -> Result<&HttpRoutes, Fault> {
    let routes = live.policy.protocol.routes();
    routes.ok_or_else(|| Fault::invalid_policy("the port is no longer HTTP"))
}

fn host(parts: &Parts) -> &str {
    match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let host = parts.headers.get(HOST);
            host.and_then(|host| host.to_str().ok()).unwrap_or_default()
        }
    }
}

fn failed(error: SendError, requests: &HttpEndpointMetrics, started: Instant) -> Fault {
    let label = Some("unclassified");
    requests.response(None, Class::Failure, None, label, started.elapsed());
    match error {
        SendError::NotSent {
            cause: NotSent::Connect(error @ ConnectError::TimedOut(..)),
            ..
        } => Fault::connect_timed_out(error.to_string()),
        SendError::NotSent { cause, .. } => Fault::io(cause.to_string()),
        SendError::Failed(error) => framing::failed(&error),
        SendError::TimedOut(over) => Fault::timed_out(over),
        SendError::Coding(coding) => Fault::io(format!("the application's answer: {coding}")),
    }
}
