//! One outbound request: route, backend, endpoint, and the answer on its way back.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::discover::{Discovered, Live, LivePolicy};
use super::pick;
use super::profile::Profiled;
use super::rows::Rows;
use super::within::{hold, within_time};
use crate::balance::endpoints::{Backend, Endpoint, Target};
use crate::connect::pool::{Lease, NotSent, SendError};
use crate::connect::tcp::ConnectError;
use crate::control::policy::outbound::{HttpRoutes, Protocol};
use crate::drain::Watch;
use crate::exchange::body::Body;
use crate::exchange::in_flight::InFlight;
use crate::exchange::limits::Limits;
use crate::exchange::prefixed::Prefixed;
use crate::exchange::respond::{
    Audience, Fault, L5D_PROXY_CONNECTION, L5D_PROXY_ERROR, close_after, redirect,
};
use crate::exchange::serve::{self, HttpSettings};
use crate::exchange::{framing, hygiene, orig_proto, upgrade};
use crate::route::asked::Asked;
use crate::route::filter::{self, Answer};
use crate::route::retry::Retry;
use crate::route::timeout::Timeouts;
use crate::tap::{NO_LABELS, Seen, Tapped, Taps};
use crate::telemetry::labels::{Direction, Labels, NoTls, Tls};

const L5D_REQUIRE_ID: HeaderName = HeaderName::from_static("l5d-require-id");

/// What the requests of one client connection share.
pub struct Session {
    pub discovered: Arc<Discovered>,
    pub client: SocketAddr,
    pub destination: SocketAddr,
    pub is_http2: bool,
    pub is_informed: bool,
    pub metrics: Arc<crate::telemetry::metrics::Metrics>,
    pub taps: Arc<Taps>,
    /// Clients name the same host again and again; its parsed form is kept.
    pub host: Mutex<Option<(HeaderValue, Authority)>>,
    pub in_flight: Arc<InFlight>,
}

/// A drain waits for the connection but does not hurry it: our workload may still need it to finish.
pub async fn serve<IO>(
    io: Prefixed<IO>,
    session: Arc<Session>,
    settings: HttpSettings,
    drain: Watch,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let is_http2 = session.is_http2;
    let handle = move |request| {
        let session = Arc::clone(&session);
        async move { session.handle(request).await }
    };
    let never = std::future::pending();
    let ended = match is_http2 {
        true => serve::http2(io, handle, &settings, never).await,
        false => serve::http1(io, handle, &settings, never).await,
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "Client connection ended");
    }
    drop(drain);
}

fn routes(policy: &LivePolicy, is_http2: bool) -> Result<&HttpRoutes<Arc<Backend>>, Fault> {
    match (&policy.protocol, is_http2) {
        (Protocol::Detect { http1, .. }, false) => Ok(http1),
        (Protocol::Detect { http2, .. }, true) => Ok(http2),
        (Protocol::Http1(routes) | Protocol::Http2(routes), _) => Ok(routes),
        (Protocol::Opaque(_) | Protocol::Tls(_), _) => {
            Err(Fault::unavailable("the destination is no longer HTTP"))
        }
    }
}

impl Session {
    async fn handle(&self, mut request: Request<Incoming>) -> Response<Body> {
        let audience = Audience::of(&request, self.is_informed, false);
        if !self.is_http2 && request.uri().scheme().is_some() {
            request.extensions_mut().insert(orig_proto::AbsoluteForm);
        }
        let admitted = framing::check(&mut request).and_then(|()| self.in_flight.admit());
        let answered = match admitted {
            Ok(_admitted) => self.forward(request, audience).await,
            Err(fault) => Err(fault),
        };
        match answered {
            Ok(response) => response,
            Err(fault) => {
                let label = Labels::new().with("error", fault.label);
                self.metrics.outbound.http_errors.get(&label).increment();
                tracing::info!(destination = %self.destination, error = %fault.message, "Failed to proxy request");
                fault.response(audience)
            }
        }
    }

    /// One attempt: its destination is the endpoint.
    fn tap(&self, to: &Endpoint, request: &Request<Body>, of: &Sending<'_>) -> Option<Tapped> {
        if !self.taps.is_watched() {
            return None;
        }
        let profiled = of.profiled.as_ref();
        self.taps.request(&Seen {
            direction: Direction::Outbound,
            source: self.client,
            source_tls: Tls::None(NoTls::Loopback),
            destination: to.spec.address,
            destination_tls: match &to.spec.peer {
                Some(peer) => Tls::ToServer(peer.identity.as_str()),
                None => Tls::None(NoTls::NotProvidedByServiceDiscovery),
            },
            destination_labels: &to.spec.labels,
            route_labels: profiled.map_or(&NO_LABELS, |found| found.route.labels()),
            authority: of.authority.as_str(),
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
        })
    }

    fn live(&self) -> Result<Arc<Live>, Fault> {
        let live = self.discovered.current();
        live.ok_or_else(|| Fault::unavailable("no policy is known"))
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        audience: Audience,
    ) -> Result<Response<Body>, Fault> {
        let started = Instant::now();
        let live = self.live()?;
        let routes = routes(&live.policy, self.is_http2)?;
        let (mut parts, body) = request.into_parts();
        let required = parts.headers.remove(L5D_REQUIRE_ID);
        let said = hygiene::take(&mut parts.headers);
        let authority = self.authority(&parts);
        let selected = routes.select(&parts, authority.as_str());
        let selected = selected.ok_or_else(Fault::no_route)?;
        let rule = selected.policy;
        let answered = filter::apply(
            &rule.filters,
            selected.prefix,
            authority.as_str(),
            &mut parts,
        );
        if let Some(answer) = answered {
            return respond(answer, audience);
        }
        let backend = pick::backend(&rule.backends)
            .ok_or_else(|| Fault::invalid_policy("the route has no backend"))?;
        let prefix = selected.prefix;
        let answered = filter::apply(&backend.filters, prefix, authority.as_str(), &mut parts);
        if let Some(answer) = answered {
            return respond(answer, audience);
        }
        let (parent, route) = (&live.policy.parent, &selected.route.reference);
        let make = || Rows::new(&self.metrics, parent, route, &backend.backend, rule.is_grpc);
        let rows = live.rows.get(backend, make);
        let profile = live.profile.as_deref();
        let asked = said.filter(|_| rule.allows_request_headers);
        let asked = asked.map(|said| Asked::read(&said)).unwrap_or_default();
        let profiled = profile.and_then(|p| Profiled::select(p, &parts));
        let mut timeouts = asked.timeouts(rule.timeouts);
        let by_profile = profiled.as_ref().and_then(|p| p.route.timeout());
        timeouts.request = by_profile.or(timeouts.request);
        let sending = Sending {
            session: self,
            rows: Arc::clone(&rows),
            backend: &backend.backend,
            authority,
            required,
            profiled,
            timeouts,
            retry: asked.retry(rule.retry.as_ref()),
            audience,
            started,
        };
        let request = Request::from_parts(parts, body);
        let sent = within_time(&sending, request).await;
        let mut response = rows.follow(sent, started)?;
        filter::apply_to_response(&backend.filters, response.headers_mut());
        filter::apply_to_response(&rule.filters, response.headers_mut());
        Ok(response)
    }

    /// The host that the client named; the address it dialled if it named none.
    fn authority(&self, parts: &Parts) -> Authority {
        if let Some(authority) = parts.uri.authority() {
            return authority.clone();
        }
        let host = parts.headers.get(HOST);
        let mut known = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some((last, authority)), Some(host)) = (known.as_ref(), host)
            && last == host
        {
            return authority.clone();
        }
        let parsed = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        match (parsed, host) {
            (Some(authority), Some(host)) => {
                // A copy: the header is a part of the connection's buffer, and would keep it.
                let copy = HeaderValue::from_bytes(host.as_bytes());
                *known = copy.ok().map(|host| (host, authority.clone()));
                authority
            }
            _ => Authority::try_from(self.destination.to_string())
                .expect("an address is an authority"),
        }
    }
}

fn respond(answer: Answer, audience: Audience) -> Result<Response<Body>, Fault> {
    match answer {
        Answer::Redirect(status, location) => Ok(redirect(status, location, audience)),
        Answer::Fail(failure, message) => Err(Fault::injected(&failure, message)),
    }
}

/// What sending needs to know of a routed request.
pub struct Sending<'a> {
    pub session: &'a Session,
    pub rows: Arc<Rows>,
    pub backend: &'a Backend,
    pub authority: Authority,
    pub required: Option<HeaderValue>,
    pub profiled: Option<Profiled<'a>>,
    pub timeouts: Timeouts,
    pub retry: Option<Cow<'a, Retry>>,
    pub audience: Audience,
    pub started: Instant,
}

/// One attempt, counted as the backend's.
pub async fn send_once(
    sending: &Sending<'_>,
    request: Request<Body>,
    head: Option<Duration>,
) -> Result<Response<Body>, Fault> {
    let started = Instant::now();
    sending.rows.attempt();
    let answer = match sending.limits(head) {
        None => send_until_reached(sending, request, None).await,
        Some(limits) => {
            let request = limits.follow(request);
            let answer = send_until_reached(sending, request, Some(&limits)).await;
            answer.map(|answer| answer.map(|body| body.ending_by(limits.of_body(sending.audience))))
        }
    };
    sending.rows.attempted(answer, started)
}

/// Sends to one endpoint after another until one was reached.
async fn send_until_reached(
    sending: &Sending<'_>,
    mut request: Request<Body>,
    limits: Option<&Limits>,
) -> Result<Response<Body>, Fault> {
    let deadline = Instant::now() + sending.backend.failfast;
    loop {
        let endpoint = pick::endpoint(sending.backend, deadline).await?;
        require_identity(&endpoint, sending.required.as_ref())?;
        let cause = match send_to(&endpoint, request, sending, limits).await {
            Ok(response) => {
                sending.backend.reached();
                return Ok(response);
            }
            Err(SendError::NotSent {
                request: unsent,
                cause,
            }) => {
                request = *unsent;
                cause
            }
            Err(SendError::Failed(error)) => return Err(framing::failed(&error)),
            Err(SendError::TimedOut(over)) => return Err(sending.timed_out(over)),
            Err(SendError::Coding(coding)) => {
                return Err(Fault::io(format!("the server's answer: {coding}")));
            }
        };
        tracing::debug!(endpoint = %endpoint.spec.address, error = %cause, "Endpoint was not reached");
        if matches!(cause, NotSent::Connect(_)) {
            endpoint.connect_failed();
        }
        match &sending.backend.target {
            Target::Balance(queue) if Instant::now() >= deadline => {
                return Err(pick::gave_up(queue));
            }
            Target::Balance(_) | Target::None => {}
            Target::Forward(_) => {
                if Instant::now() >= deadline || matches!(cause, NotSent::Connect(_)) {
                    return Err(unreachable(cause));
                }
            }
        }
    }
}

fn unreachable(cause: NotSent) -> Fault {
    match cause {
        NotSent::Connect(error @ ConnectError::TimedOut(..)) => {
            Fault::connect_timed_out(error.to_string())
        }
        cause => Fault::io(cause.to_string()),
    }
}

fn require_identity(endpoint: &Endpoint, required: Option<&HeaderValue>) -> Result<(), Fault> {
    let Some(required) = required else {
        return Ok(());
    };
    let found = endpoint.spec.peer.as_ref().map(|p| p.identity.as_str());
    if found.is_some_and(|found| required == found) {
        return Ok(());
    }
    let found = found.unwrap_or("nobody");
    Err(Fault::wrong_identity(format!(
        "request required an identity that the endpoint does not have: it is {found}"
    )))
}

fn begin<'a>(
    endpoint: &'a Endpoint,
    request: Request<Body>,
    sending: &Sending<'_>,
) -> Result<(Request<Body>, Attempt<'a>), SendError> {
    let permit = match endpoint.admit() {
        Ok(permit) => permit,
        Err(ejected) => {
            return Err(SendError::NotSent {
                request: Box::new(request),
                cause: ejected.into(),
            });
        }
    };
    let started = Instant::now();
    let attempt = Attempt {
        endpoint,
        started,
        pending: endpoint.load.start(started),
        permit,
        tapped: sending.session.tap(endpoint, &request, sending),
    };
    Ok((request, attempt))
}

async fn send_to(
    endpoint: &Arc<Endpoint>,
    request: Request<Body>,
    sending: &Sending<'_>,
    limits: Option<&Limits>,
) -> Result<Response<Body>, SendError> {
    let authority = &sending.authority;
    let version = request.version();
    let (mut request, mut attempt) = begin(endpoint, request, sending)?;
    endpoint.metrics.http().request();
    if let Some(over) = &endpoint.spec.authority_override {
        override_authority(&mut request, over);
    }
    if version == Version::HTTP_2 {
        let response = attempt.sent(over_http2(endpoint, request, limits).await)?;
        let mut response = attempt.finish(response, None);
        pass_on_close(&mut response, sending);
        return Ok(response);
    }
    let is_upgrade = upgrade::is_asked(&request);
    if endpoint.takes_http2() && !is_upgrade {
        orig_proto::upgrade(&mut request, authority);
        let response = match attempt.sent(over_http2(endpoint, request, limits).await) {
            Ok(response) => response,
            Err(SendError::NotSent { mut request, cause }) => {
                orig_proto::downgrade(&mut request);
                return Err(SendError::NotSent { request, cause });
            }
            Err(failed) => return Err(failed),
        };
        let mut response = attempt.finish(response, None);
        orig_proto::restore_response(&mut response, version);
        pass_on_close(&mut response, sending);
        return Ok(response);
    }
    let is_connect = request.method() == Method::CONNECT;
    let client = is_upgrade
        .then(|| request.extensions_mut().remove())
        .flatten();
    if !is_upgrade {
        orig_proto::strip_connection_headers(request.headers_mut());
    }
    let (mut response, lease) = attempt.sent(over_http1(endpoint, request, limits).await)?;
    if let Some(Upgrading(client)) = client
        && upgrade::is_agreed(is_connect, &response)
    {
        upgrade::join(client, hyper::upgrade::on(&mut response));
        return Ok(response.map(|_| Body::empty()));
    }
    orig_proto::strip_connection_headers(response.headers_mut());
    let mut response = attempt.finish(response, Some(lease));
    pass_on_close(&mut response, sending);
    Ok(response)
}

async fn over_http2(
    endpoint: &Endpoint,
    request: Request<Body>,
    limits: Option<&Limits>,
) -> Result<Response<Body>, SendError> {
    match limits {
        None => endpoint.pool.send_http2(request).await,
        Some(limits) => Box::pin(hold(limits, endpoint.pool.send_http2(request))).await,
    }
}

async fn over_http1(
    endpoint: &Endpoint,
    request: Request<Body>,
    limits: Option<&Limits>,
) -> Result<(Response<Body>, Lease), SendError> {
    match limits {
        None => endpoint.pool.send_http1(request).await,
        Some(limits) => Box::pin(hold(limits, endpoint.pool.send_http1(request))).await,
    }
}

/// The client's half of an upgrade, carried with its request to where the answer is known.
#[derive(Clone)]
pub struct Upgrading(pub hyper::upgrade::OnUpgrade);

fn override_authority(request: &mut Request<Body>, over: &Authority) {
    if request.version() == Version::HTTP_2 {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.authority = Some(over.clone());
        parts.scheme.get_or_insert(http::uri::Scheme::HTTP);
        if let Ok(uri) = http::Uri::from_parts(parts) {
            *request.uri_mut() = uri;
        }
    } else if let Ok(host) = HeaderValue::from_str(over.as_str()) {
        request.headers_mut().insert(HOST, host);
    }
}

/// What the other proxy said for us. It may end the connection of a client that chose this endpoint
/// itself; a balancer's next pick may be another.
fn pass_on_close(response: &mut Response<Body>, sending: &Sending<'_>) {
    let headers = response.headers_mut();
    if let Some(error) = headers.remove(L5D_PROXY_ERROR) {
        tracing::info!(error = ?error, "Remote proxy error");
    }
    let asked = headers.remove(L5D_PROXY_CONNECTION);
    let is_closing = asked.is_some_and(|value| value == "close");
    let Target::Forward(endpoint) = &sending.backend.target else {
        return;
    };
    if is_closing && endpoint.spec.peer.is_some() {
        close_after(response);
    }
}
