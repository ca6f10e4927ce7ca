//! Every wait of the proxy that a clock ends, on a clock of the test's own: hours pass in milliseconds.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

mod first_line;
mod list;
mod stalled;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use linkerd2_proxy_api::http_route;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tulle_proxy::connect::pool::{Pool, PoolSettings};
use tulle_proxy::connect::tcp::{ConnectError, ConnectSettings, Connector, Dial};
use tulle_proxy::control::cache::Cache;
use tulle_proxy::control::stream::Backoff;
use tulle_proxy::exchange::serve::HttpSettings;
use tulle_proxy::telemetry::labels::Labels;
use tulle_proxy::telemetry::metrics::Metrics;
use tulle_proxy::tls::client::Peer;
use tulle_proxy::tls::name::Identity;
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::{Endpoint, detected_with};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{WEB, cluster_ip};

const NAME: &str = "web.shop.serviceaccount.identity.tulle.cluster.local";
const TAP: &str = "tap.tulle-viz.serviceaccount.identity.tulle.cluster.local";

fn seconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64()
}

/// Certified, and on this test's clock.
async fn proxy(plane: &ControlPlane, variables: &[(&str, &str)]) -> Proxy {
    let proxy = Proxy::begin_here(plane, NAME, variables).await;
    proxy.ready().await;
    proxy
}

async fn closed_by_peer(stream: &mut TcpStream) {
    let mut rest = [0; 64];
    let read = stream.read(&mut rest).await;
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

fn connector() -> Arc<Connector> {
    let settings = ConnectSettings {
        timeout: Duration::from_secs(1),
        keepalive: None,
        user_timeout: None,
    };
    Arc::new(Connector::new(settings, None))
}

fn plain(address: SocketAddr) -> Dial {
    Dial {
        address,
        peer: None,
        header: None,
    }
}

/// An address that lets SYN packets lie: its queue is full.
struct Full {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<std::net::TcpStream>,
}

impl Full {
    fn new() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let listener = listener.unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        Self {
            address,
            _queued: vec![std::net::TcpStream::connect(address).unwrap()],
            _listener: listener,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer() {
    let full = Full::new();
    let begun = Instant::now();
    let failed = connector()
        .connect(&plain(full.address))
        .await
        .err()
        .unwrap();
    assert!(matches!(failed, ConnectError::TimedOut(_, _)), "{failed}");
    assert!((1.0..1.1).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_shake_hands() {
    let silent = echo::silent().await;
    let plane = ControlPlane::start().await;
    let keys = Proxy::keys(&plane, NAME);
    let settings = ConnectSettings {
        timeout: Duration::from_secs(1),
        keepalive: None,
        user_timeout: None,
    };
    let peer = Peer {
        identity: Identity::new(NAME),
        server_name: Identity::new(NAME),
    };
    let dial = Dial {
        peer: Some(peer),
        ..plain(silent.address)
    };
    let begun = Instant::now();
    let failed = Connector::new(settings, Some(keys))
        .connect(&dial)
        .await
        .err()
        .unwrap();
    assert!(matches!(failed, ConnectError::TimedOut(_, _)), "{failed}");
    assert!((2.0..2.1).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn a_silent_http2_server_is_given_up() {
    let silent = echo::silent().await;
    let settings = PoolSettings {
        idle_timeout: Duration::from_secs(3),
        max_idle: 8,
        http2: HttpSettings {
            keep_alive: Some((Duration::from_secs(10), Duration::from_secs(3))),
            ..HttpSettings::default()
        },
    };
    let metrics = Metrics::new(Duration::from_secs(60)).transport(Labels::new());
    let pool = Pool::new(plain(silent.address), connector(), settings, metrics);
    let sender = pool.ready_http2().await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!sender.is_closed());
    tokio::time::sleep(Duration::from_secs(5)).await;
    client::until("it is given up", async || sender.is_closed().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn idle_connections_end() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let application = echo::Http::start("web").await;
    plane
        .service(WEB, cluster_ip())
        .add(Endpoint::plain(application.address()));
    let answer = client::get(proxy.outbound(cluster_ip()), "/").await;
    assert_eq!(answer.unwrap().status, 200);
    let open = "tcp_open_connections";
    let labels = ["peer=\"dst\"", "direction=\"outbound\""];
    assert_eq!(proxy.metric(open, &labels).await, 1.0);
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(proxy.metric(open, &labels).await, 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_forgotten() {
    let cache = Cache::new(Duration::from_secs(5));
    let first = Arc::downgrade(&cache.get_or_insert(&1, || "one"));
    let held = cache.get_or_insert(&2, || "two");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(first.upgrade().is_some());
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(first.upgrade().is_none());
    assert!(Arc::ptr_eq(&held, &cache.get_or_insert(&2, || "another")));
}

#[tokio::test(start_paused = true)]
async fn a_leaf_is_renewed_before_it_ends() {
    let plane = ControlPlane::start().await;
    let _proxy = proxy(&plane, &[]).await;
    tokio::time::sleep(Duration::from_secs(12 * 3_600)).await;
    assert_eq!(
        plane.certified().len(),
        1,
        "a leaf for a day is good for half of it"
    );
    tokio::time::sleep(Duration::from_secs(11 * 3_600)).await;
    assert_eq!(plane.certified().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn waits_between_attempts_double() {
    let mut backoff = Backoff::up_to(Duration::from_secs(1));
    for exact in [0.1, 0.2, 0.4, 0.8, 1.0, 1.0] {
        let begun = Instant::now();
        backoff.wait().await;
        let waited = seconds(begun);
        assert!(
            (exact / 2.0..exact + 0.01).contains(&waited),
            "{waited}, not {exact}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_control_plane_is_asked_again() {
    let plane = ControlPlane::start().await;
    let silent = echo::silent().await;
    let address = silent.address.to_string();
    let limits = [
        ("POLICY_SVC_ADDR", address.as_str()),
        ("CONTROL_STREAM_INITIAL_TIMEOUT", "3s"),
    ];
    let proxy = proxy(&plane, &limits).await;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(proxy.outbound(cluster_ip()))
        .await
        .unwrap();
    closed_by_peer(&mut stream).await;
    // Three of the initial limits pass while the connection waits for its ten seconds.
    assert!((9.9..10.5).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn a_connection_waits_ten_seconds_for_discovery() {
    let plane = ControlPlane::start().await;
    let lost = [("POLICY_SVC_ADDR", "127.0.0.1:1")];
    let proxy = proxy(&plane, &lost).await;
    let begun = Instant::now();
    let mut stream = TcpStream::connect(proxy.outbound(cluster_ip()))
        .await
        .unwrap();
    closed_by_peer(&mut stream).await;
    assert!((9.9..10.5).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_service_the_default_holds_after_three_seconds() {
    let plane = ControlPlane::start().await;
    let silent = echo::silent().await;
    let address = silent.address.to_string();
    let proxy = proxy(&plane, &[("POLICY_SVC_ADDR", address.as_str())]).await;
    let application = echo::Http::start("web").await;
    let begun = Instant::now();
    let answer = client::get(proxy.inbound(application.address()), "/").await;
    assert_eq!(answer.unwrap().status, 200);
    assert!((2.9..3.5).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_speaks_first_waits_a_tenth_of_a_second() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let application = echo::greeter("220 hello\r\n").await;
    plane
        .service(WEB, cluster_ip())
        .add(Endpoint::plain(application.address));
    let outbound = proxy.outbound(cluster_ip());
    for wanted in [0.1, 0.0] {
        let mut stream = TcpStream::connect(outbound).await.unwrap();
        let begun = Instant::now();
        let mut greeting = [0; 11];
        stream.read_exact(&mut greeting).await.unwrap();
        let waited = seconds(begun);
        assert!(
            (wanted..wanted + 0.05).contains(&waited),
            "{waited}, not {wanted}"
        );
    }
}

/// What a client of the mesh sends first.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = NAME.to_string().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// Sends `bytes`, no more, and waits for the end.
async fn cut_off(address: SocketAddr, bytes: &[u8]) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    stream.write_all(bytes).await.unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    seconds(begun)
}

#[tokio::test(start_paused = true)]
async fn a_client_must_finish_its_handshake() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let application = echo::Http::start("web").await;
    let redirected = proxy.inbound(application.address());
    let direct = SocketAddr::from(([127, 0, 0, 1], proxy.addresses.inbound.port()));
    let hello = client_hello();
    for (address, bytes) in [
        (direct, &hello[..3]),
        (direct, &hello[..]),
        (redirected, &hello[..3]),
        (redirected, &hello[..]),
    ] {
        let waited = cut_off(address, bytes).await;
        assert!((9.9..10.2).contains(&waited), "{waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_must_send_its_head() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let _service = plane.service(WEB, cluster_ip());
    let head = b"GET / HTTP/1.1\r\nhost: web\r\n";
    let waited = cut_off(proxy.outbound(cluster_ip()), head).await;
    assert!((29.9..30.5).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_tap_must_finish_its_handshake() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[("TAP_SVC_NAME", TAP)]).await;
    let waited = cut_off(proxy.addresses.tap.unwrap(), &client_hello()).await;
    assert!((9.9..10.2).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_route_s_time_is_up() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let application = echo::Http::start("web").await;
    plane
        .service(WEB, cluster_ip())
        .add(Endpoint::plain(application.address()));
    let timeouts = http_route::Timeouts {
        request: Duration::from_secs(4).try_into().ok(),
        ..Default::default()
    };
    let adjust = |rule: &mut linkerd2_proxy_api::outbound::http_route::Rule| {
        rule.timeouts = Some(timeouts);
    };
    plane.outbound(cluster_ip(), detected_with(WEB, adjust, None));
    let begun = Instant::now();
    let answer = client::get(proxy.outbound(cluster_ip()), "/?delay=9000").await;
    assert_eq!(answer.unwrap().status, 504);
    assert!((4.0..4.2).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_given_up() {
    let lasted = stalled::lasts(http_route::Timeouts {
        idle: Duration::from_secs(7).try_into().ok(),
        ..Default::default()
    });
    let lasted = lasted.await;
    assert!((7.0..7.2).contains(&lasted), "{lasted}");
}

#[tokio::test(start_paused = true)]
async fn a_response_s_time_includes_its_body() {
    let lasted = stalled::lasts(http_route::Timeouts {
        response: Duration::from_secs(5).try_into().ok(),
        ..Default::default()
    });
    let lasted = lasted.await;
    assert!((5.0..5.2).contains(&lasted), "{lasted}");
}

#[tokio::test(start_paused = true)]
async fn each_try_has_a_time_of_its_own() {
    use linkerd2_proxy_api::outbound::http_route::{Retry, Rule};
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let application = echo::Http::start("web").await;
    plane
        .service(WEB, cluster_ip())
        .add(Endpoint::plain(application.address()));
    let backoff = linkerd2_proxy_api::outbound::ExponentialBackoff {
        min_backoff: Duration::from_millis(500).try_into().ok(),
        max_backoff: Duration::from_millis(500).try_into().ok(),
        jitter_ratio: 0.0,
        ..Default::default()
    };
    let adjust = |rule: &mut Rule| {
        rule.retry = Some(Retry {
            max_retries: 2,
            timeout: Duration::from_secs(2).try_into().ok(),
            backoff: Some(backoff),
            ..Default::default()
        });
    };
    plane.outbound(cluster_ip(), detected_with(WEB, adjust, None));
    let begun = Instant::now();
    let answer = client::get(proxy.outbound(cluster_ip()), "/?delay=3500").await;
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(application.requests(), 3);
    // Two tries of two seconds, two pauses of up to half a second; the last try is given its time.
    assert!((7.5..8.8).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn without_endpoints_a_request_fails_after_three_seconds() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let _service = plane.service(WEB, cluster_ip());
    let begun = Instant::now();
    let answer = client::get(proxy.outbound(cluster_ip()), "/").await;
    assert_eq!(answer.unwrap().status, 504);
    assert!((3.0..3.2).contains(&seconds(begun)), "{}", seconds(begun));
}

#[tokio::test(start_paused = true)]
async fn without_endpoints_a_connection_ends_after_its_own_time() {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[("OUTBOUND_TCP_FAILFAST_TIMEOUT", "7s")]).await;
    // No policy tells of it: the proxy's own queue is what holds.
    let profile = linkerd2_proxy_api::destination::DestinationProfile {
        fully_qualified_name: "web.shop.svc.cluster.local".to_string(),
        ..Default::default()
    };
    plane.profile(cluster_ip(), profile);
    let waited = cut_off(proxy.outbound(cluster_ip()), b"\0 not HTTP").await;
    assert!((7.0..7.3).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_its_grace() {
    let plane = ControlPlane::start().await;
    let variables = [
        ("SHUTDOWN_ENDPOINT_ENABLED", "true"),
        ("SHUTDOWN_GRACE_PERIOD", "90s"),
    ];
    let proxy = proxy(&plane, &variables).await;
    let application = echo::tcp().await;
    let mut stream = TcpStream::connect(proxy.inbound(application.address))
        .await
        .unwrap();
    stream.write_all(b"\x00hello").await.unwrap();
    stream.read_exact(&mut [0; 6]).await.unwrap();
    let ask = Request::post("/shutdown").header("host", "localhost");
    client::send(proxy.addresses.admin, ask).await.unwrap();
    let begun = Instant::now();
    proxy.ended().await.unwrap();
    assert!((89.9..90.2).contains(&seconds(begun)), "{}", seconds(begun));
}
