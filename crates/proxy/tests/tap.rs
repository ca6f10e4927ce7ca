//! Who may tap, and what they see.

use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use linkerd2_proxy_api::tap as pb;
use linkerd2_proxy_api::tap::tap_client::TapClient;
use pb::tap_event::http::Event;
use tulle_proxy::control::dns::Dns;
use tulle_proxy::control::stream::{Channel, Service};
use tulle_proxy::tls::client::Peer;
use tulle_proxy::tls::name::Identity;
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::Endpoint;
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB};

const TAP: &str = "tap.tulle-viz.serviceaccount.identity.tulle.cluster.local";

fn everything() -> pb::ObserveRequest {
    let all = pb::observe_request::r#match::Match::All(pb::observe_request::r#match::Seq {
        matches: Vec::new(),
    });
    pb::ObserveRequest {
        limit: 1,
        r#match: Some(pb::observe_request::Match { r#match: Some(all) }),
        extract: None,
    }
}

/// A client of the proxy's control port that proves to be `name`.
fn tap_client(plane: &ControlPlane, proxy: &Proxy, name: &str) -> TapClient<Channel> {
    let address = proxy.addresses.tap.expect("tap is on");
    let service = Service {
        host: address.ip().to_string(),
        port: address.port(),
        peer: Some(Peer {
            identity: Identity::new(&proxy.name),
            server_name: Identity::new(&proxy.name),
        }),
    };
    let keys = Proxy::keys(plane, name);
    TapClient::new(Channel::new(service, Arc::new(Dns::default()), keys))
}

#[tokio::test]
async fn the_tap_identity_sees_a_request_and_its_response() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start_with(&plane, CLIENT, &[("TAP_SVC_NAME", TAP)]).await;
    let application = echo::Http::start("web").await;
    let cluster_ip = SocketAddr::from(([10, 96, 0, 7], 80));
    let service = plane.service(WEB, cluster_ip);
    service.add(Endpoint::plain(application.address()));

    let mut tap = tap_client(&plane, &proxy, TAP);
    let mut events = tap.observe(everything()).await.unwrap().into_inner();
    let request = Request::get("/books?status=404").header("host", WEB);
    let answer = client::send(proxy.outbound(cluster_ip), request).await;
    assert_eq!(answer.unwrap().status, 404);

    let mut told = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        assert_eq!(
            event.proxy_direction(),
            pb::tap_event::ProxyDirection::Outbound
        );
        assert_eq!(event.destination, Some(application.address().into()));
        let Some(pb::tap_event::Event::Http(http)) = event.event else {
            panic!("an event of HTTP");
        };
        told.push(http.event.unwrap());
    }
    let [
        Event::RequestInit(request),
        Event::ResponseInit(response),
        Event::ResponseEnd(end),
    ] = &told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(
        (request.path.as_str(), request.authority.as_str()),
        ("/books", WEB)
    );
    assert_eq!(response.http_status, 404);
    assert!(end.response_bytes > 0);
    assert!(end.since_request_init.is_some());
}

#[tokio::test]
async fn another_identity_sees_nothing() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start_with(&plane, CLIENT, &[("TAP_SVC_NAME", TAP)]).await;
    let mut tap = tap_client(&plane, &proxy, CLIENT);
    let refused = tap.observe(everything()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unauthenticated);
}

#[tokio::test]
async fn without_a_name_there_is_no_tap() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start(&plane, CLIENT).await;
    assert_eq!(proxy.addresses.tap, None);
}

#[tokio::test]
async fn a_reader_that_does_not_read_slows_nobody() {
    let plane = ControlPlane::start().await;
    let proxy = Proxy::start_with(&plane, CLIENT, &[("TAP_SVC_NAME", TAP)]).await;
    let application = echo::Http::start("web").await;
    let cluster_ip = SocketAddr::from(([10, 96, 0, 7], 80));
    let service = plane.service(WEB, cluster_ip);
    service.add(Endpoint::plain(application.address()));
    let outbound = proxy.outbound(cluster_ip);
    let ask = async || {
        let begun = std::time::Instant::now();
        for _ in 0..300 {
            let long = "x".repeat(8_000);
            let request = Request::get("/").header("host", WEB).header("x-long", long);
            let answer = client::send(outbound, request).await;
            assert_eq!(answer.unwrap().status, 200);
        }
        begun.elapsed()
    };
    ask().await;
    let untapped = ask().await;
    let mut tap = tap_client(&plane, &proxy, TAP);
    let headers = pb::observe_request::extract::http::Extract::Headers(Default::default());
    let http = pb::observe_request::extract::Http {
        extract: Some(headers),
    };
    let unlimited = pb::ObserveRequest {
        limit: u32::MAX,
        extract: Some(pb::observe_request::Extract {
            extract: Some(pb::observe_request::extract::Extract::Http(http)),
        }),
        ..everything()
    };
    let mut events = tap.observe(unlimited).await.unwrap().into_inner();
    // More than the proxy and the sockets between can hold: 4,500 events, 12 MB of headers.
    let mut tapped = std::time::Duration::MAX;
    for _ in 0..5 {
        tapped = tapped.min(ask().await);
    }
    assert!(
        tapped < 3 * untapped + std::time::Duration::from_millis(500),
        "{tapped:?}, and {untapped:?} without the tap"
    );
    // It lives, and has lost what it did not read.
    let mut told = 0_u32;
    let patience = std::time::Duration::from_millis(300);
    while let Ok(Ok(Some(_))) = tokio::time::timeout(patience, events.message()).await {
        told += 1;
    }
    assert!((1..4_500).contains(&told), "{told}");
    let request = Request::get("/again").header("host", WEB);
    client::send(outbound, request).await.unwrap();
    assert!(events.message().await.unwrap().is_some());
}
