//! What is more than a plain request: gRPC, upgrades, opaque bytes, servers that speak first.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tulle_testkit::client;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Clients, Endpoint, grpc_with, server};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, SERVER, WEB, cluster_ip};

/// Far less than the ten seconds that detection by time-out would take.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Two proxies, and an endpoint behind the second one at `application`.
async fn mesh(application: SocketAddr) -> (ControlPlane, Proxy, Proxy, Service) {
    let plane = ControlPlane::start().await;
    let from = Proxy::start(&plane, CLIENT).await;
    let to = Proxy::start(&plane, SERVER).await;
    let service = plane.service(WEB, cluster_ip());
    service.add(Endpoint::meshed(to.inbound(application), SERVER));
    (plane, from, to, service)
}

async fn read_text(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 1024];
    let read = tokio::time::timeout(AT_ONCE, stream.read(&mut buffer)).await;
    let length = read.expect("it does not hang").expect("it can be read");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn grpc_keeps_its_trailers() {
    let application = echo::Http::start("web").await;
    let (_plane, from, _to, _service) = mesh(application.address()).await;
    let request = Request::post("http://web.shop.svc.cluster.local/books.Books/List")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-grpc-status", "5");
    let outbound = from.outbound(cluster_ip());
    let answer = client::send_http2(outbound, request, Bytes::from_static(b"12345")).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.trailers.as_ref().unwrap()["grpc-status"], "5");
    assert_eq!(answer.seen()["version"], "HTTP/2.0");
    assert_eq!(answer.seen()["body_bytes"], 5);
    let labels = [
        "direction=\"outbound\"",
        "grpc_status=\"5\"",
        "classification=\"success\"",
    ];
    assert_eq!(from.metric("response_total", &labels).await, 1.0);
}

#[tokio::test]
async fn a_grpc_route_is_counted_by_codes() {
    let application = echo::Http::start("web").await;
    let (plane, from, _to, _service) = mesh(application.address()).await;
    plane.outbound(cluster_ip(), grpc_with(WEB, |_| {}));
    let request = Request::post("http://web.shop.svc.cluster.local/books.Books/List")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-grpc-status", "14");
    let outbound = from.outbound(cluster_ip());
    let answer = client::send_http2(outbound, request, Bytes::from_static(b"12345")).await;
    assert_eq!(answer.unwrap().status, 200);
    let labels = [
        "route_name=\"grpc\"",
        "grpc_status=\"UNAVAILABLE\"",
        "error=\"\"",
    ];
    for family in ["request_statuses", "backend_response_statuses"] {
        let family = format!("outbound_grpc_route_{family}_total");
        assert_eq!(from.metric(&family, &labels).await, 1.0, "{family}");
    }
    for family in ["request", "backend_response"] {
        let family = format!("outbound_grpc_route_{family}_frame_size_bytes_count");
        assert_eq!(from.metric(&family, &labels[..1]).await, 1.0, "{family}");
    }
}

/// One GRPCRoute to the service, without matches.
#[tokio::test]
async fn a_body_survives_the_upgrade_to_http2() {
    let application = echo::Http::start("web").await;
    let (_plane, from, _to, _service) = mesh(application.address()).await;
    let body = Bytes::from(vec![b'x'; 300_000]);
    let request = Request::post("/").header("host", WEB);
    let answer = client::send_body(from.outbound(cluster_ip()), request, body).await;
    assert_eq!(answer.unwrap().seen()["body_bytes"], 300_000);
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_at_once() {
    let application = echo::greeter("220 hello\r\n").await;
    let (_plane, from, _to, _service) = mesh(application.address).await;
    for _ in 0..2 {
        let started = Instant::now();
        let mut stream = TcpStream::connect(from.outbound(cluster_ip()))
            .await
            .unwrap();
        assert_eq!(read_text(&mut stream).await, "220 hello\r\n");
        assert!(started.elapsed() < AT_ONCE);
        stream.write_all(b"EHLO\r\n").await.unwrap();
        assert_eq!(read_text(&mut stream).await, "EHLO\r\n");
    }
}

#[tokio::test]
async fn opaque_bytes_pass_unchanged() {
    let application = echo::tcp().await;
    let (_plane, from, to, _service) = mesh(application.address).await;
    let mut stream = TcpStream::connect(from.outbound(cluster_ip()))
        .await
        .unwrap();
    stream
        .write_all(b"\x00\x01neither HTTP nor TLS")
        .await
        .unwrap();
    assert_eq!(read_text(&mut stream).await, "\x00\x01neither HTTP nor TLS");
    stream.shutdown().await.unwrap();
    assert_eq!(read_text(&mut stream).await, "");
    let labels = ["tls=\"true\"", "srv_kind=\"default\""];
    assert_eq!(
        to.metric("inbound_tcp_authz_allow_total", &labels).await,
        1.0
    );
    let of_web = "parent_name=\"web\"";
    let by_route = [of_web, "route_name=\"opaq\""];
    let not_http = "result=\"not_http\"";
    for (proxy, name, labels) in [
        (
            &from,
            "outbound_tcp_protocol_connections_total",
            &[of_web, "protocol=\"detect\""],
        ),
        (
            &from,
            "outbound_tcp_detect_http_results_total",
            &[of_web, not_http],
        ),
        (&from, "outbound_tcp_route_open_total", &by_route),
        (
            &from,
            "outbound_tcp_route_close_total",
            &[by_route[1], "error=\"\""],
        ),
        (
            &to,
            "inbound_tcp_detect_http_results_total",
            &["srv_kind=\"default\"", not_http],
        ),
    ] {
        assert_eq!(proxy.metric(name, labels).await, 1.0, "{name}");
    }
}

#[tokio::test]
async fn a_client_that_hesitates_is_still_understood() {
    let application = echo::Http::start("web").await;
    let (_plane, from, _to, _service) = mesh(application.address()).await;
    let mut stream = TcpStream::connect(from.outbound(cluster_ip()))
        .await
        .unwrap();
    // Longer than the proxy waits before it connects onward.
    tokio::time::sleep(Duration::from_millis(300)).await;
    stream
        .write_all(b"GET /late HTTP/1.1\r\nhost: web\r\n\r\n")
        .await
        .unwrap();
    assert!(
        read_text(&mut stream)
            .await
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
    assert_eq!(
        from.metric("request_total", &["direction=\"outbound\""])
            .await,
        1.0
    );
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let application = upgrading().await;
    let (_plane, from, _to, _service) = mesh(application).await;
    let mut stream = TcpStream::connect(from.outbound(cluster_ip()))
        .await
        .unwrap();
    let head = b"GET /ws HTTP/1.1\r\nhost: web\r\nconnection: Upgrade\r\nupgrade: chat\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let answer = read_text(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("upgrade: chat"), "{answer}");
    stream.write_all(b"ping").await.unwrap();
    assert_eq!(read_text(&mut stream).await, "ping");
}

/// Agrees to the upgrade of one connection, then sends back what it reads.
async fn upgrading() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client comes");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("it sends a whole head"));
        }
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
        let (mut read, mut write) = stream.split();
        write.write_all(answer.as_bytes()).await.expect("it reads");
        tokio::io::copy(&mut read, &mut write)
            .await
            .expect("it goes on");
    });
    address
}

#[tokio::test]
async fn a_policy_that_changes_closes_what_it_no_longer_allows() {
    let application = echo::tcp().await;
    let (plane, from, to, _service) = mesh(application.address).await;
    let mut stream = TcpStream::connect(from.outbound(cluster_ip()))
        .await
        .unwrap();
    stream.write_all(b"\x00hello").await.unwrap();
    assert_eq!(read_text(&mut stream).await, "\x00hello");
    plane.inbound(application.address.port(), server(&Clients::Nobody));
    let mut rest = [0; 16];
    let end = tokio::time::timeout(AT_ONCE, stream.read(&mut rest)).await;
    assert!(matches!(end.expect("it ends"), Ok(0) | Err(_)));
    assert_eq!(
        to.metric("inbound_tcp_authz_terminate_total", &["tls=\"true\""])
            .await,
        1.0
    );
}

#[tokio::test]
async fn an_unreachable_endpoint_is_passed_over() {
    let application = echo::Http::start("web").await;
    let (_plane, from, _to, service) = mesh(application.address()).await;
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unreachable = gone.local_addr().unwrap();
    drop(gone);
    service.add(Endpoint::plain(unreachable));
    let outbound = from.outbound(cluster_ip());
    for _ in 0..20 {
        assert_eq!(client::get(outbound, "/").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn without_endpoints_requests_fail_fast() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start(&plane, CLIENT).await;
    let _service = plane.service(WEB, cluster_ip());
    let outbound = proxy.outbound(cluster_ip());
    let answer = client::get(outbound, "/").await.unwrap();
    assert_eq!(answer.status, 504, "{answer:?}");
    let why = answer.headers["l5d-proxy-error"].to_str().unwrap();
    assert!(why.contains("fail-fast") && why.contains(WEB), "{why}");
    // The first waited; the next need not.
    let started = Instant::now();
    assert_eq!(client::get(outbound, "/").await.unwrap().status, 504);
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn connections_that_the_proxy_failed_are_counted() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start(&plane, CLIENT).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    for (address, family) in [
        (proxy.inbound(closed), "inbound_tcp_errors_total"),
        (proxy.outbound(closed), "outbound_tcp_errors_total"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"\0 not HTTP").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        let port = format!("target_port=\"{}\"", closed.port());
        let labels = ["error=\"i/o\"", port.as_str()];
        assert_eq!(proxy.metric(family, &labels).await, 1.0, "{family}");
    }
}
