//! The command line as typed: which task, with which settings. Flags alone (no task) mean
//! `iptables`, because that is how the injected init container is started.

use crate::cni::installer::Folders;
use crate::log::{Format, Level, Log};
use crate::rules::{Ports, Redirect, Settings, Subnet};
use lexopt::{Arg, Parser, ValueExt};
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

pub const HELP: &str = "\
usage: tulle-init iptables [FLAG…]          redirect this pod's TCP traffic to the proxy
       tulle-init run -- PROGRAM [ARG…]     write key and CSR to $LINKERD2_PROXY_IDENTITY_DIR, then become PROGRAM
       tulle-init await [--port 4191] [--timeout 120s]   wait until the proxy is ready
       tulle-init sleep SECONDS             wait (as a preStop hook)
       tulle-init await-end --ports LIST [--address IP]   wait until none of the application's ports is open
                                            (as a preStop hook; the address is the pod's, by default)
       tulle-init cni install|check [--bin-dir DIR] [--net-dir DIR]
                                            keep this program in the node's networks as the CNI plugin
                                            tulle-cni until it is told to end; or say whether it is there
       tulle-init --version | --help

flags of iptables:
  -p, --incoming-proxy-port PORT      where inbound connections go (required)
  -o, --outgoing-proxy-port PORT      where outbound connections go (required)
  -u, --proxy-uid UID                 the proxy's own traffic is not redirected
  -g, --proxy-gid GID                 the same by group
      --inbound-ports-to-ignore LIST  ports and ranges, for example 22,4000-4100
      --outbound-ports-to-ignore LIST
  -r, --ports-to-redirect LIST        redirect only these inbound ports
      --subnets-to-ignore LIST        inbound connections from these networks are not redirected
      --timeout-close-wait-secs N     sets nf_conntrack_tcp_timeout_close_wait
      --ipv6[=false]                  ip6tables too (default true)
      --iptables-mode MODE            legacy, nft or plain; the others are tried if it does not work
      --firewall-bin-path NAME        iptables, iptables-legacy or iptables-nft
      --firewall-save-bin-path NAME   the same with -save
      --netns PATH                    work in this network namespace
      --simulate                      log the commands without running them
  -w, --use-wait-flag                 always on: commands wait for the xtables lock
      --log-format FORMAT             plain or json
      --log-level LEVEL               error, warn, info or debug
";

#[derive(Debug)]
pub enum Command {
    Help,
    Version,
    Iptables(Box<IptablesOptions>),
    Run(Vec<OsString>),
    Await { port: u16, timeout: Duration },
    Sleep(Duration),
    AwaitEnd { address: IpAddr, ports: Vec<u16> },
    InstallPlugin(Folders),
    CheckPlugin(Folders),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Legacy,
    Nft,
    Plain,
}

#[derive(Debug)]
pub struct IptablesOptions {
    pub settings: Settings,
    pub mode: Mode,
    pub ipv6: bool,
    pub close_wait_seconds: u32,
    pub netns: Option<PathBuf>,
    pub is_simulated: bool,
    pub log_format: Format,
    pub log_level: Level,
}

impl IptablesOptions {
    pub fn log(&self) -> Log {
        Log {
            format: self.log_format,
            most: self.log_level,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    #[error("{0}; `tulle-init --help` lists what there is")]
    Usage(#[from] lexopt::Error),
    #[error("--{flag}: `{value}` is not {expected}")]
    Value {
        flag: String,
        value: String,
        expected: &'static str,
    },
    #[error("--{0} is missing: without it there is no port to redirect to")]
    Missing(&'static str),
    #[error("run: name the program to start, as in `tulle-init run -- /usr/lib/tulle/tulle-proxy`")]
    NoProgram,
    #[error("sleep: name the number of seconds, as in `tulle-init sleep 5`")]
    NoSeconds,
    #[error("cni: say `install` or `check`")]
    NoStep,
    #[error("`{0}` is not a task of tulle-init; `tulle-init --help` lists them")]
    UnknownTask(String),
}

/// `words` are the arguments after the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, ArgsError> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let task = words.first().and_then(|word| word.to_str());
    match task {
        None | Some("-h" | "--help" | "help") => Ok(Command::Help),
        Some("-V" | "--version" | "version") => Ok(Command::Version),
        Some(flag) if flag.starts_with('-') => iptables(words),
        Some("iptables") => iptables(words.split_off(1)),
        Some("run") => run(words.split_off(1)),
        Some("await") => wait(words.split_off(1)),
        Some("await-end") => await_end(words.split_off(1)),
        Some("sleep") => sleep(words.split_off(1)),
        Some("cni") => cni(words.split_off(1)),
        Some(other) => Err(ArgsError::UnknownTask(other.to_owned())),
    }
}

fn run(mut words: Vec<OsString>) -> Result<Command, ArgsError> {
    if words.first().is_some_and(|word| word == "--") {
        words.remove(0);
    }
    if words.is_empty() {
        return Err(ArgsError::NoProgram);
    }
    Ok(Command::Run(words))
}

fn wait(words: Vec<OsString>) -> Result<Command, ArgsError> {
    let (mut port, mut timeout) = (4191, Duration::from_secs(120));
    let mut parser = Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("port") => port = parser.value()?.parse()?,
            Arg::Long("timeout") => timeout = duration("timeout", &parser.value()?.string()?)?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Await { port, timeout })
}

fn await_end(words: Vec<OsString>) -> Result<Command, ArgsError> {
    let (mut address, mut ports) = (pod_address(), Vec::new());
    let mut parser = Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("ports") => ports.append(&mut list(&mut parser, "ports", "a port")?),
            Arg::Long("address") => address = parser.value()?.parse()?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::AwaitEnd { address, ports })
}

/// The first of the pod's addresses, as the injector has the kubelet say them.
fn pod_address() -> IpAddr {
    let told = std::env::var("LINKERD2_PROXY_INBOUND_IPS").unwrap_or_default();
    let first = told.split(',').next().and_then(|text| text.parse().ok());
    first.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

fn sleep(words: Vec<OsString>) -> Result<Command, ArgsError> {
    let [word] = words.as_slice() else {
        return Err(ArgsError::NoSeconds);
    };
    let seconds = word.to_string_lossy().parse::<u32>();
    let seconds = seconds.map_err(|_| ArgsError::NoSeconds)?;
    Ok(Command::Sleep(Duration::from_secs(seconds.into())))
}

fn cni(words: Vec<OsString>) -> Result<Command, ArgsError> {
    let mut folders = Folders::default();
    let mut step = None;
    let mut parser = Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("bin-dir") => folders.binaries = parser.value()?.into(),
            Arg::Long("net-dir") => folders.networks = parser.value()?.into(),
            Arg::Value(word) if step.is_none() => step = Some(word),
            other => return Err(other.unexpected().into()),
        }
    }
    match step.as_deref().and_then(|word| word.to_str()) {
        Some("install") => Ok(Command::InstallPlugin(folders)),
        Some("check") => Ok(Command::CheckPlugin(folders)),
        _ => Err(ArgsError::NoStep),
    }
}

fn duration(flag: &str, text: &str) -> Result<Duration, ArgsError> {
    humantime::parse_duration(text)
        .map_err(|_| refused(flag, text, "a duration such as 120s or 2m"))
}

fn refused(flag: &str, value: &str, expected: &'static str) -> ArgsError {
    ArgsError::Value {
        flag: flag.to_owned(),
        value: value.to_owned(),
        expected,
    }
}

/// The flags as they are typed, before they are known to make sense together.
#[derive(Default)]
struct Typed {
    inbound_port: Option<u16>,
    outbound_port: Option<u16>,
    proxy_uid: Option<i64>,
    proxy_gid: Option<i64>,
    ports_to_redirect: Vec<u16>,
    inbound_ignored: Vec<Ports>,
    outbound_ignored: Vec<Ports>,
    subnets_ignored: Vec<Subnet>,
    close_wait_seconds: u32,
    netns: Option<PathBuf>,
    is_simulated: bool,
    has_ipv6: Option<bool>,
    mode: Option<Mode>,
    firewall_bin: Option<Mode>,
    log_format: Format,
    log_level: Level,
}

fn iptables(words: Vec<OsString>) -> Result<Command, ArgsError> {
    let mut typed = Typed::default();
    let mut parser = Parser::from_args(words);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Long(name) => {
                let name = name.to_owned();
                long_flag(&mut typed, &mut parser, &name)?;
            }
            Arg::Short(letter) => {
                let name = long_name(letter).ok_or(Arg::Short(letter).unexpected())?;
                long_flag(&mut typed, &mut parser, name)?;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    typed.options()
}

fn long_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'p' => "incoming-proxy-port",
        'o' => "outgoing-proxy-port",
        'u' => "proxy-uid",
        'g' => "proxy-gid",
        'r' => "ports-to-redirect",
        'w' => "use-wait-flag",
        _ => return None,
    })
}

fn long_flag(typed: &mut Typed, parser: &mut Parser, name: &str) -> Result<(), ArgsError> {
    match name {
        "incoming-proxy-port" => typed.inbound_port = Some(parser.value()?.parse()?),
        "outgoing-proxy-port" => typed.outbound_port = Some(parser.value()?.parse()?),
        "proxy-uid" => typed.proxy_uid = Some(parser.value()?.parse()?),
        "proxy-gid" => typed.proxy_gid = Some(parser.value()?.parse()?),
        "ports-to-redirect" => typed
            .ports_to_redirect
            .append(&mut list(parser, name, "a port")?),
        "inbound-ports-to-ignore" => typed
            .inbound_ignored
            .append(&mut list(parser, name, PORTS)?),
        "outbound-ports-to-ignore" => typed
            .outbound_ignored
            .append(&mut list(parser, name, PORTS)?),
        "subnets-to-ignore" => typed
            .subnets_ignored
            .append(&mut list(parser, name, NETWORK)?),
        "timeout-close-wait-secs" => typed.close_wait_seconds = parser.value()?.parse()?,
        "netns" => typed.netns = path(parser.value()?),
        "simulate" => typed.is_simulated = switch(parser, "simulate")?,
        "ipv6" => typed.has_ipv6 = Some(switch(parser, "ipv6")?),
        "use-wait-flag" => drop(switch(parser, "use-wait-flag")?),
        "iptables-mode" => typed.mode = mode(&parser.value()?.string()?)?,
        "firewall-bin-path" => typed.firewall_bin = binary(&parser.value()?.string()?)?,
        "firewall-save-bin-path" => drop(binary(&parser.value()?.string()?)?),
        "log-format" => typed.log_format = format(&parser.value()?.string()?)?,
        "log-level" => typed.log_level = level(&parser.value()?.string()?)?,
        _ => return Err(Arg::Long(name).unexpected().into()),
    }
    Ok(())
}

const PORTS: &str = "a port or a range such as 4000-4100";
const NETWORK: &str = "a network such as 10.0.0.0/8";

fn list<T: FromStr>(
    parser: &mut Parser,
    flag: &str,
    expected: &'static str,
) -> Result<Vec<T>, ArgsError> {
    let text = parser.value()?.string()?;
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words
        .map(|word| word.parse().map_err(|_| refused(flag, word, expected)))
        .collect()
}

/// A flag that may stand alone or be given a value after `=`, as Go's do.
fn switch(parser: &mut Parser, flag: &str) -> Result<bool, ArgsError> {
    let Some(value) = parser.optional_value() else {
        return Ok(true);
    };
    match value.to_string_lossy().as_ref() {
        "true" | "1" | "t" => Ok(true),
        "false" | "0" | "f" => Ok(false),
        other => Err(refused(flag, other, "true or false")),
    }
}

fn path(value: OsString) -> Option<PathBuf> {
    (!value.is_empty()).then(|| value.into())
}

fn mode(text: &str) -> Result<Option<Mode>, ArgsError> {
    Ok(Some(match text {
        "" => return Ok(None),
        "legacy" => Mode::Legacy,
        "nft" => Mode::Nft,
        "plain" => Mode::Plain,
        other => return Err(refused("iptables-mode", other, "legacy, nft or plain")),
    }))
}

fn binary(text: &str) -> Result<Option<Mode>, ArgsError> {
    Ok(Some(match text.strip_suffix("-save").unwrap_or(text) {
        "" => return Ok(None),
        "iptables-legacy" => Mode::Legacy,
        "iptables-nft" => Mode::Nft,
        "iptables" => Mode::Plain,
        _ => {
            let expected = "iptables, iptables-legacy or iptables-nft";
            return Err(refused("firewall-bin-path", text, expected));
        }
    }))
}

fn format(text: &str) -> Result<Format, ArgsError> {
    match text {
        "plain" => Ok(Format::Plain),
        "json" => Ok(Format::Json),
        other => Err(refused("log-format", other, "plain or json")),
    }
}

fn level(text: &str) -> Result<Level, ArgsError> {
    match text {
        "panic" | "fatal" | "error" => Ok(Level::Error),
        "warn" | "warning" => Ok(Level::Warning),
        "info" => Ok(Level::Info),
        "debug" | "trace" => Ok(Level::Debug),
        other => Err(refused("log-level", other, "error, warn, info or debug")),
    }
}

impl Typed {
    fn options(self) -> Result<Command, ArgsError> {
        let port =
            |given: Option<u16>, flag| given.filter(|p| *p > 0).ok_or(ArgsError::Missing(flag));
        let redirect = if self.ports_to_redirect.is_empty() {
            Redirect::All
        } else {
            Redirect::Listed(self.ports_to_redirect)
        };
        let settings = Settings {
            inbound_port: port(self.inbound_port, "incoming-proxy-port")?,
            outbound_port: port(self.outbound_port, "outgoing-proxy-port")?,
            proxy_uid: above_zero(self.proxy_uid),
            proxy_gid: above_zero(self.proxy_gid),
            redirect,
            inbound_ignored: self.inbound_ignored,
            outbound_ignored: self.outbound_ignored,
            subnets_ignored: self.subnets_ignored,
        };
        Ok(Command::Iptables(Box::new(IptablesOptions {
            settings,
            mode: self.mode.or(self.firewall_bin).unwrap_or(Mode::Nft),
            ipv6: self.has_ipv6.unwrap_or(true),
            close_wait_seconds: self.close_wait_seconds,
            netns: self.netns,
            is_simulated: self.is_simulated,
            log_format: self.log_format,
            log_level: self.log_level,
        })))
    }
}

/// -1 and 0 mean "no such rule": a rule for root would let every root process pass the proxy.
fn above_zero(id: Option<i64>) -> Option<u32> {
    id.and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id > 0)
}

#[cfg(test)]
mod tests;
