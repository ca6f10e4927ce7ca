//! How the kernel's side of connections is set up, asked of the kernel.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

use std::net::SocketAddr;
use std::time::Duration;

use socket2::Socket;
use tulle_testkit::sockets;

use super::raw::{Application, Path, Way};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Connections of this process by one of their ends.
fn connections(is_meant: impl Fn(&Socket) -> bool) -> Vec<Socket> {
    let all = sockets::handles().into_iter().map(Socket::from);
    let connected = all.filter(|socket| socket.peer_addr().is_ok());
    connected.filter(is_meant).collect()
}

fn dialled(to: SocketAddr) -> Vec<Socket> {
    connections(|socket| {
        socket
            .peer_addr()
            .is_ok_and(|peer| peer.as_socket() == Some(to))
    })
}

fn accepted(at: SocketAddr) -> Vec<Socket> {
    connections(|socket| {
        socket
            .local_addr()
            .is_ok_and(|local| local.as_socket() == Some(at))
    })
}

fn assert_set_up(sockets: &[Socket], keepalive: u64, user_timeout: u64, what: &str) {
    assert!(!sockets.is_empty(), "{what}: there is none");
    for socket in sockets {
        assert!(socket.tcp_nodelay().unwrap(), "{what}");
        assert!(socket.keepalive().unwrap(), "{what}");
        let time = Duration::from_secs(keepalive);
        assert_eq!(socket.tcp_keepalive_time().unwrap(), time, "{what}");
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), time, "{what}");
        let time = Duration::from_secs(user_timeout);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(time), "{what}");
    }
}

#[tokio::test]
async fn connections_find_out_that_their_peer_is_gone() {
    for (way, side) in [(Way::Inbound, "INBOUND"), (Way::Outbound, "OUTBOUND")] {
        let application = Application::saying(OK).await;
        let set = [
            "ACCEPT_KEEPALIVE",
            "ACCEPT_USER_TIMEOUT",
            "CONNECT_KEEPALIVE",
            "CONNECT_USER_TIMEOUT",
        ];
        let names = set.map(|name| format!("{side}_{name}"));
        let values = ["11s", "21s", "12s", "22s"];
        let variables: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(values).collect();
        let path = Path::open_with(way, application.address(), &variables).await;
        let mut client = path.connect().await;
        client.send(GET).await;
        client.until("ok").await;
        assert_set_up(&accepted(path.address), 11, 21, side);
        assert_set_up(&dialled(application.address()), 12, 22, side);
    }
}
