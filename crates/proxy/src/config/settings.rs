//! The groups of settings, one struct per room that asks for them.

mod control;
mod traffic;

use std::net::SocketAddr;
use std::time::Duration;

pub use control::{
    ControlService, DefaultPolicy, Destination, Dns, Identity, Policy, StreamTimeouts, Trace,
};
pub use traffic::{Backoff, Direction, Http2, Inbound, Outbound};

use super::MINUTE;
use super::env::{ConfigError, Env};
use super::parse;

/// How many threads carry traffic.
#[derive(Clone, Copy, Debug)]
pub struct Workers {
    pub min: usize,
    pub max: Option<usize>,
    pub max_ratio: Option<f64>,
}

impl Workers {
    pub(super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let min = match env.optional("CORES_MIN", parse::count)? {
            Some(min) => min,
            None => env.or("CORES", parse::count, 1)?,
        };
        Ok(Self {
            min: min.max(1),
            max: env
                .optional("CORES_MAX", parse::count)?
                .filter(|&max| max > 0),
            max_ratio: env.optional("CORES_MAX_RATIO", parse::ratio)?,
        })
    }

    /// The ratio of the CPUs that there are, or else the maximum; at least the minimum; never
    /// more than there are.
    pub fn threads(&self, available: usize) -> usize {
        let by_ratio = self
            .max_ratio
            .map(|ratio| (available as f64 * ratio).round() as usize);
        let most = self.max.unwrap_or(usize::MAX);
        let wanted = by_ratio.or(self.max).unwrap_or(self.min).min(most);
        wanted.max(self.min).clamp(1, available.max(1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Plain,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLogFormat {
    Apache,
    Json,
}

#[derive(Clone, Debug)]
pub struct Logs {
    pub filter: String,
    pub format: LogFormat,
    pub access: Option<AccessLogFormat>,
}

impl Logs {
    pub const DEFAULT_FILTER: &'static str = "warn,linkerd=info,hickory=error";

    pub(super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let filter = env.text("LOG");
        Ok(Self {
            filter: filter.unwrap_or_else(|| Self::DEFAULT_FILTER.to_string()),
            format: env.or("LOG_FORMAT", log_format, LogFormat::Plain)?,
            access: env.optional("ACCESS_LOG", access_log_format)?.flatten(),
        })
    }
}

fn log_format(text: &str) -> Result<LogFormat, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "plain" => Ok(LogFormat::Plain),
        "json" => Ok(LogFormat::Json),
        _ => Err("plain or json"),
    }
}

fn access_log_format(text: &str) -> Result<Option<AccessLogFormat>, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "apache" => Ok(Some(AccessLogFormat::Apache)),
        "json" => Ok(Some(AccessLogFormat::Json)),
        "none" | "off" => Ok(None),
        _ => Err("apache, json or none"),
    }
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub listen: SocketAddr,
    pub is_shutdown_enabled: bool,
    /// Series that nothing touched for this long leave the exposition.
    pub metrics_retain_idle: Duration,
    /// What is beyond is counted as a family's overflow.
    pub metrics_max_series: usize,
    /// Labels that counters and histograms do not have.
    pub metrics_dropped_labels: Vec<String>,
}

impl Admin {
    /// About 20 MiB of series and 8 MiB of text; a proxy with 300 destinations has a third of it.
    pub const MAX_SERIES: usize = 50_000;

    pub(super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 4191));
        Ok(Self {
            listen: env.or("ADMIN_LISTEN_ADDR", parse::address, listen)?,
            is_shutdown_enabled: env.or("SHUTDOWN_ENDPOINT_ENABLED", parse::boolean, false)?,
            metrics_retain_idle: env.or("METRICS_RETAIN_IDLE", parse::duration, MINUTE * 10)?,
            metrics_max_series: env.or("METRICS_MAX_SERIES", parse::count, Self::MAX_SERIES)?,
            metrics_dropped_labels: env.or("METRICS_DROP_LABELS", labels, Vec::new())?,
        })
    }
}

/// Without these a sum would say nothing.
const NEEDED_LABELS: [&str; 4] = ["direction", "peer", "tls", "le"];

fn labels(list: &str) -> Result<Vec<String>, &'static str> {
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let is_label = |name: &&str| {
        let mut bytes = name.bytes();
        let is_begun = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        is_begun && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_right = |name: &&str| is_label(name) && !NEEDED_LABELS.contains(name);
    match names.clone().all(|name| is_right(&name)) {
        true => Ok(names.map(str::to_string).collect()),
        false => Err(
            "a list of labels such as target_addr,authority, and none of direction, peer, tls, le",
        ),
    }
}

#[derive(Clone, Debug)]
pub struct Tap {
    pub listen: SocketAddr,
    /// The only identity that may tap.
    pub client: String,
}

impl Tap {
    pub(super) fn read(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let listen = SocketAddr::from(([0, 0, 0, 0], 4190));
        let listen = env.or("CONTROL_LISTEN_ADDR", parse::address, listen)?;
        let client = env.optional("TAP_SVC_NAME", parse::identity)?;
        Ok(client.map(|client| Self { listen, client }))
    }
}
