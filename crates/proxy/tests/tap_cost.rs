//! What a tap costs the proxy that is tapped: CPU time per request with and without it, in one run.
//!
//! `TULLE_PROXY_BIN` gives the program to measure, `TULLE_TAP_OUT` a file for the figures.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use linkerd2_proxy_api::tap as pb;
use linkerd2_proxy_api::tap::tap_client::TapClient;
use tulle_proxy::control::dns::Dns;
use tulle_proxy::control::stream::{Channel, Service};
use tulle_proxy::tls::client::Peer;
use tulle_proxy::tls::keys::Keys;
use tulle_proxy::tls::name::Identity;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::load::{self, Plan};
use tulle_testkit::pods::{Node, PodProxy};
use tulle_testkit::policies::Endpoint;
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, SERVER, WEB};

const TAP: &str = "tap.tulle-viz.serviceaccount.identity.tulle.cluster.local";

const RATE: u64 = 1_000;
/// Untapped and tapped in turn, so that whatever else the machine does meets both.
const ROUNDS: u64 = 6;
const PHASE: Duration = Duration::from_secs(3);
/// Of one CPU, for tapping `RATE` requests a second; a program that is not optimized may take more.
const MOST: f64 = 0.10;
const MOST_UNOPTIMIZED: f64 = 0.50;

fn program() -> PathBuf {
    let given = std::env::var_os("TULLE_PROXY_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_tulle-proxy").into())
}

/// Nanoseconds that the process was on a CPU.
fn cpu(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |task: std::io::Result<std::fs::DirEntry>| -> Option<u64> {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    tasks.filter_map(of).sum()
}

/// A watcher in a thread of its own, which reads as fast as it can while `is_on`.
struct Watcher {
    is_on: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
}

impl Watcher {
    fn start(enter: impl FnOnce() + Send + 'static, keys: Arc<Keys>, to: SocketAddr) -> Self {
        let watcher = Self {
            is_on: Arc::default(),
            events: Arc::default(),
        };
        let (is_on, events) = (Arc::clone(&watcher.is_on), Arc::clone(&watcher.events));
        std::thread::spawn(move || {
            enter();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(watch(keys, to, &is_on, &events));
        });
        watcher
    }
}

async fn watch(keys: Arc<Keys>, to: SocketAddr, is_on: &AtomicBool, events: &AtomicU64) {
    let service = Service {
        host: to.ip().to_string(),
        port: to.port(),
        peer: Some(Peer {
            identity: Identity::new(CLIENT),
            server_name: Identity::new(CLIENT),
        }),
    };
    let mut tap = TapClient::new(Channel::new(service, Arc::new(Dns::default()), keys));
    loop {
        if !is_on.load(Relaxed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let all = pb::observe_request::r#match::Match::All(Default::default());
        let request = pb::ObserveRequest {
            limit: u32::MAX,
            r#match: Some(pb::observe_request::Match { r#match: Some(all) }),
            extract: None,
        };
        let mut stream = tap.observe(request).await.unwrap().into_inner();
        while is_on.load(Relaxed) {
            let wait = tokio::time::timeout(Duration::from_millis(20), stream.message());
            if let Ok(event) = wait.await {
                // At the end of the test the proxy hangs up.
                let Ok(Some(_)) = event else { return };
                events.fetch_add(1, Relaxed);
            }
        }
    }
}

#[derive(Default)]
struct Side {
    cpu: u64,
    requests: u64,
    events: u64,
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn a_thousand_tapped_requests_a_second_cost_little() {
    let node = Node::new("tap", 5);
    let (client_pod, server_pod, tap_pod) = (node.pod(2), node.pod(3), node.pod(4));
    client_pod.redirect();
    server_pod.redirect();
    let plane = ControlPlane::start().await;
    let application = echo::Http::start_on(server_pod.application(8080), "web");
    let cluster_ip = SocketAddr::from(([10, 96, 0, 7], 80));
    let service = plane.service(WEB, cluster_ip);
    let mut endpoint = Endpoint::meshed(server_pod.address(8080), SERVER);
    endpoint.labels = [
        "namespace",
        "service",
        "pod",
        "deployment",
        "serviceaccount",
    ]
    .map(|label| {
        (
            label.to_string(),
            format!("some-{label}-of-the-usual-length"),
        )
    })
    .into();
    service.add(endpoint);
    let tapped = [("TAP_SVC_NAME", TAP)];
    let program = program();
    let proxy = PodProxy::start(&plane, &client_pod, &program, CLIENT, &tapped).await;
    let server = PodProxy::start(&plane, &server_pod, &program, SERVER, &[]).await;
    let keys = Proxy::keys(&plane, TAP);
    let watcher = Watcher::start(tap_pod.entrance(), keys, client_pod.address(4190));
    let plan = Plan {
        to: cluster_ip,
        authority: WEB.to_string(),
        rate: RATE,
        length: PHASE * (2 * u32::try_from(ROUNDS).unwrap() + 2),
    };
    let load = load::start(&client_pod, plan);
    tokio::time::sleep(PHASE).await;

    let mut sides = [Side::default(), Side::default()];
    for round in 0..2 * ROUNDS {
        let is_tapped = round % 2 == 1;
        watcher.is_on.store(is_tapped, Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = (
            cpu(proxy.pid()),
            application.requests(),
            watcher.events.load(Relaxed),
        );
        tokio::time::sleep(PHASE - Duration::from_millis(300)).await;
        let side = &mut sides[usize::from(is_tapped)];
        side.cpu += cpu(proxy.pid()) - begun.0;
        side.requests += application.requests() - begun.1;
        side.events += watcher.events.load(Relaxed) - begun.2;
    }
    let outcome = tokio::task::spawn_blocking(move || load.join()).await;
    let outcome = outcome.unwrap().unwrap();
    // A program that counts what runs in it writes that when it ends.
    drop(watcher);
    proxy.end().await;
    server.end().await;
    let [untapped, tapped] = sides;
    let each = |side: &Side| side.cpu as f64 / side.requests as f64 / 1_000.0;
    let ratio = each(&tapped) / each(&untapped);
    let share = (each(&tapped) - each(&untapped)) * RATE as f64 / 1e6;
    let report = serde_json::json!({
        "requests_per_second": RATE,
        "microseconds_of_cpu_per_request": each(&untapped),
        "microseconds_of_cpu_per_tapped_request": each(&tapped),
        "ratio": ratio,
        "share_of_a_cpu": share,
        "events_per_tapped_request": tapped.events as f64 / tapped.requests as f64,
        "failed": outcome.failures,
        "how": "on-CPU time of the client's proxy (schedstat), 6 phases of 3 s each way in turn; this machine counts no instructions",
    });
    eprintln!("{report:#}");
    if let Some(path) = std::env::var_os("TULLE_TAP_OUT") {
        std::fs::write(path, format!("{report:#}\n")).unwrap();
    }
    assert_eq!(outcome.failures, 0, "{:?}", outcome.told);
    let events = tapped.events as f64 / tapped.requests as f64;
    assert!(
        (2.9..3.1).contains(&events),
        "each request has three: {events}"
    );
    assert_eq!(untapped.events, 0);
    let is_given = std::env::var_os("TULLE_PROXY_BIN").is_some();
    let most = if is_given { MOST } else { MOST_UNOPTIMIZED };
    assert!(share < most, "{share} of a CPU");
}
