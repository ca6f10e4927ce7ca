//! Keeps this program in a node's CNI networks as the last plugin of the chain: copies itself beside
//! the other plugins, enters itself into the network's configuration, does so again whenever another
//! program rewrites it, and takes both back when it is told to end.

use crate::cni::{ANNOTATIONS, TYPE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// A change that no event told of is found after this long.
const LOOK_AGAIN: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// The node's folders, as they are seen from where the installer runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    pub binaries: PathBuf,
    pub networks: PathBuf,
}

impl Default for Folders {
    fn default() -> Self {
        Folders {
            binaries: "/opt/cni/bin".into(),
            networks: "/etc/cni/net.d".into(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum InstallerError {
    #[error("{path} cannot be {done}: {cause}; mount the node's folder there, writable", path = .path.display())]
    File {
        path: PathBuf,
        done: &'static str,
        cause: io::Error,
    },
    #[error(
        "{} has no network yet (*.conflist): the cluster's own CNI plugin comes first; \
         --net-dir names another folder", .0.display()
    )]
    NoNetwork(PathBuf),
    #[error(
        "{} describes a single plugin, to which none can be added: give the cluster's CNI plugin a *.conflist",
        .0.display()
    )]
    SinglePlugin(PathBuf),
    #[error("{} is not a CNI network: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error("{} is not in the network of {}", TYPE, .0.display())]
    Absent(PathBuf),
    #[error("changes on the node cannot be watched: {0}")]
    Watch(io::Error),
}

/// Returns once SIGTERM came and what was installed is gone.
pub fn install(folders: &Folders) -> Result<(), InstallerError> {
    let (mut ended, writer) = UnixStream::pair().map_err(InstallerError::Watch)?;
    for signal in [SIGTERM, SIGINT] {
        let writer = writer.try_clone().map_err(InstallerError::Watch)?;
        signal_hook::low_level::pipe::register(signal, writer).map_err(InstallerError::Watch)?;
    }
    ended.set_nonblocking(true).map_err(InstallerError::Watch)?;
    let changes = watched(folders)?;
    let mut said = String::new();
    loop {
        let now = match ensure(folders) {
            Ok(path) => format!("{TYPE} is in the network of {}", path.display()),
            // Others may still be on their way: the cluster's own plugin, or its next version.
            Err(error) => error.to_string(),
        };
        if now != said {
            eprintln!("{TYPE}: {now}");
            said = now;
        }
        wait(&changes, &ended)?;
        if ended.read(&mut [0; 8]).is_ok() {
            return remove(folders);
        }
    }
}

/// Whether both the program and its entry are in place: the readiness of the installer's pod.
pub fn check(folders: &Folders) -> Result<(), InstallerError> {
    let program = folders.binaries.join(TYPE);
    fs::metadata(&program).map_err(|cause| failed(&program, "found", cause))?;
    let (path, network) = network(&folders.networks)?;
    let plugins = plugins(&path, &network)?;
    if plugins.iter().any(is_ours) {
        return Ok(());
    }
    Err(InstallerError::Absent(path))
}

fn watched(folders: &Folders) -> Result<rustix::fd::OwnedFd, InstallerError> {
    let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
    let error = |errno: rustix::io::Errno| InstallerError::Watch(errno.into());
    let changes = inotify::init(flags).map_err(error)?;
    let wanted = WatchFlags::CLOSE_WRITE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE;
    for folder in [&folders.networks, &folders.binaries] {
        inotify::add_watch(&changes, folder, wanted)
            .map_err(|errno| failed(folder, "watched", errno.into()))?;
    }
    Ok(changes)
}

/// Until something changes in the folders, a signal comes, or it is time to look anyway.
fn wait(changes: &impl AsFd, ended: &impl AsFd) -> Result<(), InstallerError> {
    let mut watched = [
        PollFd::new(changes, PollFlags::IN),
        PollFd::new(ended, PollFlags::IN),
    ];
    match poll(&mut watched, Some(&LOOK_AGAIN)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(InstallerError::Watch(errno.into())),
    }
    let mut buffer = [0; 4096];
    while rustix::io::read(changes, &mut buffer).is_ok_and(|count| count > 0) {}
    Ok(())
}

fn ensure(folders: &Folders) -> Result<PathBuf, InstallerError> {
    copy_program(&folders.binaries.join(TYPE))?;
    let (path, mut network) = network(&folders.networks)?;
    let plugins = plugins(&path, &network)?;
    if plugins.last().is_some_and(|plugin| *plugin == entry()) {
        return Ok(path);
    }
    let mut kept: Vec<Value> = plugins.iter().filter(|p| !is_ours(p)).cloned().collect();
    kept.push(entry());
    network.insert("plugins".to_owned(), Value::Array(kept));
    write(&path, &pretty(&network), 0o644)?;
    Ok(path)
}

fn remove(folders: &Folders) -> Result<(), InstallerError> {
    if let Ok((path, mut network)) = network(&folders.networks)
        && let Ok(plugins) = plugins(&path, &network)
        && plugins.iter().any(is_ours)
    {
        let kept = plugins.iter().filter(|p| !is_ours(p)).cloned().collect();
        network.insert("plugins".to_owned(), Value::Array(kept));
        write(&path, &pretty(&network), 0o644)?;
    }
    let program = folders.binaries.join(TYPE);
    match fs::remove_file(&program) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(failed(&program, "removed", cause))
        }
        _ => Ok(()),
    }
}

/// The network that the container runtime uses: of all configurations the first by name.
fn network(folder: &Path) -> Result<(PathBuf, Map<String, Value>), InstallerError> {
    let entries = fs::read_dir(folder).map_err(|cause| failed(folder, "read", cause))?;
    let is_configuration = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("conf" | "conflist" | "json"))
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let Some(path) = paths.filter(is_configuration).min() else {
        return Err(InstallerError::NoNetwork(folder.to_owned()));
    };
    if path
        .extension()
        .is_none_or(|extension| extension != "conflist")
    {
        return Err(InstallerError::SinglePlugin(path));
    }
    let text = fs::read(&path).map_err(|cause| failed(&path, "read", cause))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(network)) => Ok((path, network)),
        Ok(_) => Err(malformed(&path, "it is no object")),
        Err(error) => Err(malformed(&path, &error.to_string())),
    }
}

fn plugins<'n>(
    path: &Path,
    network: &'n Map<String, Value>,
) -> Result<&'n [Value], InstallerError> {
    match network.get("plugins").and_then(Value::as_array) {
        Some(plugins) if !plugins.is_empty() => Ok(plugins),
        _ => Err(malformed(path, "it lists no plugins")),
    }
}

fn malformed(path: &Path, reason: &str) -> InstallerError {
    InstallerError::Malformed {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

fn entry() -> Value {
    json!({"type": TYPE, "capabilities": {ANNOTATIONS: true}})
}

fn is_ours(plugin: &Value) -> bool {
    plugin.get("type").is_some_and(|kind| kind == TYPE)
}

fn pretty(network: &Map<String, Value>) -> Vec<u8> {
    let text = serde_json::to_string_pretty(network).expect("JSON that was read can be written");
    (text + "\n").into_bytes()
}

fn copy_program(to: &Path) -> Result<(), InstallerError> {
    let own = Path::new("/proc/self/exe");
    let program = fs::read(own).map_err(|cause| failed(own, "read", cause))?;
    if fs::read(to).is_ok_and(|there| there == program) {
        return Ok(());
    }
    write(to, &program, 0o755)
}

/// Whole or not at all: a runtime that looks meanwhile sees the old file or the new one.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), InstallerError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let fresh = path.with_file_name(format!(".{name}.new"));
    fs::write(&fresh, content).map_err(|cause| failed(&fresh, "written", cause))?;
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(&fresh, permissions).map_err(|cause| failed(&fresh, "written", cause))?;
    fs::rename(&fresh, path).map_err(|cause| failed(path, "replaced", cause))
}

fn failed(path: &Path, done: &'static str, cause: io::Error) -> InstallerError {
    InstallerError::File {
        path: path.to_owned(),
        done,
        cause,
    }
}

#[cfg(test)]
mod tests;
