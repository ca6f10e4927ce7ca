//! Where a redirected connection wanted to go. The kernel knows; tests say it themselves.

use std::net::SocketAddr;
use std::sync::Arc;

use socket2::SockRef;
use tokio::net::TcpStream;

/// How the original destination of an accepted connection is found.
#[derive(Clone, Default)]
pub enum OrigDst {
    /// Asks the socket, as after an iptables REDIRECT.
    #[default]
    Socket,
    /// Asks a function of the address we accepted on: for tests, which cannot redirect.
    Given(Arc<dyn Fn(SocketAddr) -> SocketAddr + Send + Sync>),
}

impl OrigDst {
    pub fn given(f: impl Fn(SocketAddr) -> SocketAddr + Send + Sync + 'static) -> Self {
        Self::Given(Arc::new(f))
    }

    /// A connection that nobody redirected was meant for the address it came to, its `local` one.
    pub fn of(&self, accepted: &TcpStream, local: SocketAddr) -> SocketAddr {
        match self {
            Self::Given(f) => f(local),
            Self::Socket => before_redirect(accepted, local).unwrap_or(local),
        }
    }
}

fn before_redirect(accepted: &TcpStream, local: SocketAddr) -> Option<SocketAddr> {
    let socket = SockRef::from(accepted);
    // A v4 client of a dual-stack listener has a v4-mapped address; conntrack knows it as v4.
    let is_v6 = matches!(local, SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_none());
    let found = match is_v6 {
        true => socket.original_dst_v6(),
        false => socket.original_dst_v4(),
    };
    found.ok()?.as_socket()
}

#[cfg(test)]
mod tests {
    use super::OrigDst;
    use tokio::net::{TcpListener, TcpStream};

    #[tokio::test]
    async fn without_a_redirect_it_is_the_local_address() {
        for bind in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(bind).await else {
                continue; // no IPv6 here
            };
            let address = listener.local_addr().unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = listener.accept().await.unwrap();
            assert_eq!(OrigDst::Socket.of(&accepted, address), address);
        }
    }

    #[tokio::test]
    async fn a_test_may_say_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let service = "10.96.0.7:80".parse().unwrap();
        let local = accepted.local_addr().unwrap();
        let found = OrigDst::given(move |_| service).of(&accepted, local);
        assert_eq!(found, service);
    }
}
