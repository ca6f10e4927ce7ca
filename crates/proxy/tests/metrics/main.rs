//! What `/metrics` says of what was done.

mod balancers;
mod control;
mod inbound;
mod zones;

use tulle_testkit::client;
use tulle_testkit::proxy::Proxy;

/// Where nobody listens any more.
fn nobody() -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.expect("a free port on loopback");
    listener.local_addr().expect("it is bound")
}

/// Waits until the metric is this.
async fn shows(proxy: &Proxy, name: &str, labels: &[&str], wanted: f64) {
    let what = format!("{name} {labels:?} is {wanted}");
    client::until(&what, async || {
        let value = proxy.metric(name, labels).await;
        (value == wanted).then_some(())
    })
    .await;
}
