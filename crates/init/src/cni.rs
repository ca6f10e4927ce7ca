//! `tulle-init` as a chained CNI plugin: the container runtime runs it when a pod's network
//! namespace is made, so a meshed pod needs no init container and no capability of its own.
//!
//! What is to be redirected comes from the injector, in an annotation of the pod. The runtime hands
//! a pod's annotations to plugins that ask for them, so no API server is asked and no token kept.

pub mod installer;
mod volume;

use crate::apply::{self, ApplyError};
use crate::args::{self, ArgsError, Command};
use crate::gate::{self, GateError};
use crate::witness;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

pub const COMMAND: &str = "CNI_COMMAND";
/// The plugin's name: its `type` in a network's configuration, and its file's name.
pub const TYPE: &str = "tulle-cni";
/// The flags of `tulle-init iptables` for this pod, as the injector wrote them.
const REDIRECT: &str = "linkerd.io/redirect";
/// Set by the injector where only the gate keeps the application from starting without its proxy.
const GATE: &str = "linkerd.io/gate";
const GATE_VOLUME: &str = "tulle-gate";
/// In what the runtime says of the pod (CNI_ARGS), containerd's and CRI-O's word for its uid.
const UID: &str = "K8S_POD_UID=";
/// By this name containerd (1.6 and newer) and CRI-O hand a pod's annotations to a plugin.
pub const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";
const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const NEWEST: &str = "1.0.0";

#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("the network's configuration on standard input cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("the network's configuration on standard input is not JSON: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error(
        "{TYPE} stands first in its network: it must follow the plugin that makes the pod's interface"
    )]
    First,
    #[error(
        "CNI_NETNS is not set: the container runtime did not say which network namespace is the pod's"
    )]
    NoNamespace,
    #[error(
        "the pod's annotation {REDIRECT} is not the injector's: {0}; delete the pod, so that it is made anew"
    )]
    Annotation(ArgsError),
    #[error("the pod's annotation {REDIRECT} asks for something other than a redirect")]
    OtherTask,
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(transparent)]
    Gate(#[from] GateError),
    #[error(
        "the pod's volume {GATE_VOLUME} is not among the mounts that {TYPE} sees, so nothing would keep its \
         application from starting without its proxy: the container runtime and the kubelet must share a \
         mount namespace; config.linkerd.io/proxy-enable-native-sidecar: \"true\" needs no such volume"
    )]
    NoGate,
    #[error("the mounts cannot be listed: {0}")]
    Mounts(io::Error),
    #[error("the redirect's mark cannot be set in the pod's network namespace: {0}")]
    Mark(io::Error),
    #[error("the pod is to be redirected, and its network namespace bears no mark of it")]
    NotRedirected,
    #[error("{COMMAND} is `{0}`, which the CNI specification does not have")]
    UnknownCommand(String),
}

impl PluginError {
    /// The CNI specification's code; from 100 on they are the plugin's own.
    fn code(&self) -> u32 {
        match self {
            PluginError::UnknownCommand(_) | PluginError::NoNamespace => 4,
            PluginError::Unreadable(_) => 5,
            PluginError::Malformed(_) => 6,
            PluginError::First => 7,
            _ => 100,
        }
    }
}

/// What goes to standard output, and whether the call succeeded.
pub struct Answer {
    pub text: String,
    pub is_success: bool,
}

pub fn run(command: &str) -> Answer {
    let mut input = String::new();
    let read = io::stdin().read_to_string(&mut input);
    let namespace = std::env::var_os("CNI_NETNS").filter(|path| !path.is_empty());
    let done = read
        .map_err(PluginError::from)
        .and_then(|_| answer(command, &input, namespace.map(PathBuf::from)));
    match done {
        Ok(text) => Answer {
            text,
            is_success: true,
        },
        Err(error) => {
            eprintln!("{TYPE}: {error}");
            let code = error.code();
            let failure = json!({"cniVersion": NEWEST, "code": code, "msg": error.to_string()});
            Answer {
                text: failure.to_string(),
                is_success: false,
            }
        }
    }
}

fn answer(command: &str, input: &str, netns: Option<PathBuf>) -> Result<String, PluginError> {
    match command {
        "VERSION" => Ok(json!({"cniVersion": NEWEST, "supportedVersions": VERSIONS}).to_string()),
        // The namespace goes, and its rules with it.
        "DEL" | "GC" | "STATUS" => Ok(String::new()),
        "ADD" => {
            let network: Value = serde_json::from_str(input)?;
            let result = network.get("prevResult").ok_or(PluginError::First)?;
            if let Some(flags) = annotation(&network, REDIRECT) {
                if annotation(&network, GATE).is_some() {
                    close_gate(&std::env::var("CNI_ARGS").unwrap_or_default())?;
                }
                add(flags, netns.ok_or(PluginError::NoNamespace)?)?;
            }
            Ok(result.to_string())
        }
        "CHECK" => {
            let network: Value = serde_json::from_str(input)?;
            if annotation(&network, REDIRECT).is_some() {
                apply::enter(&netns.ok_or(PluginError::NoNamespace)?)?;
                if !witness::is_set_here().map_err(PluginError::Mark)? {
                    return Err(PluginError::NotRedirected);
                }
            }
            Ok(String::new())
        }
        other => Err(PluginError::UnknownCommand(other.to_owned())),
    }
}

fn add(flags: &str, netns: PathBuf) -> Result<(), PluginError> {
    let words = flags.split_whitespace().map(OsString::from);
    let words = std::iter::once(OsString::from("iptables")).chain(words);
    let Command::Iptables(mut options) = args::parse(words).map_err(PluginError::Annotation)?
    else {
        return Err(PluginError::OtherTask);
    };
    // Whoever may write a pod's annotations has a say over that pod's namespace, and no other.
    options.netns = Some(netns);
    options.is_simulated = false;
    apply::redirect_at_once(&options)?;
    witness::set_here().map_err(PluginError::Mark)
}

/// No container of the pod runs yet. Its proxy closes the gate as well, but not if its image is missing.
fn close_gate(told: &str) -> Result<(), PluginError> {
    let uid = told.split(';').find_map(|word| word.strip_prefix(UID));
    let volume = volume::find(uid.unwrap_or_default(), GATE_VOLUME).map_err(PluginError::Mounts)?;
    Ok(gate::close_anew(&volume.ok_or(PluginError::NoGate)?)?)
}

/// What the injector wrote for this plugin; None for a pod without proxy.
fn annotation<'a>(network: &'a Value, name: &str) -> Option<&'a str> {
    let annotations: &Map<_, _> = network
        .get("runtimeConfig")?
        .get(ANNOTATIONS)?
        .as_object()?;
    annotations.get(name)?.as_str()
}

#[cfg(test)]
mod tests;
