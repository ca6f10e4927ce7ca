//! The policy of each port: the default at first, then what the control plane says.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use linkerd2_proxy_api::inbound as pb;
use tokio::sync::watch;

use super::rate_limit::Limiter;
use super::rows::Rows;
use crate::config::{DefaultPolicy, PortSet};
use crate::control::cache::Cache;
use crate::control::grpc;
use crate::control::policy::inbound::{
    Authentication, Authorization, HttpRule, Network, Protocol, ServerPolicy, fallback, policy,
};
use crate::control::stream::{Channel, Event, StreamLimits, follow};
use crate::exchange::first::{ServerFirst, first_line_limit};
use crate::route::select::{Reference, Selected};
use crate::telemetry::metrics::Metrics;

/// How long a connection waits for a port's first policy before the default holds.
const FIRST_ANSWER: Duration = Duration::from_secs(3);

/// A policy with the state that outlives its versions.
pub struct LivePolicy {
    pub policy: ServerPolicy,
    pub limiter: Option<Arc<Limiter>>,
    /// By rule, each made when first needed.
    rows: Box<[OnceLock<Arc<Rows>>]>,
}

impl LivePolicy {
    /// Buckets stay as full as they were while the limit is the same.
    fn new(policy: ServerPolicy, before: Option<&LivePolicy>) -> Arc<Self> {
        let old = before.and_then(|b| b.limiter.as_ref());
        let limiter = policy.rate_limit.as_ref().map(|limit| {
            let same = old.filter(|old| old.limit() == limit).cloned();
            same.unwrap_or_else(|| Arc::new(Limiter::new(limit.clone())))
        });
        let rules = policy.protocol.routes().map_or(0, |routes| routes.rules());
        Arc::new(Self {
            rows: std::iter::repeat_with(OnceLock::new).take(rules).collect(),
            policy,
            limiter,
        })
    }

    /// How long what may yet become a request line is waited for, where the operator set that and where not.
    pub fn first_line_limit(&self, set: Option<Duration>) -> Duration {
        let by_policy = match &self.policy.protocol {
            Protocol::Detect { timeout, .. } => *timeout,
            _ => None,
        };
        first_line_limit(set, by_policy)
    }

    /// Of a request that this policy selected a rule for.
    pub fn rows(
        &self,
        metrics: &Arc<Metrics>,
        port: u16,
        selected: &Selected<'_, HttpRule>,
    ) -> &Arc<Rows> {
        let route = &selected.route.reference;
        let is_grpc = selected.policy.is_grpc;
        let make = || Rows::new(metrics, &self.policy.server, port, route, is_grpc);
        self.rows[selected.index].get_or_init(make)
    }
}

pub struct PortPolicy {
    policy: watch::Receiver<Arc<LivePolicy>>,
    /// True once the control plane answered, or was given up on.
    is_settled: watch::Receiver<bool>,
    pub server_first: ServerFirst,
    following: tokio::task::AbortHandle,
}

impl PortPolicy {
    pub fn current(&self) -> Arc<LivePolicy> {
        self.policy.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<Arc<LivePolicy>> {
        self.policy.clone()
    }

    pub async fn settled(&self) -> Arc<LivePolicy> {
        let mut is_settled = self.is_settled.clone();
        let settled = is_settled.wait_for(|settled| *settled);
        // Unanswered in time, the default that the operator chose for this case holds.
        let _ = tokio::time::timeout(FIRST_ANSWER, settled).await;
        self.current()
    }
}

impl Drop for PortPolicy {
    fn drop(&mut self) {
        self.following.abort();
    }
}

pub struct Policies {
    pub channel: Channel,
    pub workload: String,
    pub limits: StreamLimits,
    pub default: DefaultPolicy,
    pub cluster_networks: Vec<IpNet>,
    pub opaque_ports: PortSet,
    /// Before policy answers, these ports admit only clients with an identity.
    pub identity_ports: PortSet,
    /// And these only clients that speak our TLS.
    pub tls_ports: PortSet,
    pub ports: Arc<Cache<u16, PortPolicy>>,
}

impl Policies {
    pub fn get(&self, port: u16) -> Arc<PortPolicy> {
        self.ports.get_or_insert(&port, || self.follow(port))
    }

    fn follow(&self, port: u16) -> PortPolicy {
        let is_opaque = self.opaque_ports.contains(port);
        let mut default = default_policy(self.default, &self.cluster_networks, is_opaque);
        if self.identity_ports.contains(port) {
            default = required("identity-required", is_identified(), is_opaque);
        } else if self.tls_ports.contains(port) {
            default = required("tls-required", Authentication::AnyTls, is_opaque);
        }
        let (sender, policy) = watch::channel(LivePolicy::new(default, None));
        let (settle, is_settled) = watch::channel(false);
        let (limits, workload) = (self.limits, self.workload.clone());
        let channel = self.channel.clone();
        let following = tokio::spawn(async move {
            let open = || {
                let workload = workload.clone();
                let port = u32::from(port);
                let method = "/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort";
                grpc::open(&channel, method, pb::PortSpec { workload, port })
            };
            let apply = |event| {
                apply(event, port, &sender);
                settle.send_replace(true);
                ControlFlow::Continue(())
            };
            follow(limits, open, apply).await;
        });
        PortPolicy {
            policy,
            is_settled,
            server_first: ServerFirst::default(),
            following: following.abort_handle(),
        }
    }
}

fn apply(event: Event<pb::Server>, port: u16, sender: &watch::Sender<Arc<LivePolicy>>) {
    match event {
        Event::Message { message, .. } => match policy(message) {
            Ok(policy) => {
                let live = LivePolicy::new(policy, Some(&sender.borrow()));
                sender.send_replace(live);
            }
            Err(error) => tracing::warn!(port, %error, "Policy is not obeyed"),
        },
        Event::Failed(status) => tracing::debug!(port, %status, "Policy is not updated"),
    }
}

fn everywhere() -> Vec<Network> {
    let nets = [
        IpNet::from(ipnet::Ipv4Net::default()),
        IpNet::from(ipnet::Ipv6Net::default()),
    ];
    nets.into_iter().map(anywhere_in).collect()
}

fn anywhere_in(net: IpNet) -> Network {
    let except = Vec::new();
    Network { net, except }
}

/// Whoever has proved an identity, whichever it is.
fn is_identified() -> Authentication {
    Authentication::Identities {
        names: Vec::new(),
        suffixes: vec![String::new()],
    }
}

fn required(name: &str, authentication: Authentication, is_opaque: bool) -> ServerPolicy {
    let authorization = Authorization {
        reference: Arc::new(Reference::default_named(name)),
        networks: everywhere(),
        authentication,
    };
    fallback(name, Some(authorization), is_opaque)
}

fn default_policy(default: DefaultPolicy, cluster: &[IpNet], is_opaque: bool) -> ServerPolicy {
    let cluster = || cluster.iter().copied().map(anywhere_in).collect();
    let (networks, authentication) = match default {
        DefaultPolicy::Deny => return fallback(default.as_str(), None, is_opaque),
        DefaultPolicy::AllUnauthenticated | DefaultPolicy::Audit => {
            (everywhere(), Authentication::None)
        }
        DefaultPolicy::AllAuthenticated => (everywhere(), is_identified()),
        DefaultPolicy::ClusterUnauthenticated => (cluster(), Authentication::None),
        DefaultPolicy::ClusterAuthenticated => (cluster(), is_identified()),
    };
    let authorization = Authorization {
        reference: Arc::new(Reference::default_named(default.as_str())),
        networks,
        authentication,
    };
    fallback(default.as_str(), Some(authorization), is_opaque)
}
