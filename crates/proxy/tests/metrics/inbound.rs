//! The rows of a port's routes: requests, their ends, their times, their frames.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use linkerd2_proxy_api::{grpc_route, inbound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::{Clients, default_metadata, inbound_server, server};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::SERVER;

use super::nobody;

struct Pod {
    plane: ControlPlane,
    proxy: Proxy,
    application: SocketAddr,
    _web: echo::Http,
}

impl Pod {
    async fn start() -> Self {
        let plane = ControlPlane::start().await;
        let web = echo::Http::start("web").await;
        plane.inbound(web.address().port(), server(&Clients::Anyone));
        Self {
            proxy: Proxy::start(&plane, SERVER).await,
            plane,
            application: web.address(),
            _web: web,
        }
    }

    async fn post(&self, path: &str, body: &'static str) -> u16 {
        let request = Request::post(path).header("host", "web.test");
        let to = self.proxy.inbound(self.application);
        let answer = client::send_body(to, request, Bytes::from_static(body.as_bytes())).await;
        answer.expect("the proxy answers").status
    }

    /// Of the route's row in `inbound_{family}`.
    async fn counted(&self, family: &str, labels: &[&str]) -> f64 {
        let port = self.application.port();
        let port = format!("parent_port=\"{port}\"");
        let server = [
            "parent_group=\"\",parent_kind=\"default\",parent_name=\"test\"",
            "route_group=\"\",route_kind=\"default\"",
            &port,
        ];
        let labels = [&server[..], labels].concat();
        self.proxy
            .metric(&format!("inbound_{family}"), &labels)
            .await
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status() {
    let pod = Pod::start().await;
    for (path, status) in [("/", 200), ("/?status=503", 503), ("/", 200)] {
        assert_eq!(pod.post(path, "a book").await, status);
    }
    let route = ["route_name=\"default\""];
    assert_eq!(pod.counted("http_requests_total", &route).await, 3.0);
    for (status, count) in [("status=\"200\"", 2.0), ("status=\"503\"", 1.0)] {
        let labels = [&route[..], &[status]].concat();
        let counted = pod.counted("http_statuses_total", &labels).await;
        assert_eq!(counted, count, "{status}");
    }
    for family in [
        "http_request_duration_seconds_count",
        "http_response_duration_seconds_count",
        "http_request_frame_size_bytes_count",
        "http_response_frame_size_bytes_count",
    ] {
        assert_eq!(pod.counted(family, &route).await, 3.0, "{family}");
    }
    let bytes = pod
        .counted("http_request_frame_size_bytes_sum", &route)
        .await;
    assert_eq!(bytes, 18.0);
    let small = [&route[..], &["le=\"128.0\""]].concat();
    let small = pod
        .counted("http_request_frame_size_bytes_bucket", &small)
        .await;
    assert_eq!(small, 3.0);
}

#[tokio::test]
async fn what_the_application_does_not_answer_has_the_status_that_the_client_is_told() {
    let mut pod = Pod::start().await;
    pod.application = nobody();
    assert_eq!(pod.post("/", "a book").await, 502);
    let labels = ["route_name=\"default\"", "status=\"502\""];
    assert_eq!(pod.counted("http_statuses_total", &labels).await, 1.0);
}

#[tokio::test]
async fn grpc_is_counted_by_code() {
    let pod = Pod::start().await;
    let route = inbound::GrpcRoute {
        metadata: Some(default_metadata("calls")),
        rules: vec![inbound::grpc_route::Rule {
            matches: vec![grpc_route::GrpcRouteMatch::default()],
            filters: Vec::new(),
        }],
        ..inbound::GrpcRoute::default()
    };
    let grpc = inbound::proxy_protocol::Grpc {
        routes: vec![route],
    };
    let kind = inbound::proxy_protocol::Kind::Grpc(grpc);
    let policy = inbound_server(&Clients::Anyone, kind);
    let address = pod.application;
    pod.plane.inbound(address.port(), policy);
    for (header, code) in [
        ("x-grpc-status", "0"),
        ("x-grpc-status", "5"),
        ("x-grpc-refusal", "14"),
    ] {
        let request = Request::post(format!("http://{address}/books.Books/List"))
            .header("content-type", "application/grpc")
            .header(header, code);
        let answer = client::send_http2(pod.proxy.inbound(address), request, Bytes::new()).await;
        assert_eq!(answer.expect("the proxy answers").status, 200);
        let labels = ["route_name=\"calls\"", &format!("status=\"{code}\"")];
        assert_eq!(
            pod.counted("grpc_statuses_total", &labels).await,
            1.0,
            "{code}"
        );
    }
    let route = ["route_name=\"calls\""];
    assert_eq!(pod.counted("grpc_requests_total", &route).await, 3.0);
    let durations = "grpc_response_duration_seconds_count";
    assert_eq!(pod.counted(durations, &route).await, 3.0);
}

#[tokio::test]
async fn a_response_s_time_begins_when_the_request_was_sent() {
    const PAUSE: Duration = Duration::from_millis(300);
    let pod = Pod::start().await;
    let to = pod.proxy.inbound(pod.application);
    let mut client = TcpStream::connect(to).await.expect("the proxy listens");
    let head =
        b"POST / HTTP/1.1\r\nhost: web.test\r\ncontent-length: 4\r\nconnection: close\r\n\r\n";
    for piece in [&head[..], b"ab"] {
        client.write_all(piece).await.expect("the proxy reads");
    }
    tokio::time::sleep(PAUSE).await;
    client.write_all(b"cd").await.expect("the proxy reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("it ends");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let route = ["route_name=\"default\""];
    let whole = pod
        .counted("http_request_duration_seconds_sum", &route)
        .await;
    let after = pod
        .counted("http_response_duration_seconds_sum", &route)
        .await;
    // The proxy begins to count when it has read the head, which is no later than its first piece is sent on.
    assert!(whole - after > PAUSE.as_secs_f64() * 0.9, "{whole} {after}");
}
