//! The proxy's settings, read once from `LINKERD2_PROXY_*` variables. Those not named here are
//! ignored; one that is malformed stops the start with a sentence that names it.

mod env;
mod parse;
mod settings;
#[cfg(test)]
mod tests;
mod unheeded;

use std::time::Duration;

pub use env::ConfigError;
use env::Env;
pub use parse::{PortSet, duration};
pub use settings::{
    AccessLogFormat, Admin, Backoff, ControlService, DefaultPolicy, Destination, Direction, Dns,
    Http2, Identity, Inbound, LogFormat, Logs, Outbound, Policy, StreamTimeouts, Tap, Trace,
    Workers,
};

/// Everything the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    pub workers: Workers,
    pub logs: Logs,
    pub admin: Admin,
    /// None: nobody may tap.
    pub tap: Option<Tap>,
    pub inbound: Inbound,
    pub outbound: Outbound,
    pub destination: Destination,
    pub policy: Policy,
    pub identity: Identity,
    pub control_streams: StreamTimeouts,
    pub trace: Option<Trace>,
    pub dns: Dns,
    pub shutdown_grace: Duration,
}

impl Config {
    /// `variable` gives a variable's value, so that tests need not touch the process.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let env = Env::new(&variable);
        Ok(Self {
            workers: Workers::read(&env)?,
            logs: Logs::read(&env)?,
            admin: Admin::read(&env)?,
            tap: Tap::read(&env)?,
            inbound: Inbound::read(&env)?,
            outbound: Outbound::read(&env)?,
            destination: Destination::read(&env)?,
            policy: Policy::read(&env)?,
            identity: Identity::read(&env)?,
            control_streams: StreamTimeouts::read(&env)?,
            trace: Trace::read(&env)?,
            dns: Dns::read(&env)?,
            shutdown_grace: env.or("SHUTDOWN_GRACE_PERIOD", parse::duration, MINUTE * 2)?,
        })
    }
}

const MINUTE: Duration = Duration::from_secs(60);
