//! A real linkerd2-proxy and ours, each on either side of the wire, under one control plane.
//!
//! `TULLE_PEER_PROXY` names a linkerd2-proxy built from its public source; without it these tests are skipped.
//! They need root, for each proxy stands in a network namespace of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tulle_testkit::client::{self, Answer};
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::pods::{Node, Pod, PodProxy};
use tulle_testkit::policies::{self, Clients, Endpoint};
use tulle_testkit::shop::{CLIENT, SERVER, WEB};

const STORE: &str = "store.shop.svc.cluster.local:6379";

const HTTP_PORT: u16 = 8080;
const OPAQUE_PORT: u16 = 6379;
const INBOUND_PORT: u16 = 4143;

fn web() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 7], 80))
}

fn store() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 8], OPAQUE_PORT))
}

fn ours() -> PathBuf {
    let given = std::env::var_os("TULLE_PROXY_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_tulle-proxy").into())
}

fn theirs() -> Option<PathBuf> {
    let given = std::env::var_os("TULLE_PEER_PROXY").map(PathBuf::from);
    let path = given.filter(|path| path.exists());
    if path.is_none() {
        eprintln!("skipped: TULLE_PEER_PROXY names no linkerd2-proxy to talk to");
    }
    path
}

/// What the injector sets beside the addresses and the identity.
const USUAL: [(&str, &str); 10] = [
    ("INBOUND_PORTS", "8080,6379"),
    ("INBOUND_DEFAULT_POLICY", "all-unauthenticated"),
    ("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", "6379"),
    ("DESTINATION_PROFILE_NETWORKS", "10.0.0.0/8"),
    ("POLICY_CLUSTER_NETWORKS", "10.0.0.0/8"),
    ("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local."),
    ("CONTROL_STREAM_INITIAL_TIMEOUT", "3s"),
    ("CONTROL_STREAM_IDLE_TIMEOUT", "5m"),
    ("CONTROL_STREAM_LIFETIME", "1h"),
    ("LOG", "warn,linkerd=info"),
];

/// A client's pod and a server's, with these programs as their proxies.
struct Pair {
    client_pod: Pod,
    server_pod: Pod,
    client: PodProxy,
    server: PodProxy,
    _plane: ControlPlane,
    _http: echo::Http,
    _opaque: Box<dyn std::any::Any>,
    _node: Node,
}

impl Pair {
    async fn start(name: &str, subnet: u8, client: PathBuf, server: PathBuf) -> Self {
        let node = Node::new(name, subnet);
        let (client_pod, server_pod) = (node.pod(2), node.pod(3));
        client_pod.redirect();
        server_pod.redirect();
        let http = echo::Http::start_on(server_pod.application(HTTP_PORT), "web");
        let opaque = echo::tcp_on(server_pod.application(OPAQUE_PORT));
        let plane = ControlPlane::start().await;
        let endpoint = Endpoint::meshed(server_pod.address(HTTP_PORT), SERVER);
        plane.service(WEB, web()).add(endpoint);
        let mut endpoint = Endpoint::meshed(server_pod.address(OPAQUE_PORT), SERVER);
        endpoint.is_http2 = false;
        let bytes = plane.service(STORE, store());
        plane.outbound(store(), policies::opaque(STORE));
        bytes.add(endpoint.via(INBOUND_PORT));
        plane.inbound(OPAQUE_PORT, policies::opaque_server(&Clients::Anyone));
        Self {
            client: PodProxy::start(&plane, &client_pod, &client, CLIENT, &USUAL).await,
            server: PodProxy::start(&plane, &server_pod, &server, SERVER, &USUAL).await,
            client_pod,
            server_pod,
            _plane: plane,
            _http: http,
            _opaque: Box::new(opaque),
            _node: node,
        }
    }

    async fn http1(&self, request: http::request::Builder, body: &'static [u8]) -> Answer {
        let request = request.header("host", WEB);
        let send = move || client::send_body(web(), request, Bytes::from_static(body));
        let answer = self.client_pod.run(send).await;
        answer.unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.client.log(), self.server.log()))
    }

    async fn http2(&self, request: http::request::Builder, body: &'static [u8]) -> Answer {
        let send = move || client::send_http2(web(), request, Bytes::from_static(body));
        let answer = self.client_pod.run(send).await;
        answer.unwrap_or_else(|e| panic!("{e}\n{}\n{}", self.client.log(), self.server.log()))
    }

    /// All that is the same whoever stands on which side.
    async fn carries_everything(&self) {
        self.carries_http1().await;
        self.carries_http2_and_grpc().await;
        self.carries_opaque_bytes().await;
        self.counts_both_ends().await;
    }

    async fn carries_http1(&self) {
        let answer = self.http1(Request::get("/books?page=2"), b"").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = answer.seen();
        assert_eq!(
            (seen["uri"].as_str(), seen["version"].as_str()),
            (Some("/books?page=2"), Some("HTTP/1.1"))
        );
        assert_eq!(seen["headers"]["l5d-client-id"], CLIENT);
        assert_eq!(seen["headers"].get("l5d-orig-proto"), None);
        let answer = self.http1(Request::post("/"), &[b'x'; 100_000]).await;
        assert_eq!(answer.seen()["body_bytes"], 100_000);
        let answer = self.http1(Request::get("/?status=503"), b"").await;
        assert_eq!(answer.status, 503);
    }

    async fn carries_http2_and_grpc(&self) {
        let uri = format!("http://{WEB}/books");
        let answer = self.http2(Request::get(&uri), b"").await;
        assert_eq!(answer.seen()["version"], "HTTP/2.0");
        assert_eq!(answer.seen()["headers"]["l5d-client-id"], CLIENT);
        let request = Request::post(&uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-grpc-status", "5");
        let answer = self.http2(request, b"12345").await;
        let trailers = answer.trailers.expect("a gRPC answer has trailers");
        assert_eq!(trailers["grpc-status"], "5");
    }

    async fn carries_opaque_bytes(&self) {
        let echoed = self.client_pod.run(|| async {
            let mut stream = TcpStream::connect(store()).await?;
            stream.write_all(b"*1\r\n$4\r\nPING\r\n").await?;
            stream.shutdown().await?;
            let mut all = Vec::new();
            // The other direction outlives the end of the first.
            stream.read_to_end(&mut all).await?;
            std::io::Result::Ok(all)
        });
        assert_eq!(echoed.await.expect("it is echoed"), b"*1\r\n$4\r\nPING\r\n");
    }

    async fn counts_both_ends(&self) {
        let server_id = format!("server_id=\"{SERVER}\"");
        let client_id = format!("client_id=\"{CLIENT}\"");
        let sent = ["direction=\"outbound\"", "tls=\"true\"", &server_id];
        let received = ["direction=\"inbound\"", "tls=\"true\"", &client_id];
        for status in ["status_code=\"200\"", "status_code=\"503\""] {
            for (proxy, pod, labels) in [
                (&self.client, &self.client_pod, &sent),
                (&self.server, &self.server_pod, &received),
            ] {
                let labels = [&labels[..], &[status]].concat();
                assert!(proxy.metric(pod, "response_total", &labels).await >= 1.0);
            }
        }
        let sent = [&sent[..], &["peer=\"dst\""]].concat();
        let received = [&received[..], &["peer=\"src\"", "srv_port=\"6379\""]].concat();
        let opened = "tcp_open_total";
        assert!(self.client.metric(&self.client_pod, opened, &sent).await >= 1.0);
        assert!(
            self.server
                .metric(&self.server_pod, opened, &received)
                .await
                >= 1.0
        );
    }
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn our_client_reaches_their_server() {
    let Some(theirs) = theirs() else { return };
    let pair = Pair::start("peer1", 2, ours(), theirs).await;
    pair.carries_everything().await;
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn their_client_reaches_our_server() {
    let Some(theirs) = theirs() else { return };
    let pair = Pair::start("peer2", 3, theirs, ours()).await;
    pair.carries_everything().await;
}

/// The same between two of ours: what the two above show is the peer's, and not the arrangement's.
#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn ours_reaches_ours() {
    let pair = Pair::start("peer3", 4, ours(), ours()).await;
    pair.carries_everything().await;
}
