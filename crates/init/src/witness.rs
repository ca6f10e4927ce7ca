//! The mark that says "this network namespace is redirected", for those who may not read its rules:
//! an alias of the loopback interface, which every container of the pod sees in /sys.

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};
use std::io;
use std::path::Path;

const MARK: &[u8] = b"tulle-redirect";
const SHOWN_AT: &str = "/sys/class/net/lo/ifalias";
/// The loopback interface's index, in every network namespace.
const LOOPBACK: u32 = 1;

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const IFLA_IFALIAS: u16 = 20;
const HEADER: usize = 16;

/// Whether this process's pod bears the mark, as any of its containers can see.
pub fn is_shown() -> bool {
    is_mark(Path::new(SHOWN_AT))
}

fn is_mark(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|text| text.trim_ascii_end() == MARK)
}

/// Marks the network namespace that this thread is in; takes NET_ADMIN over it.
pub fn set_here() -> io::Result<()> {
    let answer = ask(&message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, Some(MARK)))?;
    match kind(&answer) {
        Some(NLMSG_ERROR) => acknowledged(&answer),
        _ => Err(io::Error::other("the kernel gave no acknowledgement")),
    }
}

/// Asks the kernel, since /sys may show another namespace than the one that was entered.
pub fn is_set_here() -> io::Result<bool> {
    let answer = ask(&message(RTM_GETLINK, NLM_F_REQUEST, None))?;
    if kind(&answer) == Some(NLMSG_ERROR) {
        acknowledged(&answer)?;
    }
    Ok(answer.windows(MARK.len()).any(|part| part == MARK))
}

fn ask(message: &[u8]) -> io::Result<Vec<u8>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None, // NETLINK_ROUTE is protocol 0
    )?;
    send(&socket, message, SendFlags::empty())?;
    let mut buffer = vec![0; 16 * 1024];
    let (count, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
    buffer.truncate(count);
    Ok(buffer)
}

/// A request about the loopback interface, with a new alias where one is given.
fn message(kind: u16, flags: u16, alias: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend([0; 4]); // family, padding, device type
    body.extend(LOOPBACK.to_ne_bytes());
    body.extend([0; 8]); // flags, and which of them change: none
    if let Some(alias) = alias {
        let length = u16::try_from(4 + alias.len()).expect("an alias is short");
        body.extend(length.to_ne_bytes());
        body.extend(IFLA_IFALIAS.to_ne_bytes());
        body.extend(alias);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(HEADER + body.len()).expect("a request is short");
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]); // sequence number and sender: the kernel fills in what matters
    message.extend(body);
    message
}

fn kind(answer: &[u8]) -> Option<u16> {
    let bytes = answer.get(4..6)?;
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

/// An error message whose number is 0 is an acknowledgement.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let number = answer
        .get(HEADER..HEADER + 4)
        .and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(negative) => Err(io::Error::from_raw_os_error(-negative)),
        None => Err(io::Error::other("the kernel's answer is cut off")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_kernel_s_layout() {
        let message = message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, Some(MARK));
        assert_eq!(message.len(), 16 + 16 + 20);
        assert_eq!(u32::from_ne_bytes(message[..4].try_into().unwrap()), 52);
        assert_eq!(message[4..8], [16, 0, 5, 0]);
        assert_eq!(message[20..24], [1, 0, 0, 0]);
        assert_eq!(message[32..36], [18, 0, 20, 0]);
        assert_eq!(&message[36..50], MARK);
    }

    #[test]
    fn refusals_are_errors() {
        let mut answer = vec![0; HEADER];
        answer.extend((-1_i32).to_ne_bytes());
        let error = acknowledged(&answer).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        answer[HEADER..].copy_from_slice(&[0; 4]);
        acknowledged(&answer).unwrap();
        assert!(acknowledged(&[]).is_err());
    }
}
