//! Settings about the control plane: where its services are, and who we are to them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::super::MINUTE;
use super::super::env::{ConfigError, Env};
use super::super::parse;

const INJECTED: &str = "the injector sets it; is this pod's proxy container its work?";

/// A control-plane service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlService {
    pub host: String,
    pub port: u16,
    /// Whom it must prove to be; None on loopback, where nothing is encrypted.
    pub name: Option<String>,
}

impl ControlService {
    fn read(env: &Env<'_>, base: &str) -> Result<Option<Self>, ConfigError> {
        let address = env.optional(&format!("{base}_ADDR"), parse::authority)?;
        let Some((host, port)) = address else {
            return Ok(None);
        };
        let is_loopback = match host.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => host.trim_end_matches('.') == "localhost",
        };
        let name_variable = format!("{base}_NAME");
        let name = match is_loopback {
            true => None,
            false => Some(env.required(
                &name_variable,
                parse::identity,
                "a service that is not on loopback must prove its identity",
            )?),
        };
        Ok(Some(Self { host, port, name }))
    }

    fn required(env: &Env<'_>, base: &str) -> Result<Self, ConfigError> {
        let missing = || Env::missing(&format!("{base}_ADDR"), INJECTED);
        Self::read(env, base)?.ok_or_else(missing)
    }
}

#[derive(Clone, Debug)]
pub struct Destination {
    pub service: ControlService,
    /// Opaque to us: the destination service wrote it and reads it.
    pub context: String,
    /// Only addresses in these are looked up; empty: all are.
    pub networks: Vec<IpNet>,
    /// Names without one of these are not looked up; the empty suffix matches any.
    pub suffixes: Vec<String>,
    pub initial_timeout: Duration,
}

impl Destination {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let suffixes = vec!["svc.cluster.local".to_string()];
        Ok(Self {
            service: ControlService::required(env, "DESTINATION_SVC")?,
            context: env.text("DESTINATION_CONTEXT").unwrap_or_default(),
            networks: env
                .optional("DESTINATION_PROFILE_NETWORKS", parse::networks)?
                .unwrap_or_default(),
            suffixes: env.or("DESTINATION_PROFILE_SUFFIXES", parse::suffixes, suffixes)?,
            initial_timeout: env.or(
                "DESTINATION_PROFILE_INITIAL_TIMEOUT",
                parse::duration,
                Duration::from_millis(500),
            )?,
        })
    }
}

#[derive(Clone, Debug)]
pub struct Policy {
    pub service: ControlService,
    /// Our pod, in the policy service's own words.
    pub workload: String,
    pub cluster_networks: Vec<IpNet>,
}

impl Policy {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let networks = env.optional("POLICY_CLUSTER_NETWORKS", parse::networks)?;
        Ok(Self {
            service: ControlService::required(env, "POLICY_SVC")?,
            workload: env.required("POLICY_WORKLOAD", parse::text, INJECTED)?,
            cluster_networks: networks.unwrap_or_default(),
        })
    }
}

/// What holds for a port until the policy service answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultPolicy {
    AllUnauthenticated,
    AllAuthenticated,
    ClusterUnauthenticated,
    ClusterAuthenticated,
    Deny,
    Audit,
}

impl DefaultPolicy {
    pub(super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        env.or(
            "INBOUND_DEFAULT_POLICY",
            default_policy,
            Self::AllUnauthenticated,
        )
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllUnauthenticated => "all-unauthenticated",
            Self::AllAuthenticated => "all-authenticated",
            Self::ClusterUnauthenticated => "cluster-unauthenticated",
            Self::ClusterAuthenticated => "cluster-authenticated",
            Self::Deny => "deny",
            Self::Audit => "audit",
        }
    }
}

fn default_policy(text: &str) -> Result<DefaultPolicy, &'static str> {
    [
        DefaultPolicy::AllUnauthenticated,
        DefaultPolicy::AllAuthenticated,
        DefaultPolicy::ClusterUnauthenticated,
        DefaultPolicy::ClusterAuthenticated,
        DefaultPolicy::Deny,
        DefaultPolicy::Audit,
    ]
    .into_iter()
    .find(|policy| policy.as_str() == text)
    .ok_or(
        "all-unauthenticated, all-authenticated, cluster-unauthenticated, \
         cluster-authenticated, deny or audit",
    )
}

#[derive(Clone, Debug)]
pub struct Identity {
    pub service: ControlService,
    /// Holds `key.p8` and `csr.der`.
    pub dir: PathBuf,
    pub trust_anchors: String,
    pub token_file: PathBuf,
    /// What our leaf says we are; a `spiffe://` id only together with `server_name`.
    pub local_name: String,
    /// The SNI by which peers ask for us.
    pub server_name: String,
    pub min_refresh: Duration,
    pub max_refresh: Duration,
    /// The workload API's socket, where SPIRE certifies instead of the identity service.
    pub spire_socket: Option<String>,
}

impl Identity {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        env.optional("IDENTITY_DISABLED", disabled)?;
        let (local_name, server_name) = Self::names(env)?;
        let spire = env.text("IDENTITY_SPIRE_WORKLOAD_API_ADDRESS");
        let path = |name| env.required(name, parse::text, INJECTED).map(PathBuf::from);
        let min_refresh = Duration::from_secs(10);
        let min_refresh = env.or("IDENTITY_MIN_REFRESH", parse::duration, min_refresh)?;
        let max_refresh = env.or("IDENTITY_MAX_REFRESH", parse::duration, MINUTE * 60 * 24)?;
        if min_refresh > max_refresh {
            let (min, max) = (format!("{min_refresh:?}"), format!("{max_refresh:?}"));
            let (left, right) = ("IDENTITY_MIN_REFRESH", "IDENTITY_MAX_REFRESH");
            return Err(Env::out_of_order((left, min), (right, max)));
        }
        Ok(Self {
            service: ControlService::required(env, "IDENTITY_SVC")?,
            dir: path("IDENTITY_DIR")?,
            trust_anchors: env.required("IDENTITY_TRUST_ANCHORS", trust_bundle, INJECTED)?,
            token_file: path("IDENTITY_TOKEN_FILE")?,
            local_name,
            server_name,
            min_refresh,
            max_refresh,
            spire_socket: spire.or_else(|| env.text("IDENTITY_SPIRE_SOCKET")),
        })
    }

    fn names(env: &Env<'_>) -> Result<(String, String), ConfigError> {
        let id = env.optional("IDENTITY_SERVER_ID", parse::identity)?;
        let server_name = env.optional("IDENTITY_SERVER_NAME", parse::identity)?;
        if let (Some(id), Some(server_name)) = (id, server_name) {
            return Ok((id, server_name));
        }
        let local = env.required("IDENTITY_LOCAL_NAME", parse::identity, INJECTED)?;
        Ok((local.clone(), local))
    }
}

/// Linkerd's proxy refuses it too, whatever it says.
fn disabled(_text: &str) -> Result<(), &'static str> {
    Err("possible: every proxy of the mesh proves who it is; unset it")
}

/// PEM, before anything tries its certificates.
fn trust_bundle(text: &str) -> Result<String, &'static str> {
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(text.to_string()),
        false => Err("a bundle of PEM certificates"),
    }
}

/// None: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTimeouts {
    pub initial: Option<Duration>,
    pub idle: Option<Duration>,
    pub lifetime: Option<Duration>,
}

impl StreamTimeouts {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        let names = ["INITIAL_TIMEOUT", "IDLE_TIMEOUT", "LIFETIME"]
            .map(|end| format!("CONTROL_STREAM_{end}"));
        let read = |name: &str| env.optional(name, parse::duration);
        let limits = [read(&names[0])?, read(&names[1])?, read(&names[2])?];
        for (left, right) in [(0, 1), (0, 2), (1, 2)] {
            if let (Some(shorter), Some(longer)) = (limits[left], limits[right])
                && shorter > longer
            {
                let (shorter, longer) = (format!("{shorter:?}"), format!("{longer:?}"));
                return Err(Env::out_of_order(
                    (&names[left], shorter),
                    (&names[right], longer),
                ));
            }
        }
        let [initial, idle, lifetime] = limits;
        Ok(Self {
            initial,
            idle,
            lifetime,
        })
    }
}

#[derive(Clone, Debug)]
pub struct Trace {
    pub service: ControlService,
    pub service_name: String,
    /// `key=value` lines of the pod's labels.
    pub attributes_path: Option<PathBuf>,
    pub annotations_path: Option<PathBuf>,
    pub extra_attributes: Vec<(String, String)>,
}

impl Trace {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Option<Self>, ConfigError> {
        let Some(service) = ControlService::read(env, "TRACE_COLLECTOR_SVC")? else {
            return Ok(None);
        };
        env.optional("TRACE_PROTOCOL", trace_protocol)?;
        let pairs = |text: Option<String>| attributes(&text.unwrap_or_default());
        let mut extra_attributes = pairs(env.foreign("OTEL_RESOURCE_ATTRIBUTES"));
        extra_attributes.extend(pairs(env.text("TRACE_EXTRA_ATTRIBUTES")));
        let service_name = env.text("TRACE_SERVICE_NAME");
        Ok(Some(Self {
            service,
            service_name: service_name.unwrap_or_else(|| "linkerd-proxy".to_string()),
            attributes_path: env.text("TRACE_ATTRIBUTES_PATH").map(PathBuf::from),
            annotations_path: env.text("TRACE_ANNOTATIONS_PATH").map(PathBuf::from),
            extra_attributes,
        }))
    }
}

fn trace_protocol(text: &str) -> Result<(), &'static str> {
    match text {
        "opentelemetry" => Ok(()),
        _ => Err("opentelemetry"),
    }
}

fn attributes(text: &str) -> Vec<(String, String)> {
    text.split([',', '\n'])
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| {
            (
                key.trim().to_string(),
                value.trim().trim_matches('"').to_string(),
            )
        })
        .collect()
}

/// Bounds on how long an answer of the resolver is believed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dns {
    pub min_ttl: Option<Duration>,
    pub max_ttl: Option<Duration>,
}

impl Dns {
    pub(in super::super) fn read(env: &Env<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            min_ttl: env.optional("DNS_MIN_TTL", parse::duration)?,
            max_ttl: env.optional("DNS_MAX_TTL", parse::duration)?,
        })
    }
}
