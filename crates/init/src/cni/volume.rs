//! A pod's volume in memory, as the node sees it: the kubelet mounts it before it asks for the pod's
//! network, wherever its own folder is.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// proc(5): the mounts that this process sees.
const MOUNTS: &str = "/proc/self/mountinfo";
/// The field of a line that says where the mount is.
const AT: usize = 4;

/// Where the volume of the pod with this uid is; None if no such mount is seen.
///
/// # Errors
/// If the list of mounts cannot be read.
pub fn find(uid: &str, volume: &str) -> std::io::Result<Option<PathBuf>> {
    Ok(found(&std::fs::read(MOUNTS)?, uid, volume))
}

fn found(mounts: &[u8], uid: &str, volume: &str) -> Option<PathBuf> {
    let end = format!("/pods/{uid}/volumes/kubernetes.io~empty-dir/{volume}");
    let paths = mounts.split(|byte| *byte == b'\n');
    let mut paths = paths.filter_map(|line| line.split(|byte| *byte == b' ').nth(AT));
    let path = paths.find(|path| path.ends_with(end.as_bytes()))?;
    Some(OsString::from_vec(unescaped(path)).into())
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const MOUNTED: &[u8] = b"\
36 25 0:31 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw
88 25 0:51 / /var/lib/my\\040kubelet/pods/1f-2/volumes/kubernetes.io~projected/token rw shared:3 - tmpfs tmpfs rw
89 25 0:52 / /var/lib/my\\040kubelet/pods/1f-2/volumes/kubernetes.io~empty-dir/gate rw shared:4 - tmpfs tmpfs rw
";

    #[test]
    fn a_volume_is_found_by_its_pod_wherever_the_kubelet_keeps_it() {
        let path = found(MOUNTED, "1f-2", "gate").unwrap();
        let wanted = "/var/lib/my kubelet/pods/1f-2/volumes/kubernetes.io~empty-dir/gate";
        assert_eq!(path, Path::new(wanted));
        assert_eq!(found(MOUNTED, "1f-2", "other"), None);
        assert_eq!(found(MOUNTED, "f-2", "gate"), None);
        assert_eq!(found(MOUNTED, "1f-2/volumes", "gate"), None);
    }
}
