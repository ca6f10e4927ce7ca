//! Settings of the two directions.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::env::{ConfigError, Env};
use super::super::parse::{self, PortSet};
use super::DefaultPolicy;
use crate::exchange::serve::{self, CONNECTION_WINDOW, FRAME_SIZE, HEAD_TIMEOUT};

/// What both directions have, each with defaults of its own.
#[derive(Clone, Debug)]
pub struct Direction {
    /// None: as policy says.
    pub detect_timeout: Option<Duration>,
    pub connect_timeout: Duration,
    pub connect_backoff: Backoff,
    pub connect_keepalive: Option<Duration>,
    pub connect_user_timeout: Option<Duration>,
    pub accept_keepalive: Option<Duration>,
    pub accept_user_timeout: Option<Duration>,
    pub listen_backlog: Option<u32>,
    pub discovery_idle: Duration,
    pub pool_idle: Duration,
    pub max_idle_per_endpoint: usize,
    pub max_in_flight: usize,
    pub http_queue_capacity: usize,
    pub http_failfast: Duration,
    pub server: Http2,
}

struct Defaults {
    connect: Duration,
    longest_backoff: Duration,
    discovery_idle: Duration,
    failfast: Duration,
    max_idle_name: &'static str,
}

impl Direction {
    fn read(env: &Env<'_>, side: &str, defaults: &Defaults) -> Result<Self, ConfigError> {
        let name = |rest: &str| format!("{side}_{rest}");
        let time = |rest: &str, default| env.or(&name(rest), parse::duration, default);
        let maybe = |rest: &str| env.optional(&name(rest), parse::duration);
        let count = |name: &str, default| env.or(name, parse::count, default);
        Ok(Self {
            detect_timeout: maybe("DETECT_TIMEOUT")?,
            connect_timeout: time("CONNECT_TIMEOUT", defaults.connect)?,
            connect_backoff: Backoff::read(env, side, defaults.longest_backoff)?,
            connect_keepalive: maybe("CONNECT_KEEPALIVE")?,
            connect_user_timeout: maybe("CONNECT_USER_TIMEOUT")?,
            accept_keepalive: maybe("ACCEPT_KEEPALIVE")?,
            accept_user_timeout: maybe("ACCEPT_USER_TIMEOUT")?,
            listen_backlog: env.optional(&name("TCP_LISTEN_BACKLOG"), parse::window)?,
            discovery_idle: time("DISCOVERY_IDLE_TIMEOUT", defaults.discovery_idle)?,
            pool_idle: time("HTTP1_CONNECTION_POOL_IDLE_TIMEOUT", Duration::from_secs(3))?,
            max_idle_per_endpoint: count(defaults.max_idle_name, 10_000)?,
            max_in_flight: count(&name("MAX_IN_FLIGHT"), 100_000)?,
            http_queue_capacity: count(&name("HTTP_QUEUE_CAPACITY"), 10_000)?,
            http_failfast: time("HTTP_FAILFAST_TIMEOUT", defaults.failfast)?,
            server: Http2::read(env, side)?,
        })
    }
}

/// Waits between attempts to connect: doubling from `min` to `max`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub min: Duration,
    pub max: Duration,
    pub jitter: f64,
}

impl Backoff {
    fn read(env: &Env<'_>, side: &str, longest: Duration) -> Result<Self, ConfigError> {
        let [min_name, max_name, jitter_name] =
            ["MIN", "MAX", "JITTER"].map(|end| format!("{side}_CONNECT_EXP_BACKOFF_{end}"));
        let min = env.or(&min_name, parse::duration, Duration::from_millis(100))?;
        let max = env.or(&max_name, parse::duration, longest)?;
        if min > max {
            let (least, most) = (format!("{min:?}"), format!("{max:?}"));
            return Err(Env::out_of_order((&min_name, least), (&max_name, most)));
        }
        let jitter = env.or(&jitter_name, parse::jitter, 0.1)?;
        Ok(Self { min, max, jitter })
    }
}

/// How we serve HTTP/2. None leaves the library's own value.
#[derive(Clone, Copy, Debug)]
pub struct Http2 {
    pub stream_window: u32,
    pub connection_window: u32,
    pub is_window_adaptive: bool,
    /// Interval and time-out.
    pub keep_alive: Option<(Duration, Duration)>,
    pub max_concurrent_streams: Option<u32>,
    pub max_frame_size: u32,
    pub max_header_list_size: Option<u32>,
    pub max_pending_accept_reset_streams: Option<usize>,
    pub max_send_buffer: Option<usize>,
    /// HTTP/1's: in which the head of a connection's first request must be there, or of a later one once begun.
    pub head_timeout: Duration,
}

impl Http2 {
    fn read(env: &Env<'_>, side: &str) -> Result<Self, ConfigError> {
        let name = |rest: &str| format!("{side}_SERVER_HTTP2_{rest}");
        let window = |rest: &str, default| {
            let general = env.or(&format!("HTTP2_{rest}"), parse::window, default)?;
            env.or(&name(rest), parse::window, general)
        };
        let number = |rest: &str| env.optional(&name(rest), parse::window);
        let interval = env.optional(&name("KEEP_ALIVE_INTERVAL"), parse::duration)?;
        let timeout = env.optional(&name("KEEP_ALIVE_TIMEOUT"), parse::duration)?;
        Ok(Self {
            stream_window: window("INITIAL_STREAM_WINDOW_SIZE", 131_072)?,
            connection_window: window("INITIAL_CONNECTION_WINDOW_SIZE", CONNECTION_WINDOW)?,
            is_window_adaptive: env.or(&name("ADAPTIVE_FLOW_CONTROL"), parse::boolean, false)?,
            keep_alive: serve::keep_alive(interval, timeout),
            max_concurrent_streams: number("MAX_CONCURRENT_STREAMS")?,
            max_frame_size: number("MAX_FRAME_SIZE")?.unwrap_or(FRAME_SIZE),
            max_header_list_size: number("MAX_HEADER_LIST_SIZE")?,
            max_pending_accept_reset_streams: env
                .optional(&name("MAX_PENDING_ACCEPT_RESET_STREAMS"), parse::count)?,
            max_send_buffer: env.optional(&name("MAX_SEND_BUF_SIZE"), parse::count)?,
            head_timeout: env.or("HTTP1_HEADER_TIMEOUT", parse::duration, HEAD_TIMEOUT)?,
        })
    }
}

#[derive(Clone, Debug)]
pub struct Inbound {
    pub listen: SocketAddr,
    pub direction: Direction,
    /// The pod's own addresses; empty allows any original destination.
    pub ips: Vec<IpAddr>,
    /// Policies of these ports are watched from the start.
    pub ports: PortSet,
    pub opaque_ports: PortSet,
    pub identity_ports: PortSet,
    pub tls_ports: PortSet,
    pub default_policy: DefaultPolicy,
    /// Not empty: a gateway for names under these suffixes.
    pub gateway_suffixes: Vec<String>,
    pub has_authority_labels: bool,
}

impl Inbound {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let direction = Direction::read(
            env,
            "INBOUND",
            &Defaults {
                connect: Duration::from_millis(300),
                longest_backoff: Duration::from_secs(10),
                discovery_idle: Duration::from_secs(90),
                failfast: Duration::from_secs(1),
                max_idle_name: "MAX_IDLE_CONNS_PER_ENDPOINT",
            },
        )?;
        let listen = SocketAddr::from(([0, 0, 0, 0], 4143));
        let ports = |name: &str| env.or(name, parse::ports, PortSet::default());
        let gateways = env.optional("INBOUND_GATEWAY_SUFFIXES", parse::suffixes)?;
        Ok(Self {
            listen: env.or("INBOUND_LISTEN_ADDR", parse::address, listen)?,
            direction,
            ips: env.optional("INBOUND_IPS", parse::ips)?.unwrap_or_default(),
            ports: ports("INBOUND_PORTS")?,
            opaque_ports: ports("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION")?,
            identity_ports: ports("INBOUND_PORTS_REQUIRE_IDENTITY")?,
            tls_ports: ports("INBOUND_PORTS_REQUIRE_TLS")?,
            default_policy: DefaultPolicy::read(env)?,
            gateway_suffixes: gateways.unwrap_or_default(),
            has_authority_labels: env.or("INBOUND_METRICS_AUTHORITY_LABELS", unsafe_word, false)?,
        })
    }
}

fn unsafe_word(text: &str) -> Result<bool, &'static str> {
    match text {
        "unsafe" => Ok(true),
        "false" => Ok(false),
        _ => Err("unsafe (labels without bound) or false"),
    }
}

#[derive(Clone, Debug)]
pub struct Outbound {
    /// One per address family.
    pub listen: Vec<SocketAddr>,
    pub direction: Direction,
    pub tcp_queue_capacity: usize,
    pub tcp_failfast: Duration,
    pub is_ingress: bool,
    pub has_hostname_labels: bool,
    /// False: the application never sees `l5d-proxy-error` and its like.
    pub has_informational_headers: bool,
}

impl Outbound {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let direction = Direction::read(
            env,
            "OUTBOUND",
            &Defaults {
                connect: Duration::from_secs(1),
                longest_backoff: Duration::from_secs(10),
                discovery_idle: Duration::from_secs(5),
                failfast: Duration::from_secs(3),
                max_idle_name: "OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT",
            },
        )?;
        let older = SocketAddr::from(([127, 0, 0, 1], 4140));
        let older = env.or("OUTBOUND_LISTEN_ADDR", parse::address, older)?;
        let is_silent = env.or(
            "OUTBOUND_DISABLE_INFORMATIONAL_HEADERS",
            parse::boolean,
            false,
        )?;
        Ok(Self {
            listen: env.or("OUTBOUND_LISTEN_ADDRS", parse::addresses, vec![older])?,
            direction,
            tcp_queue_capacity: env.or("OUTBOUND_TCP_QUEUE_CAPACITY", parse::count, 10_000)?,
            tcp_failfast: env.or(
                "OUTBOUND_TCP_FAILFAST_TIMEOUT",
                parse::duration,
                Duration::from_secs(3),
            )?,
            is_ingress: env.or("INGRESS_MODE", parse::boolean, false)?,
            has_hostname_labels: env.or(
                "OUTBOUND_METRICS_HOSTNAME_LABELS",
                parse::boolean,
                false,
            )?,
            has_informational_headers: !is_silent,
        })
    }
}
