//! The sockets of this process, to ask the kernel how they are set up.

use std::os::fd::OwnedFd;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// A second handle of each file that this process has open, sockets and others.
pub fn handles() -> Vec<OwnedFd> {
    let process = pidfd_open(getpid(), PidfdFlags::empty()).expect("Linux has them");
    let open = std::fs::read_dir("/proc/self/fd").expect("Linux tells");
    let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.collect();
    // One that was closed meanwhile is none of those that are asked for.
    let handle = |number| pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).ok();
    numbers.into_iter().filter_map(handle).collect()
}
