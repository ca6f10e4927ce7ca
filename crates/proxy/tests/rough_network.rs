//! Two proxies over a link that loses, delays and reorders packets, or resets connections: what TCP would carry
//! arrives, unchanged and once; what a reset ends, ends at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::load::{self, Plan};
use tulle_testkit::pods::{Node, Pod, PodProxy};
use tulle_testkit::policies::{self, Endpoint};
use tulle_testkit::shop::{CLIENT, SERVER, WEB};
use tulle_testkit::wire::{Trouble, Wire};

const STORE: &str = "store.shop.svc.cluster.local:6379";

const HTTP_PORT: u16 = 8080;
const OPAQUE_PORT: u16 = 6379;

fn web() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 7], 80))
}

fn store() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 8], OPAQUE_PORT))
}

/// A client's pod on a bad link, a server's on a good one.
struct Mesh {
    pod: Pod,
    wire: Wire,
    http: echo::Http,
    node: Node,
    _server_pod: Pod,
    _opaque: Box<dyn std::any::Any>,
    _plane: ControlPlane,
    client: PodProxy,
    _server: PodProxy,
}

impl Mesh {
    async fn start(name: &str, subnet: u8, trouble: Trouble) -> Self {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_tulle-proxy"));
        let node = Node::new(name, subnet);
        let (pod, wire) = node.pod_on_wire(2, trouble);
        let server_pod = node.pod(3);
        pod.redirect();
        server_pod.redirect();
        let http = echo::Http::start_on(server_pod.application(HTTP_PORT), "web");
        let opaque = echo::tcp_on(server_pod.application(OPAQUE_PORT));
        let plane = ControlPlane::start().await;
        let at = |port| Endpoint::meshed(server_pod.address(port), SERVER);
        plane.service(WEB, web()).add(at(HTTP_PORT));
        let bytes = plane.service(STORE, store());
        plane.outbound(store(), policies::opaque(STORE));
        bytes.add(at(OPAQUE_PORT));
        Self {
            client: PodProxy::start(&plane, &pod, &program, CLIENT, &[]).await,
            _server: PodProxy::start(&plane, &server_pod, &program, SERVER, &[]).await,
            pod,
            wire,
            http,
            node,
            _server_pod: server_pod,
            _opaque: Box::new(opaque),
            _plane: plane,
        }
    }

    async fn load(&self, rate: u64, seconds: u64) -> load::Outcome {
        let plan = Plan {
            to: web(),
            authority: WEB.to_string(),
            rate,
            length: Duration::from_secs(seconds),
        };
        let load = load::start(&self.pod, plan);
        let outcome = tokio::task::spawn_blocking(move || load.join()).await;
        outcome.expect("the task lives").expect("it does not panic")
    }
}

/// Bytes of which each piece tells its place.
fn numbered(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(u32::to_be_bytes).take(length).collect()
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn loss_delay_and_reordering_lose_nothing() {
    let trouble = Trouble {
        loss: 0.03,
        delay: Duration::from_millis(10),
        jitter: Duration::from_millis(15),
    };
    let mesh = Mesh::start("rough", 6, trouble).await;
    let outcome = mesh.load(60, 10).await;
    assert_eq!(
        outcome.failures,
        0,
        "{:#?}\n{}",
        outcome.told,
        mesh.client.log()
    );
    assert_eq!(mesh.http.requests(), outcome.requests, "each arrived once");

    let body = Bytes::from(numbered(1_000_000));
    let request = Request::post("/").header("host", WEB);
    let sent = mesh
        .pod
        .run(move || client::send_body_within(web(), request, body, Duration::from_secs(120)));
    assert_eq!(sent.await.unwrap().seen()["body_bytes"], 1_000_000);

    let echoed = mesh.pod.run(|| async {
        let bytes = numbered(500_000);
        let stream = TcpStream::connect(store()).await?;
        let (mut read, mut write) = stream.into_split();
        let sending = bytes.clone();
        let writing = tokio::spawn(async move {
            write.write_all(&sending).await?;
            write.shutdown().await
        });
        let mut all = Vec::new();
        timeout(Duration::from_secs(120), read.read_to_end(&mut all)).await??;
        writing.await??;
        std::io::Result::Ok(all == bytes)
    });
    assert!(echoed.await.unwrap(), "the same bytes in the same order");
    let carried = &mesh.wire.carried;
    assert!(carried.lost.load(Relaxed) > 20, "{carried:?}");
    assert!(carried.overtaken.load(Relaxed) > 20, "{carried:?}");
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn a_reset_ends_what_it_hits_and_nothing_else() {
    let calm = Trouble {
        loss: 0.0,
        delay: Duration::from_millis(1),
        jitter: Duration::ZERO,
    };
    let mesh = Mesh::start("reset", 7, calm).await;
    mesh.node.reset(HTTP_PORT, 0.02);
    let outcome = mesh.load(200, 8).await;
    // A reset connection takes with it what was under way; no answer is another's, and nobody hangs.
    for told in &outcome.told {
        assert!(
            !told.contains("another's answer") && !told.contains("no answer in time"),
            "{told}"
        );
    }
    assert!(
        outcome.failures > 0,
        "2 % of the packets were met by a reset"
    );
    assert!(
        outcome.failures < outcome.requests / 2,
        "{} of {}",
        outcome.failures,
        outcome.requests
    );
    // A request that may have arrived is not sent twice.
    assert!(
        mesh.http.requests() <= outcome.requests,
        "{} of {}",
        mesh.http.requests(),
        outcome.requests
    );
}

/// No FIN, no reset: the server's pod says nothing more, to one client that waits and one that goes on.
#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn a_peer_that_vanishes_is_given_up() {
    let node = Node::new("vanish", 9);
    let (pod, server_pod) = (node.pod(2), node.pod(3));
    pod.redirect();
    let _opaque = echo::tcp_on(server_pod.application(OPAQUE_PORT));
    let plane = ControlPlane::start().await;
    let bytes = plane.service(STORE, store());
    plane.outbound(store(), policies::opaque(STORE));
    bytes.add(Endpoint::plain(server_pod.address(OPAQUE_PORT)));
    let limits = [
        ("OUTBOUND_CONNECT_KEEPALIVE", "1s"),
        ("OUTBOUND_CONNECT_USER_TIMEOUT", "2s"),
    ];
    let program = PathBuf::from(env!("CARGO_BIN_EXE_tulle-proxy"));
    let proxy = PodProxy::start(&plane, &pod, &program, CLIENT, &limits).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let (vanish, vanished) = tokio::sync::oneshot::channel();
    let talk = pod.run(move || async move {
        let mut streams = [connected().await, connected().await];
        tell.send(()).expect("the test waits");
        vanished.await.expect("the test goes on");
        let _ = streams[1].write_all(b"more").await;
        let mut ends = Vec::new();
        for stream in &mut streams {
            ends.push(timeout(PATIENCE, stream.read(&mut [0; 8])).await);
        }
        ends
    });
    let cut = async {
        told.await.expect("both are connected");
        for rule in ["-I INPUT -i eth0 -j DROP", "-I OUTPUT -o eth0 -j DROP"] {
            server_pod.iptables(rule);
        }
        vanish.send(()).expect("the client waits");
    };
    let (ends, ()) = tokio::join!(talk, cut);
    for end in ends {
        let end = end.expect("it is given up");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    let open = ["peer=\"dst\"", "direction=\"outbound\""];
    let left = proxy.metric(&pod, "tcp_open_connections", &open).await;
    assert_eq!(left, 0.0, "a connection is left behind");
}

/// Longer than keepalive and user time-out, far shorter than what the kernel waits by itself.
const PATIENCE: Duration = Duration::from_secs(60);

async fn connected() -> TcpStream {
    let mut stream = TcpStream::connect(store())
        .await
        .expect("the proxy listens");
    stream.write_all(b"\0x").await.expect("it is open");
    let mut echoed = [0; 2];
    stream.read_exact(&mut echoed).await.expect("it is echoed");
    stream
}
