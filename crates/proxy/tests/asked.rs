//! Time-outs and retries that a request asks for itself by `l5d-` headers, with and without its policy's leave.

use bytes::Bytes;
use http::Request;
use linkerd2_proxy_api::outbound;
use tulle_testkit::client::{self, Answer};
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Endpoint, detected_with, grpc_with};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, WEB, cluster_ip};

struct Shop {
    plane: ControlPlane,
    proxy: Proxy,
    web: echo::Http,
    _service: Service,
}

impl Shop {
    async fn start(is_allowed: bool) -> Self {
        let plane = ControlPlane::start().await;
        let proxy = Proxy::start(&plane, CLIENT).await;
        let web = echo::Http::start("web").await;
        let service = plane.service(WEB, cluster_ip());
        service.add(Endpoint::plain(web.address()));
        let allow = |rule: &mut outbound::http_route::Rule| {
            rule.allow_l5d_request_headers = is_allowed;
        };
        plane.outbound(cluster_ip(), detected_with(WEB, allow, None));
        Self {
            plane,
            proxy,
            web,
            _service: service,
        }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header("host", WEB);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client::send(self.proxy.outbound(cluster_ip()), request).await;
        answer.expect("the proxy answers")
    }
}

#[tokio::test]
async fn a_request_s_own_time_out_holds() {
    let shop = Shop::start(true).await;
    for name in ["l5d-timeout", "l5d-request-timeout", "l5d-response-timeout"] {
        let answer = shop.get("/?delay=5000", &[(name, "100ms")]).await;
        assert_eq!(answer.status, 504, "{name}");
        let why = answer.headers["l5d-proxy-error"]
            .to_str()
            .expect("it is text");
        assert!(why.contains("100ms"), "{name}: {why}");
    }
    let answer = shop.get("/", &[("l5d-timeout", "10s")]).await;
    assert_eq!(answer.status, 200);
    let seen = answer.seen();
    assert_eq!(seen["headers"].get("l5d-timeout"), None, "{seen}");
}

#[tokio::test]
async fn a_request_s_own_retries_are_made() {
    let shop = Shop::start(true).await;
    shop.web.fail_with(503);
    for (headers, tries) in [
        (vec![("l5d-retry-http", "5xx")], 2),
        (
            vec![
                ("l5d-retry-http", "gateway-error"),
                ("l5d-retry-limit", "3"),
            ],
            4,
        ),
        (
            vec![("l5d-retry-http", "500-502"), ("l5d-retry-limit", "3")],
            1,
        ),
        (vec![("l5d-retry-limit", "3")], 1),
        (vec![("l5d-retry-http", "whatever")], 1),
    ] {
        let before = shop.web.requests();
        assert_eq!(shop.get("/", &headers).await.status, 503);
        assert_eq!(shop.web.requests() - before, tries, "{headers:?}");
    }
}

#[tokio::test]
async fn a_slow_try_is_followed_by_another() {
    let shop = Shop::start(true).await;
    let headers = [("l5d-retry-timeout", "100ms"), ("l5d-retry-limit", "1")];
    let answer = shop.get("/?delay=1000", &headers).await;
    // The last try is given its time.
    assert_eq!((answer.status, shop.web.requests()), (200, 2));
    let labels = ["error=\"RESPONSE_HEADERS_TIMEOUT\"", "backend_name=\"web\""];
    let statuses = "outbound_http_route_backend_response_statuses_total";
    assert_eq!(shop.proxy.metric(statuses, &labels).await, 1.0);
}

#[tokio::test]
async fn a_grpc_call_is_tried_again_by_its_code() {
    let shop = Shop::start(true).await;
    let allow = |rule: &mut outbound::grpc_route::Rule| rule.allow_l5d_request_headers = true;
    shop.plane.outbound(cluster_ip(), grpc_with(WEB, allow));
    let call = async |headers: &[(&str, &str)]| {
        let before = shop.web.requests();
        let mut request = Request::post(format!("http://{WEB}/books.Books/List"))
            .header("content-type", "application/grpc")
            .header("x-grpc-refusal", "14");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = client::send_http2(shop.proxy.outbound(cluster_ip()), request, Bytes::new());
        let answer = answer.await.expect("the proxy answers");
        assert_eq!(answer.headers["grpc-status"], "14", "{answer:?}");
        shop.web.requests() - before
    };
    let unavailable = ("l5d-retry-grpc", "unavailable");
    assert_eq!(call(&[unavailable, ("l5d-retry-limit", "2")]).await, 3);
    assert_eq!(call(&[("l5d-retry-grpc", "internal")]).await, 1);
    assert_eq!(call(&[]).await, 1);
}

#[tokio::test]
async fn without_leave_they_are_dropped() {
    let shop = Shop::start(false).await;
    let headers = [("l5d-timeout", "1ms"), ("l5d-retry-http", "5xx")];
    let answer = shop.get("/?delay=200", &headers).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.seen();
    assert_eq!(seen["headers"].get("l5d-timeout"), None, "{seen}");
    shop.web.fail_with(503);
    let before = shop.web.requests();
    assert_eq!(shop.get("/", &headers).await.status, 503);
    assert_eq!(shop.web.requests() - before, 1);
}
