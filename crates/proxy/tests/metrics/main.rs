//! What `/metrics` says of what was done.

mod balancers;
mod inbound;
mod zones;

/// Where nobody listens any more.
fn nobody() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.expect("a free port on loopback");
    listener.local_addr().expect("it is bound")
}
