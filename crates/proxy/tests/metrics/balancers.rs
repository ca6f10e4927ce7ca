//! Balancers and the queues in front of them, the proxy's own clients of the control plane among them.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use linkerd2_proxy_api::outbound;
use linkerd2_proxy_api::outbound::proxy_protocol::{Detect, Http1, Http2, Kind};
use tokio::task::JoinHandle;
use tulle_testkit::client::{self, Answer};
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Endpoint, default_metadata, detected, http_route, outbound_policy};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB, cluster_ip};

use super::{nobody, shows};

struct Shop {
    plane: ControlPlane,
    proxy: Proxy,
    service: Service,
    web: echo::Http,
}

impl Shop {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let plane = ControlPlane::start().await;
        let service = plane.service(WEB, cluster_ip());
        Self {
            proxy: Proxy::start_with(&plane, CLIENT, variables).await,
            service,
            web: echo::Http::start("web").await,
            plane,
        }
    }

    /// `capacity` requests may wait for so long; the routes of HTTP/1 and HTTP/2 are not the same.
    fn queue(&self, capacity: u32, failfast: Duration) {
        let route = |name: &str| {
            let mut route = http_route(WEB);
            route.metadata = Some(default_metadata(name));
            let backends = route.rules[0]
                .backends
                .as_mut()
                .and_then(|b| b.kind.as_mut());
            let Some(outbound::http_route::distribution::Kind::FirstAvailable(first)) = backends
            else {
                panic!("the kit's rule takes the first")
            };
            let backend = first.backends[0].backend.as_mut();
            backend.expect("the kit names one").queue = Some(outbound::Queue {
                capacity,
                failfast_timeout: failfast.try_into().ok(),
            });
            route
        };
        let detect = Detect {
            http1: Some(Http1 {
                routes: vec![route("one")],
                failure_accrual: None,
            }),
            http2: Some(Http2 {
                routes: vec![route("two")],
                failure_accrual: None,
            }),
            ..Detect::default()
        };
        let policy = outbound_policy(WEB, Kind::Detect(detect));
        self.plane.outbound(cluster_ip(), policy);
    }

    fn ask(&self) -> impl Future<Output = std::io::Result<Answer>> + Send + 'static {
        client::get(self.proxy.outbound(cluster_ip()), "/")
    }

    fn waiter(&self) -> JoinHandle<std::io::Result<Answer>> {
        tokio::spawn(self.ask())
    }

    async fn get(&self) -> u16 {
        self.ask().await.expect("the proxy answers").status
    }

    /// Of the one balancer of HTTP, waited for until it is this.
    async fn shows(&self, family: &str, labels: &[&str], wanted: f64) {
        shows(
            &self.proxy,
            &format!("outbound_http_balancer_{family}"),
            labels,
            wanted,
        )
        .await;
    }
}

const NAMES: [&str; 2] = [
    "parent_group=\"core\",parent_kind=\"Service\",parent_namespace=\"shop\",parent_name=\"web\",parent_port=\"80\"",
    "backend_group=\"core\",backend_kind=\"Service\",backend_namespace=\"shop\",backend_name=\"web\",backend_port=\"80\"",
];

#[tokio::test]
async fn endpoints_are_shown_by_state_and_their_changes_by_kind() {
    let shop = Shop::start(&[]).await;
    let (web, gone) = (shop.web.address(), nobody());
    shop.service.add(Endpoint::plain(web));
    assert_eq!(shop.get().await, 200);
    let ready = [&NAMES[..], &["endpoint_state=\"ready\""]].concat();
    let pending = [&NAMES[..], &["endpoint_state=\"pending\""]].concat();
    shop.shows("endpoints", &ready, 1.0).await;
    shop.shows("p2c_updates_total", &["op=\"Reset\""], 1.0)
        .await;
    shop.service.add(Endpoint::plain(gone));
    shop.shows("p2c_updates_total", &["op=\"Add\""], 1.0).await;
    client::until("the one that is gone is left alone", async || {
        assert_eq!(shop.get().await, 200);
        (shop
            .proxy
            .metric("outbound_http_balancer_endpoints", &pending)
            .await
            == 1.0)
            .then_some(())
    })
    .await;
    shop.shows("p2c_endpoints", &NAMES, 2.0).await;
    shop.service.remove(gone);
    shop.shows("p2c_updates_total", &["op=\"Remove\""], 1.0)
        .await;
    shop.shows("p2c_endpoints", &NAMES, 1.0).await;
    shop.shows("endpoints", &pending, 0.0).await;
}

#[tokio::test]
async fn the_queue_counts_who_waits_and_how_long() {
    let shop = Shop::start(&[]).await;
    let waiter = shop.waiter();
    shop.shows("queue_length", &NAMES, 1.0).await;
    shop.service.add(Endpoint::plain(shop.web.address()));
    let answer = waiter.await.expect("it does not panic");
    assert_eq!(answer.expect("the proxy answers").status, 200);
    shop.shows("queue_length", &NAMES, 0.0).await;
    assert_eq!(shop.get().await, 200);
    shop.shows("queue_requests_total", &NAMES, 2.0).await;
    shop.shows("queue_latency_seconds_count", &NAMES, 2.0).await;
    let at_once = [&NAMES[..], &["le=\"0.0005\""]].concat();
    shop.shows("queue_latency_seconds_bucket", &at_once, 1.0)
        .await;
}

#[tokio::test]
async fn the_gate_is_shut_when_they_waited_in_vain_and_opened_by_an_answer() {
    let shop = Shop::start(&[]).await;
    shop.queue(100, Duration::from_millis(250));
    let gate = async |family: &str| {
        let name = format!("outbound_http_balancer_queue_gate_{family}");
        shop.proxy.metric(&name, &NAMES).await
    };
    assert_eq!(shop.get().await, 504);
    let counts = (gate("open_total").await, gate("shut_total").await);
    assert_eq!(counts, (1.0, 1.0));
    assert_eq!(gate("timeout_seconds").await, 0.25);
    assert_eq!(gate("open_time_seconds").await, 0.0);
    let shut = gate("shut_time_seconds").await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("it is after 1970").as_secs_f64();
    assert!((now - 60.0..=now).contains(&shut), "{shut} of {now}");
    shop.service.add(Endpoint::plain(shop.web.address()));
    client::until("an answer", async || {
        (shop.get().await == 200).then_some(())
    })
    .await;
    let counts = (gate("open_total").await, gate("shut_total").await);
    assert_eq!(counts, (2.0, 1.0));
    assert_eq!(gate("shut_time_seconds").await, 0.0);
    assert!(gate("open_time_seconds").await >= shut);
}

#[tokio::test]
async fn both_versions_of_http_wait_in_one_queue() {
    let shop = Shop::start(&[]).await;
    shop.queue(1, Duration::from_secs(600));
    let _waiter = shop.waiter();
    shop.shows("queue_length", &NAMES, 1.0).await;
    let request = Request::get(format!("http://{WEB}/"));
    let answer = client::send_http2(shop.proxy.outbound(cluster_ip()), request, Bytes::new());
    assert_eq!(answer.await.expect("the proxy answers").status, 503);
    shop.shows("queue_requests_total", &NAMES, 1.0).await;
}

#[tokio::test]
async fn connections_that_are_not_http_have_a_balancer_of_their_own() {
    let shop = Shop::start(&[]).await;
    let greeter = echo::greeter("hello").await;
    shop.service.add(Endpoint::plain(greeter.address));
    let address = shop.proxy.outbound(cluster_ip());
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .expect("it listens");
    let mut said = [0; 5];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut said)
        .await
        .expect("it speaks");
    let name = "outbound_tcp_balancer_queue_requests_total";
    shows(&shop.proxy, name, &NAMES, 1.0).await;
    assert!(
        !shop
            .proxy
            .metrics()
            .await
            .contains("outbound_http_balancer")
    );
}

#[tokio::test]
async fn rows_go_with_their_balancer() {
    let shop = Shop::start(&[("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", "200ms")]).await;
    shop.service.add(Endpoint::plain(shop.web.address()));
    assert_eq!(shop.get().await, 200);
    shop.shows("queue_requests_total", &NAMES, 1.0).await;
    client::until("the rows are gone", async || {
        let text = shop.proxy.metrics().await;
        (!text.contains("outbound_http_balancer")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_new_policy_goes_on_with_the_rows_of_the_old() {
    let shop = Shop::start(&[]).await;
    shop.service.add(Endpoint::plain(shop.web.address()));
    assert_eq!(shop.get().await, 200);
    let timeout = "queue_gate_timeout_seconds";
    shop.queue(7, Duration::from_millis(1_500));
    shop.shows(timeout, &NAMES, 1.5).await;
    assert_eq!(shop.get().await, 200);
    shop.plane.outbound(cluster_ip(), detected(WEB));
    shop.shows(timeout, &NAMES, 3.0).await;
    shop.shows("queue_requests_total", &NAMES, 2.0).await;
    let text = shop.proxy.metrics().await;
    let lines = text
        .lines()
        .filter(|l| l.starts_with("outbound_http_balancer_queue_length{"));
    assert_eq!(lines.count(), 1, "{text}");
}

#[tokio::test]
async fn clients_of_the_control_plane_are_balancers_too() {
    let shop = Shop::start(&[]).await;
    shop.service.add(Endpoint::plain(shop.web.address()));
    assert_eq!(shop.get().await, 200);
    let address = ["addr=\"127.0.0.1:"];
    for client in ["identity", "destination", "policy"] {
        let name = |family: &str| format!("control_{client}_balancer_{family}");
        let ready = [address[0], "endpoint_state=\"ready\""];
        shows(&shop.proxy, &name("endpoints"), &ready, 1.0).await;
        shows(&shop.proxy, &name("p2c_endpoints"), &address, 1.0).await;
        let reset = [address[0], "op=\"Reset\""];
        shows(&shop.proxy, &name("p2c_updates_total"), &reset, 1.0).await;
        shows(&shop.proxy, &name("queue_length"), &address, 0.0).await;
        shows(&shop.proxy, &name("queue_gate_open_total"), &address, 1.0).await;
        shows(
            &shop.proxy,
            &name("queue_gate_timeout_seconds"),
            &address,
            1.0,
        )
        .await;
        let asked = shop
            .proxy
            .metric(&name("queue_requests_total"), &address)
            .await;
        assert!(asked >= 1.0, "{client}: {asked}");
        let waited = shop
            .proxy
            .metric(&name("queue_latency_seconds_count"), &address)
            .await;
        assert!(waited >= 1.0, "{client}: {waited}");
    }
    let Shop { plane, proxy, .. } = shop;
    drop(plane);
    let name = "control_destination_balancer_queue_gate_shut_total";
    client::until("it cannot be reached", async || {
        (proxy.metric(name, &address).await >= 1.0).then_some(())
    })
    .await;
    let pending = [address[0], "endpoint_state=\"pending\""];
    shows(
        &proxy,
        "control_destination_balancer_endpoints",
        &pending,
        1.0,
    )
    .await;
}
