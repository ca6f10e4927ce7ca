//! From settings to parts: names every dependency, holds no logic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Surroundings;
use crate::balance::endpoints::{Backends, BalancerSettings, EndpointSettings};
use crate::config::{Config, ControlService, Direction, Http2};
use crate::connect::pool::PoolSettings;
use crate::connect::tcp::{ConnectSettings, Connector};
use crate::control::cache::Cache;
use crate::control::dns::Dns;
use crate::control::observe::Observed;
use crate::control::policy::outbound::Queue;
use crate::control::stream::{Channel, Service, StreamLimits};
use crate::exchange::in_flight::InFlight;
use crate::exchange::serve::HttpSettings;
use crate::inbound::accept::Inbound;
use crate::inbound::policies::Policies;
use crate::orig_dst::OrigDst;
use crate::outbound::accept::Outbound;
use crate::outbound::discover::Discovery;
use crate::tap::Taps;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::metrics::Metrics;
use crate::tls::client::Peer;
use crate::tls::keys::{KeyError, Keys};
use crate::tls::name::Identity;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Keys(#[from] KeyError),
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, #[source] std::io::Error),
}

pub struct Parts {
    pub keys: Arc<Keys>,
    pub identity: Channel,
    pub inbound: Arc<Inbound>,
    pub outbound: Arc<Outbound>,
    pub taps: Arc<Taps>,
}

impl Parts {
    pub fn new(
        config: &Config,
        metrics: &Arc<Metrics>,
        surroundings: &Surroundings,
    ) -> Result<Self, StartError> {
        let identity = &config.identity;
        let local = Identity::new(&identity.local_name);
        let keys = Arc::new(Keys::load(&identity.dir, &identity.trust_anchors, local)?);
        let dns = Arc::new(Dns::new(config.dns));
        let channel = |client, service: &ControlService| {
            let service = service_of(service);
            let observed = Observed::new(client, &service, metrics);
            Channel::observed(service, Arc::clone(&dns), Arc::clone(&keys), Some(observed))
        };
        let policies = channel("policy", &config.policy.service);
        let destinations = channel("destination", &config.destination.service);
        let taps = Arc::new(Taps::default());
        Ok(Self {
            identity: channel("identity", &config.identity.service),
            inbound: Arc::new(Inbound {
                orig_dst: surroundings.inbound_orig_dst.clone(),
                taps: Arc::clone(&taps),
                ..inbound(config, metrics, &keys, policies.clone())
            }),
            outbound: Arc::new(Outbound {
                orig_dst: surroundings.outbound_orig_dst.clone(),
                taps: Arc::clone(&taps),
                ..outbound(config, metrics, &keys, policies, destinations)
            }),
            keys,
            taps,
        })
    }
}

fn service_of(service: &ControlService) -> Service {
    let peer = service.name.as_ref().map(|name| Peer {
        identity: Identity::new(name),
        server_name: Identity::new(name),
    });
    Service {
        host: service.host.clone(),
        port: service.port,
        peer,
    }
}

fn limits(config: &Config) -> StreamLimits {
    let timeouts = &config.control_streams;
    StreamLimits {
        initial: timeouts.initial,
        idle: timeouts.idle,
        lifetime: timeouts.lifetime,
    }
}

fn http2(from: &Http2) -> HttpSettings {
    HttpSettings {
        stream_window: from.stream_window,
        connection_window: from.connection_window,
        keep_alive: from.keep_alive,
        is_window_adaptive: from.is_window_adaptive,
        max_concurrent_streams: from.max_concurrent_streams,
        max_frame_size: from.max_frame_size,
        max_header_list_size: from.max_header_list_size,
        max_pending_resets: from.max_pending_accept_reset_streams,
        max_send_buffer: from.max_send_buffer,
        head_timeout: from.head_timeout,
    }
}

fn connector(direction: &Direction, keys: Option<&Arc<Keys>>) -> Arc<Connector> {
    let settings = ConnectSettings {
        timeout: direction.connect_timeout,
        keepalive: direction.connect_keepalive,
        user_timeout: direction.connect_user_timeout,
    };
    Arc::new(Connector::new(settings, keys.cloned()))
}

fn pool(direction: &Direction) -> PoolSettings {
    PoolSettings {
        idle_timeout: direction.pool_idle,
        max_idle: direction.max_idle_per_endpoint,
        http2: HttpSettings {
            keep_alive: None,
            ..http2(&direction.server)
        },
    }
}

fn inbound(
    config: &Config,
    metrics: &Arc<Metrics>,
    keys: &Arc<Keys>,
    policies: Channel,
) -> Inbound {
    let direction = &config.inbound.direction;
    Inbound {
        policies: Policies {
            channel: policies,
            workload: config.policy.workload.clone(),
            limits: limits(config),
            default: config.inbound.default_policy,
            cluster_networks: config.policy.cluster_networks.clone(),
            opaque_ports: config.inbound.opaque_ports.clone(),
            identity_ports: config.inbound.identity_ports.clone(),
            tls_ports: config.inbound.tls_ports.clone(),
            ports: Cache::new(direction.discovery_idle),
        },
        applications: Cache::new(Duration::from_secs(60)),
        connector: connector(direction, None),
        pool: pool(direction),
        keys: Arc::clone(keys),
        server_name: Identity::new(&config.identity.server_name),
        orig_dst: OrigDst::Socket,
        ips: config.inbound.ips.clone(),
        metrics: Arc::clone(metrics),
        taps: Arc::default(),
        access_log: config.logs.access.map(AccessLog::to_stderr),
        http2: http2(&direction.server),
        first_line_limit: direction.detect_timeout,
        in_flight: Arc::new(InFlight::new(direction.max_in_flight)),
    }
}

fn outbound(
    config: &Config,
    metrics: &Arc<Metrics>,
    keys: &Arc<Keys>,
    policies: Channel,
    destinations: Channel,
) -> Outbound {
    let direction = &config.outbound.direction;
    let endpoint = EndpointSettings {
        connector: connector(direction, Some(keys)),
        pool: pool(direction),
        local: config.inbound.ips.clone(),
        metrics: Arc::clone(metrics),
        backoff: direction.connect_backoff,
    };
    let context = config.destination.context.clone();
    let balancers = BalancerSettings {
        endpoint: Arc::new(endpoint),
        channel: destinations.clone(),
        context: context.clone(),
        limits: limits(config),
    };
    let discovery = Discovery {
        policies,
        workload: config.policy.workload.clone(),
        destinations,
        context,
        networks: config.destination.networks.clone(),
        limits: limits(config),
        backends: Backends::new(Arc::new(balancers), direction.discovery_idle),
        queue: Queue {
            capacity: direction.http_queue_capacity,
            failfast: direction.http_failfast,
        },
        tcp_queue: Queue {
            capacity: config.outbound.tcp_queue_capacity,
            failfast: config.outbound.tcp_failfast,
        },
        metrics: Arc::clone(metrics),
    };
    Outbound {
        discovery: Arc::new(discovery),
        destinations: Cache::new(direction.discovery_idle),
        orig_dst: OrigDst::Socket,
        metrics: Arc::clone(metrics),
        taps: Arc::default(),
        http2: http2(&direction.server),
        first_line_limit: direction.detect_timeout,
        is_informed: config.outbound.has_informational_headers,
        in_flight: Arc::new(InFlight::new(direction.max_in_flight)),
    }
}
