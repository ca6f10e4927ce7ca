//! What keeps an application from starting before its proxy carries traffic, where the proxy is an
//! ordinary container before it.
//!
//! The kubelet starts the next container once the proxy's postStart hook has returned, but also once
//! it failed. So the application's containers mount a folder below `GATE/carried` that they never
//! look at. As long as `carried` is a file, that folder cannot be made, and the kubelet refuses to
//! create the container, in words, and tries again later.
//!
//! The CNI plugin closes it before there is a container. The proxy's entry does so too, for a pod
//! that the plugin did not see.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Set by the injector: a folder that the pod's containers share.
const FOLDER: &str = "TULLE_GATE";
const GATE: &str = "carried";
const STICKY: u32 = 0o1000;

#[derive(Debug, thiserror::Error)]
#[error("the gate {} cannot be {done}: {cause}; {FOLDER} must be a folder on a writable volume", path.display())]
pub struct GateError {
    path: PathBuf,
    done: &'static str,
    cause: io::Error,
}

/// Before all else, so that whatever ends this container leaves the gate closed.
pub fn close() -> Result<(), GateError> {
    folder().map_or(Ok(()), |folder| close_in(&folder))
}

/// Before the pod has a container, or has one again: whatever passed the gate is gone.
pub fn close_anew(folder: &Path) -> Result<(), GateError> {
    let path = folder.join(GATE);
    let removed = match fs::symlink_metadata(&path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(cause),
    };
    let closed = removed.and_then(|()| {
        fs::File::create_new(&path)?;
        // Memory that the kubelet mounts is sticky: only the file's owner could open the gate again.
        let mode = fs::metadata(folder)?.permissions().mode();
        fs::set_permissions(folder, Permissions::from_mode(mode & !STICKY))
    });
    closed.map_err(|cause| GateError {
        path,
        done: "closed",
        cause,
    })
}

/// Once the proxy is ready.
pub fn open() -> Result<(), GateError> {
    folder().map_or(Ok(()), |folder| open_in(&folder))
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn close_in(folder: &Path) -> Result<(), GateError> {
    let path = folder.join(GATE);
    match fs::File::create_new(&path) {
        // Closed already, or passed: the kubelet has made the folder and started the application.
        Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(cause) => Err(GateError {
            path,
            done: "closed",
            cause,
        }),
        Ok(_) => Ok(()),
    }
}

fn open_in(folder: &Path) -> Result<(), GateError> {
    let path = folder.join(GATE);
    if !path.is_file() {
        return Ok(());
    }
    fs::remove_file(&path).map_err(|cause| GateError {
        path,
        done: "opened",
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(test: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tulle-gate-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn closed_it_keeps_the_folder_from_being_made() {
        let folder = folder("closed");
        let mounted = folder.join(GATE).join("start");
        close_in(&folder).unwrap();
        close_in(&folder).unwrap();
        assert!(fs::create_dir_all(&mounted).is_err());
        open_in(&folder).unwrap();
        fs::create_dir_all(&mounted).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_restarted_proxy_leaves_what_the_application_has_mounted() {
        let folder = folder("passed");
        let mounted = folder.join(GATE).join("start");
        fs::create_dir_all(&mounted).unwrap();
        close_in(&folder).unwrap();
        open_in(&folder).unwrap();
        assert!(mounted.is_dir());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_pod_that_starts_anew_finds_it_closed_whatever_was_there() {
        let folder = folder("anew");
        let mounted = folder.join(GATE).join("start");
        let closed = || folder.join(GATE).symlink_metadata().unwrap().is_file();
        fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        close_anew(&folder).unwrap();
        assert!(closed());
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o777, "any user of the pod may open it");
        open_in(&folder).unwrap();
        fs::create_dir_all(&mounted).unwrap();
        close_anew(&folder).unwrap();
        assert!(closed());
        open_in(&folder).unwrap();
        std::os::unix::fs::symlink("/tmp", folder.join(GATE)).unwrap();
        close_anew(&folder).unwrap();
        assert!(closed() && Path::new("/tmp").is_dir());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_missing_volume_is_named() {
        let error = close_in(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/carried cannot be closed"),
            "{error}"
        );
    }
}
