//! An endpoint that fails again and again is left alone, probed, and taken back.

use std::time::Duration;

use tulle_testkit::client;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Endpoint, consecutive_failures, detected_with};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB, cluster_ip};

async fn start(backoff: Duration) -> (ControlPlane, Proxy, Service) {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start(&plane, CLIENT).await;
    let service = plane.service(WEB, cluster_ip());
    let accrual = consecutive_failures(3, backoff);
    plane.outbound(cluster_ip(), detected_with(WEB, |_| {}, Some(accrual)));
    (plane, proxy, service)
}

async fn status(proxy: &Proxy) -> u16 {
    let answer = client::get(proxy.outbound(cluster_ip()), "/").await;
    answer.expect("the proxy answers").status
}

#[tokio::test]
async fn a_failing_endpoint_is_left_alone_until_it_recovers() {
    let (_plane, proxy, service) = start(Duration::from_secs(1)).await;
    let good = echo::Http::start("good").await;
    let bad = echo::Http::start("bad").await;
    bad.fail_with(500);
    service.add(Endpoint::plain(good.address()));
    service.add(Endpoint::plain(bad.address()));
    client::until("the bad one has failed three times", async || {
        status(&proxy).await;
        (bad.requests() == 3).then_some(())
    })
    .await;
    for _ in 0..30 {
        assert_eq!(status(&proxy).await, 200);
    }
    assert_eq!(bad.requests(), 3, "not within its second");
    bad.fail_with(0);
    service.remove(good.address());
    client::until("the bad one is taken back", async || {
        assert_eq!(status(&proxy).await, 200);
        (bad.requests() > 10).then_some(())
    })
    .await;
}

#[tokio::test]
async fn when_all_are_left_alone_requests_wait_for_the_probe() {
    let (_plane, proxy, service) = start(Duration::from_millis(500)).await;
    let only = echo::Http::start("only").await;
    only.fail_with(503);
    service.add(Endpoint::plain(only.address()));
    for _ in 0..3 {
        assert_eq!(status(&proxy).await, 503);
    }
    only.fail_with(0);
    let begun = std::time::Instant::now();
    assert_eq!(status(&proxy).await, 200, "the probe is what waited");
    assert!(begun.elapsed() > Duration::from_millis(300));
}
