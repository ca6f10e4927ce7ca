//! What is to be done with traffic to one original destination: asked once, followed while in use.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use linkerd2_proxy_api::{destination, net, outbound as pb};
use tokio::sync::watch;
use tonic::Code;

use super::profile::LiveProfile;
use super::rows::RowsOfPolicy;
use crate::balance::endpoints::{Backend, Backends};
use crate::control::destination::{EndpointSpec, endpoint};
use crate::control::grpc;
use crate::control::policy::outbound::{
    BackendSpec, BackendTarget, Carried, Distribution, HttpRoutes, HttpRule, OutboundPolicy,
    Protocol, Queue, RouteBackend, TcpRoute, TcpRule, policy,
};
use crate::control::policy::{InvalidPolicy, reference};
use crate::control::profile::profile;
use crate::control::stream::{Channel, Event, StreamLimits, follow};
use crate::exchange::first::ServerFirst;
use crate::route::filter::{Failure, Filter};
use crate::route::select::{Reference, RequestMatch, Route, Routes, Rule};
use crate::route::timeout::Timeouts;
use crate::telemetry::metrics::{Metrics, TransportMetrics};

pub type LivePolicy = OutboundPolicy<Arc<Backend>>;

/// All that is known about one destination.
pub struct Live {
    pub policy: Arc<LivePolicy>,
    /// Set: a ServiceProfile's routes count, time and retry its requests.
    pub profile: Option<Arc<LiveProfile>>,
    pub rows: RowsOfPolicy,
}

/// The answers of the two services, before they are put together.
#[derive(Default)]
struct Answers {
    policy: Option<Arc<LivePolicy>>,
    /// The policy service does not know the address.
    has_no_policy: bool,
    by_profile: Option<Arc<LivePolicy>>,
    profile: Option<Arc<LiveProfile>>,
}

impl Answers {
    fn live(&self) -> Option<Arc<Live>> {
        let fallback = self.by_profile.as_ref().filter(|_| self.has_no_policy);
        let policy = Arc::clone(self.policy.as_ref().or(fallback)?);
        let profile = self.profile.clone();
        Some(Arc::new(Live {
            policy,
            profile,
            rows: RowsOfPolicy::default(),
        }))
    }
}

/// Whom to ask, and how.
pub struct Discovery {
    pub policies: Channel,
    pub workload: String,
    pub destinations: Channel,
    pub context: String,
    /// Only addresses in these have profiles; empty: all may.
    pub networks: Vec<IpNet>,
    pub limits: StreamLimits,
    pub backends: Backends,
    /// Of backends that no policy told of; and what their connections of other protocols wait in.
    pub queue: Queue,
    pub tcp_queue: Queue,
    pub metrics: Arc<Metrics>,
}

/// The newest policy of one destination. Asking ends when it is dropped.
pub struct Discovered {
    live: watch::Receiver<Option<Arc<Live>>>,
    pub server_first: ServerFirst,
    /// Of the connections that clients open to it; made at the first.
    accepted: OnceLock<Arc<TransportMetrics>>,
    following: tokio::task::AbortHandle,
}

impl Discovered {
    pub fn new(discovery: &Arc<Discovery>, address: SocketAddr) -> Self {
        let (sender, live) = watch::channel(None);
        let discovery = Arc::clone(discovery);
        let following = tokio::spawn(async move {
            discovery.follow(address, &sender).await;
            // Keeps the last answer readable.
            sender.closed().await;
        });
        Self {
            live,
            server_first: ServerFirst::default(),
            accepted: OnceLock::new(),
            following: following.abort_handle(),
        }
    }

    pub fn accepted(&self, make: impl FnOnce() -> Arc<TransportMetrics>) -> &Arc<TransportMetrics> {
        self.accepted.get_or_init(make)
    }

    pub fn current(&self) -> Option<Arc<Live>> {
        self.live.borrow().clone()
    }

    /// The first answer; None if there is none in time.
    pub async fn wait(&self, limit: Duration) -> Option<Arc<Live>> {
        if let Some(live) = self.current() {
            return Some(live);
        }
        let mut live = self.live.clone();
        let known = tokio::time::timeout(limit, live.wait_for(Option::is_some)).await;
        known.ok()?.ok()?.clone()
    }
}

impl Drop for Discovered {
    fn drop(&mut self) {
        self.following.abort();
    }
}

/// Puts answers together as they come.
struct Publisher<'a> {
    answers: Mutex<Answers>,
    sender: &'a watch::Sender<Option<Arc<Live>>>,
}

impl Publisher<'_> {
    fn update(&self, change: impl FnOnce(&mut Answers)) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut answers);
        if let Some(live) = answers.live() {
            self.sender.send_replace(Some(live));
        }
    }
}

impl Discovery {
    async fn follow(&self, address: SocketAddr, sender: &watch::Sender<Option<Arc<Live>>>) {
        let publisher = Publisher {
            answers: Mutex::default(),
            sender,
        };
        let has_profile =
            self.networks.is_empty() || self.networks.iter().any(|n| n.contains(&address.ip()));
        if !has_profile {
            let plain = self.forward(EndpointSpec::plain(address), false);
            publisher.update(|answers| answers.by_profile = Some(plain));
            return self.follow_policy(address, &publisher).await;
        }
        let policy = self.follow_policy(address, &publisher);
        tokio::join!(policy, self.follow_profile(address, &publisher));
    }

    /// Returns when the policy service does not know the address.
    async fn follow_policy(&self, address: SocketAddr, publisher: &Publisher<'_>) {
        let open = || {
            let request = pb::TrafficSpec {
                source_workload: self.workload.clone(),
                target: Some(pb::traffic_spec::Target::Addr(net::TcpAddress {
                    ip: Some(address.ip().into()),
                    port: u32::from(address.port()),
                })),
            };
            let method = "/io.linkerd.proxy.outbound.OutboundPolicies/Watch";
            grpc::open(&self.policies, method, request)
        };
        let apply = |event| match event {
            Event::Message { message, .. } => {
                match policy(message, &mut |parent, spec| {
                    self.backends.resolve(parent, spec)
                }) {
                    Ok(policy) => publisher.update(|a| a.policy = Some(Arc::new(policy))),
                    Err(error) => {
                        tracing::warn!(%address, %error, "Policy is not obeyed");
                        let refusing = || Arc::new(refusing(&error));
                        publisher.update(|a| {
                            a.policy.get_or_insert_with(refusing);
                        });
                    }
                }
                ControlFlow::Continue(())
            }
            Event::Failed(status) => match status.code() {
                Code::NotFound | Code::Unimplemented => {
                    publisher.update(|answers| {
                        answers.policy = None;
                        answers.has_no_policy = true;
                    });
                    ControlFlow::Break(())
                }
                _ => {
                    tracing::debug!(%address, %status, "Policy is not updated");
                    ControlFlow::Continue(())
                }
            },
        };
        follow(self.limits, open, apply).await;
    }

    async fn follow_profile(&self, address: SocketAddr, publisher: &Publisher<'_>) {
        let open = || {
            let request = destination::GetDestination {
                scheme: String::new(),
                path: address.to_string(),
                context_token: self.context.clone(),
            };
            let method = "/io.linkerd.proxy.destination.Destination/GetProfile";
            grpc::open(&self.destinations, method, request)
        };
        let apply = |event| match event {
            Event::Message { message, .. } => {
                let routes = profile(&message)
                    .map(|p| Arc::new(LiveProfile::new(p, address.port(), &self.metrics)));
                let policy = self.by_profile(message, address);
                publisher.update(|answers| {
                    answers.by_profile = Some(policy);
                    answers.profile = routes;
                });
                ControlFlow::Continue(())
            }
            Event::Failed(status) => match status.code() {
                Code::InvalidArgument | Code::NotFound => {
                    let plain = self.forward(EndpointSpec::plain(address), false);
                    publisher.update(|answers| answers.by_profile = Some(plain));
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            },
        };
        follow(self.limits, open, apply).await;
    }

    fn by_profile(
        &self,
        profile: destination::DestinationProfile,
        address: SocketAddr,
    ) -> Arc<LivePolicy> {
        let is_opaque = profile.opaque_protocol;
        if let Some(known) = profile
            .endpoint
            .and_then(|e| endpoint(e, &Default::default()))
        {
            return self.forward(known, is_opaque);
        }
        if profile.fully_qualified_name.is_empty() {
            return self.forward(EndpointSpec::plain(address), is_opaque);
        }
        let authority = format!("{}:{}", profile.fully_qualified_name, address.port());
        let target = BackendTarget::Balance {
            authority: authority.into(),
            default_rtt: Duration::from_millis(30),
            decay: Duration::from_secs(10),
            accrual: None,
        };
        let parent = reference(profile.parent_ref);
        self.to_one(target, parent, "serviceprofile", is_opaque)
    }

    fn forward(&self, endpoint: EndpointSpec, is_opaque: bool) -> Arc<LivePolicy> {
        let parent = Arc::new(Reference::default_named("endpoint"));
        let target = BackendTarget::Forward(Box::new(endpoint));
        self.to_one(target, parent, "default", is_opaque)
    }

    /// A policy of one backend, by whatever protocol.
    fn to_one(
        &self,
        target: BackendTarget,
        parent: Arc<Reference>,
        route: &str,
        is_opaque: bool,
    ) -> Arc<LivePolicy> {
        let spec = BackendSpec {
            reference: Arc::clone(&parent),
            target,
            carried: Carried::Http,
            queue: self.queue,
        };
        // Only where there is a choice does anybody wait.
        let for_tcp = matches!(spec.target, BackendTarget::Balance { .. }).then(|| BackendSpec {
            carried: Carried::Opaque,
            queue: self.tcp_queue,
            ..spec.clone()
        });
        let backend = self.backends.resolve(&parent, spec);
        let for_tcp = for_tcp.map(|spec| self.backends.resolve(&parent, spec));
        let route = Arc::new(Reference::default_named(route));
        let tcp = tcp_to(for_tcp.as_ref().unwrap_or(&backend), &route);
        let protocol = if is_opaque {
            Protocol::Opaque(Some(tcp))
        } else {
            let routes = http_routes(&route, only(&backend), Vec::new());
            Protocol::Detect {
                timeout: None,
                http1: Arc::clone(&routes),
                http2: routes,
                opaque: Some(tcp),
            }
        };
        Arc::new(OutboundPolicy { parent, protocol })
    }
}

/// Where no better one is known: everything fails, and is told why.
fn refusing(error: &InvalidPolicy) -> LivePolicy {
    let route = Arc::new(Reference::default_named("invalid"));
    let filter = Filter::Fail {
        failure: Failure::Invalid,
        message: error.to_string(),
        ratio: 1.0,
    };
    let routes = http_routes(&route, Distribution::Empty, vec![filter]);
    OutboundPolicy {
        parent: Arc::clone(&route),
        protocol: Protocol::Detect {
            timeout: None,
            http1: Arc::clone(&routes),
            http2: routes,
            opaque: Some(TcpRoute {
                reference: route,
                rule: TcpRule::Invalid,
            }),
        },
    }
}

fn only(backend: &Arc<Backend>) -> Distribution<Arc<Backend>> {
    Distribution::First(vec![RouteBackend {
        backend: Arc::clone(backend),
        weight: 1,
        filters: Vec::new(),
    }])
}

fn tcp_to(backend: &Arc<Backend>, route: &Arc<Reference>) -> TcpRoute<Arc<Backend>> {
    TcpRoute {
        reference: Arc::clone(route),
        rule: TcpRule::Forward(only(backend)),
    }
}

fn http_routes(
    route: &Arc<Reference>,
    backends: Distribution<Arc<Backend>>,
    filters: Vec<Filter>,
) -> HttpRoutes<Arc<Backend>> {
    let rule = Rule {
        matches: vec![RequestMatch::default()],
        policy: HttpRule {
            filters,
            backends,
            timeouts: Timeouts::default(),
            retry: None,
            is_grpc: false,
            allows_request_headers: false,
        },
    };
    Arc::new(Routes(vec![Route {
        reference: Arc::clone(route),
        hosts: Vec::new(),
        rules: vec![rule],
    }]))
}
