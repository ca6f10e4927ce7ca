//! The proxy's own requests to the control plane: unary ones, and streams that stay open.

use std::net::SocketAddr;
use std::path::Path;

use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::Endpoint;
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB};

use super::shows;

#[tokio::test]
async fn an_answer_is_timed_when_it_begins_and_counted_when_it_ends() {
    let plane = ControlPlane::start().await;
    let cluster_ip = SocketAddr::from(([10, 96, 0, 7], 80));
    let service = plane.service(WEB, cluster_ip);
    let web = echo::Http::start("web").await;
    service.add(Endpoint::plain(web.address()));
    let addresses = plane.environment(CLIENT, Path::new("/nowhere"));
    let address = |variable: &str| {
        let name = format!("LINKERD2_PROXY_{variable}_SVC_ADDR");
        let found = addresses.iter().find(|(key, _)| *key == name);
        format!("addr=\"{}\"", found.expect("the kit sets it").1)
    };
    let (identity, destination) = (address("IDENTITY"), address("DESTINATION"));
    let proxy = Proxy::start(&plane, CLIENT).await;
    let answer = client::get(proxy.outbound(cluster_ip), "/").await;
    assert_eq!(answer.expect("the proxy answers").status, 200);
    let certified = [&identity, "classification=\"success\"", "grpc_status=\"0\""];
    assert_eq!(
        proxy.metric("control_response_total", &certified).await,
        1.0
    );
    let timed = "control_response_latency_ms_count";
    let asked = proxy.metric("control_request_total", &[&destination]).await;
    shows(&proxy, timed, &[&destination], asked).await;
    let text = proxy.metrics().await;
    let has_ended =
        |line: &str| line.starts_with("control_response_total{") && line.contains(&*destination);
    assert!(!text.lines().any(has_ended), "{text}");
    drop(plane);
    let broken = [
        &destination,
        "status_code=\"200\"",
        "classification=\"failure\"",
    ];
    shows(&proxy, "control_response_total", &broken, asked).await;
}
