//! Runs the commands of `rules`, logging each as it is run. Safe to repeat: what an earlier run
//! left is flushed and filled again. A variant of iptables that the machine cannot serve is
//! cleared of half a set and the next one is tried.

use crate::args::{IptablesOptions, Mode};
use crate::log::{Level, Log};
use crate::rules::{self, Existing, Family, Rule};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

const CLOSE_WAIT: &str = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait";
const INTERFACES_V6: &str = "/proc/net/if_inet6";
/// Looked in after PATH, which a container's settings may have replaced.
const SYSTEM_FOLDERS: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error(
        "{program} may not change this pod's network: {output}; give the init container the \
         capabilities NET_ADMIN and NET_RAW, or have the CNI plugin set the rules instead"
    )]
    NotPermitted { program: String, output: String },
    #[error(
        "{program} cannot take its lock: {output}; mount a writable emptyDir at /run in the init container"
    )]
    NoLock { program: String, output: String },
    #[error("`{command}` failed: {output}")]
    Failed { command: String, output: String },
    #[error("`{command}` could not be started: {cause}")]
    NotStarted { command: String, cause: io::Error },
    #[error(
        "{program} took every command, but its rules are not in the nat table; \
         another program is changing the pod's rules at the same time"
    )]
    Vanished { program: String },
    #[error("none of {0} is on PATH; the init container needs an image that carries iptables")]
    NoBinary(String),
    #[error(
        "no variant of iptables works here: {0}; the node's kernel needs nf_tables or ip_tables with NAT"
    )]
    NoVariant(String),
    #[error("the network namespace {path} cannot be entered: {cause}; it takes root and CAP_SYS_ADMIN", path = .path.display())]
    Namespace { path: PathBuf, cause: io::Error },
    #[error(
        "{CLOSE_WAIT} cannot be set to {seconds}: {cause}; run the init container as root and privileged, \
         or leave the close-wait timeout out"
    )]
    CloseWait { seconds: u32, cause: io::Error },
}

/// How the commands reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each as a process of its own, over whatever an earlier run left.
    OneByOne,
    /// All of a family in one `iptables-restore`: for a namespace that was just made.
    AtOnce,
}

pub fn redirect(options: &IptablesOptions) -> Result<(), ApplyError> {
    let log = options.log();
    let done = redirect_families(options, Way::OneByOne, log);
    if let Err(error) = &done {
        log.write(Level::Error, &error.to_string());
    }
    done
}

/// The same rules in a network namespace that has none yet, by one process for each address family.
pub fn redirect_at_once(options: &IptablesOptions) -> Result<(), ApplyError> {
    redirect_families(options, Way::AtOnce, options.log())
}

fn redirect_families(options: &IptablesOptions, way: Way, log: Log) -> Result<(), ApplyError> {
    if let Some(path) = &options.netns {
        enter(path)?;
    }
    if options.close_wait_seconds > 0 {
        set_close_wait(options.close_wait_seconds, options.is_simulated, log)?;
    }
    if options.settings.proxy_uid.is_none() && options.settings.proxy_gid.is_none() {
        log.warning("neither --proxy-uid nor --proxy-gid is given: the proxy's own connections come back to it");
    }
    redirect_family(options, Family::V4, way, log)?;
    if !options.ipv6 {
        return Ok(());
    }
    match redirect_family(options, Family::V6, way, log) {
        Err(error) if !has_global_v6() => {
            log.warning(&format!(
                "IPv6 is left as it is, since this pod has no IPv6 address: {error}"
            ));
            Ok(())
        }
        other => other,
    }
}

/// Tries the wanted variant, then the others.
fn redirect_family(
    options: &IptablesOptions,
    family: Family,
    way: Way,
    log: Log,
) -> Result<(), ApplyError> {
    let mut refusals = Vec::new();
    let mut names = variants(options.mode, family);
    if way == Way::AtOnce {
        names = names.iter().map(|name| format!("{name}-restore")).collect();
    }
    for name in &names {
        let Some(path) = find(name) else {
            log.debug(&format!("{name} is not on PATH"));
            continue;
        };
        let tool = Tool {
            path,
            family,
            is_simulated: options.is_simulated,
            log,
        };
        let done = match way {
            Way::OneByOne => tool.apply(options),
            Way::AtOnce => tool.restore(options),
        };
        match done {
            Ok(()) => return Ok(()),
            Err(error @ ApplyError::NotPermitted { .. }) => return Err(error),
            Err(error) => {
                log.warning(&format!(
                    "{name} does not work here, trying the next: {error}"
                ));
                refusals.push(error);
            }
        }
    }
    Err(match refusals.len() {
        0 => ApplyError::NoBinary(names.join(", ")),
        1 => refusals.remove(0),
        _ => ApplyError::NoVariant(
            refusals
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    })
}

fn variants(wanted: Mode, family: Family) -> Vec<String> {
    let stem = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let mut modes = vec![wanted];
    for mode in [Mode::Nft, Mode::Plain, Mode::Legacy] {
        if mode != wanted {
            modes.push(mode);
        }
    }
    let name = |mode| match mode {
        Mode::Legacy => format!("{stem}-legacy"),
        Mode::Nft => format!("{stem}-nft"),
        Mode::Plain => stem.to_owned(),
    };
    modes.into_iter().map(name).collect()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(SYSTEM_FOLDERS.split(':'));
    let folders = folders.filter(|folder| !folder.is_empty());
    folders
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// One variant of iptables for one address family.
struct Tool {
    path: PathBuf,
    family: Family,
    is_simulated: bool,
    log: Log,
}

impl Tool {
    fn apply(&self, options: &IptablesOptions) -> Result<(), ApplyError> {
        let existing = Existing::parse(&self.listing()?);
        for rule in rules::redirecting(&options.settings, self.family, existing, unix_seconds()) {
            if let Err(error) = self.run(&rule) {
                self.clear();
                return Err(error);
            }
        }
        if self.is_simulated {
            return Ok(());
        }
        let listing = self.listing()?;
        if !Existing::parse(&listing).is_complete() {
            return Err(ApplyError::Vanished {
                program: self.name(),
            });
        }
        for line in listing.lines().filter(|line| line.contains("PROXY_INIT_")) {
            self.log.debug(line);
        }
        Ok(())
    }

    fn restore(&self, options: &IptablesOptions) -> Result<(), ApplyError> {
        let fresh = Existing::default();
        let rules = rules::redirecting(&options.settings, self.family, fresh, unix_seconds());
        let table = rules::table(&rules);
        self.log.debug(&table);
        let arguments = Rule(["--noflush", "-w"].map(str::to_owned).to_vec());
        self.run_with(&arguments, &table).map(drop)
    }

    fn listing(&self) -> Result<String, ApplyError> {
        self.run(&Rule(["-t", "nat", "-S", "-w"].map(str::to_owned).to_vec()))
    }

    /// Removes half a set, so that the next variant's rules are the only ones. What fails here
    /// was not there.
    fn clear(&self) {
        let Ok(listing) = self.listing() else { return };
        for rule in rules::removing(Existing::parse(&listing), &rules::jumps(&listing)) {
            if let Err(error) = self.run(&rule) {
                self.log.debug(&error.to_string());
            }
        }
    }

    fn run(&self, rule: &Rule) -> Result<String, ApplyError> {
        self.run_with(rule, "")
    }

    fn run_with(&self, rule: &Rule, input: &str) -> Result<String, ApplyError> {
        let command = format!("{} {}", self.path.display(), rule.0.join(" "));
        self.log.info(&command);
        if self.is_simulated {
            return Ok(String::new());
        }
        let ran = output(Command::new(&self.path).args(&rule.0), input);
        let ran = ran.map_err(|cause| ApplyError::NotStarted {
            command: command.clone(),
            cause,
        })?;
        let complaint = String::from_utf8_lossy(&ran.stderr);
        if !ran.status.success() {
            return Err(self.failure(command, one_line(&complaint)));
        }
        for line in complaint.lines() {
            self.log.info(line);
        }
        Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
    }

    fn failure(&self, command: String, output: String) -> ApplyError {
        let program = self.name();
        if output.contains("lock file") {
            return ApplyError::NoLock { program, output };
        }
        if output.contains("Permission denied") || output.contains("Operation not permitted") {
            return ApplyError::NotPermitted { program, output };
        }
        ApplyError::Failed { command, output }
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}

fn output(command: &mut Command, input: &str) -> io::Result<Output> {
    if input.is_empty() {
        return command.stdin(Stdio::inherit()).output(); // no need of /dev/null
    }
    command.stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that ends before it has read all says why on its standard error.
        match pipe.write_all(input.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    child.wait_with_output()
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A failure to redirect IPv6 matters only to a pod that others can reach by it.
fn has_global_v6() -> bool {
    const GLOBAL_SCOPE: &str = "00";
    let interfaces = std::fs::read_to_string(INTERFACES_V6).unwrap_or_default();
    interfaces
        .lines()
        .any(|line| line.split_whitespace().nth(3) == Some(GLOBAL_SCOPE))
}

pub fn enter(path: &Path) -> Result<(), ApplyError> {
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    use std::os::fd::AsFd;

    let error = |cause| ApplyError::Namespace {
        path: path.to_owned(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(error)?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(|cause| error(cause.into()))
}

fn set_close_wait(seconds: u32, is_simulated: bool, log: Log) -> Result<(), ApplyError> {
    log.info(&format!(
        "net.netfilter.nf_conntrack_tcp_timeout_close_wait = {seconds}"
    ));
    if is_simulated {
        return Ok(());
    }
    std::fs::write(CLOSE_WAIT, seconds.to_string())
        .map_err(|cause| ApplyError::CloseWait { seconds, cause })
}
