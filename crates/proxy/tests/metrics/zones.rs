//! Bytes by the zone of the endpoint they go to.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::Endpoint;
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB};

const COST: &str = "outbound_tcp_transfer_cost_bytes_total";

/// Says so much to whoever answers with "hello" first, and hears it again.
async fn talk(proxy: &Proxy, target: SocketAddr, said: &[u8]) {
    let mut stream = TcpStream::connect(proxy.outbound(target))
        .await
        .expect("it listens");
    let mut heard = vec![0; 5];
    stream.read_exact(&mut heard).await.expect("it greets");
    stream.write_all(said).await.expect("it reads");
    heard.resize(said.len(), 0);
    stream.read_exact(&mut heard).await.expect("it answers");
    assert_eq!(heard, said);
}

#[tokio::test]
async fn bytes_are_counted_by_zone() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start(&plane, CLIENT).await;
    let server = echo::greeter("hello").await;
    let mut services = Vec::new();
    for (host, locality, said) in [(7, "remote", 100), (8, "local", 20), (9, "elsewhere", 3)] {
        let target = SocketAddr::from(([10, 96, 0, host], 80));
        let service = plane.service(&WEB.replace("web", locality), target);
        let mut endpoint = Endpoint::plain(server.address);
        let label = ("zone_locality".to_string(), locality.to_string());
        endpoint.labels.push(label);
        service.add(endpoint);
        services.push(service);
        talk(&proxy, target, &vec![b'x'; said]).await;
    }
    // Nobody tells where this is.
    talk(&proxy, server.address, b"1").await;
    for (locality, said, heard) in [
        ("Remote", 100.0, 105.0),
        ("Local", 20.0, 25.0),
        ("Unknown", 4.0, 14.0),
    ] {
        let locality = format!("zone_locality=\"{locality}\"");
        for (op, bytes) in [("op=\"Send\"", said), ("op=\"Recv\"", heard)] {
            let counted = proxy.metric(COST, &[op, &locality]).await;
            assert_eq!(counted, bytes, "{op} {locality}");
        }
    }
}
