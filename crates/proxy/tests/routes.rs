//! What routes do to requests: weights, filters, time-outs, retries, and a ServiceProfile's counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::service::service_fn;
use linkerd2_proxy_api::{destination, http_route, http_types, outbound};
use tulle_testkit::client;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Endpoint, balanced, detected_with, grpc_with};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::serve;
use tulle_testkit::shop::{CLIENT, WEB, cluster_ip};

const CANARY: &str = "canary.shop.svc.cluster.local:80";

struct Shop {
    plane: ControlPlane,
    proxy: Proxy,
    web: echo::Http,
    _service: Service,
}

impl Shop {
    async fn start() -> Self {
        let web = echo::Http::start("web").await;
        let address = web.address();
        Self::with(web, address).await
    }

    /// With a server of the test's own.
    async fn start_with(server: SocketAddr) -> Self {
        Self::with(echo::Http::start("unused").await, server).await
    }

    async fn with(web: echo::Http, server: SocketAddr) -> Self {
        let plane = ControlPlane::start().await;
        let proxy = Proxy::start(&plane, CLIENT).await;
        let service = plane.service(WEB, cluster_ip());
        service.add(Endpoint::plain(server));
        Self {
            plane,
            proxy,
            web,
            _service: service,
        }
    }

    fn route(&self, adjust: impl Fn(&mut outbound::http_route::Rule)) {
        let policy = detected_with(WEB, adjust, None);
        self.plane.outbound(cluster_ip(), policy);
    }

    async fn get(&self, path: &str) -> client::Answer {
        let request = Request::get(path).header("host", WEB);
        let answer = client::send(self.proxy.outbound(cluster_ip()), request).await;
        answer.expect("the proxy answers")
    }
}

fn weighted(authority: &str, weight: u32) -> outbound::http_route::WeightedRouteBackend {
    outbound::http_route::WeightedRouteBackend {
        backend: Some(outbound::http_route::RouteBackend {
            backend: Some(balanced(authority)),
            ..Default::default()
        }),
        weight,
    }
}

#[tokio::test]
async fn weights_share_out_requests() {
    let shop = Shop::start().await;
    let canary = echo::Http::start("canary").await;
    let second = shop.plane.service(CANARY, "10.96.0.8:80".parse().unwrap());
    second.add(Endpoint::plain(canary.address()));
    shop.route(|rule| {
        let random = outbound::http_route::distribution::RandomAvailable {
            backends: vec![weighted(WEB, 3), weighted(CANARY, 1)],
        };
        rule.backends = Some(outbound::http_route::Distribution {
            kind: Some(outbound::http_route::distribution::Kind::RandomAvailable(
                random,
            )),
        });
    });
    for _ in 0..200 {
        assert_eq!(shop.get("/").await.status, 200);
    }
    // 50 are expected; further off than this happens once in millions of runs.
    assert!(
        (20..=85).contains(&canary.requests()),
        "{}",
        canary.requests()
    );
    assert_eq!(shop.web.requests() + canary.requests(), 200);
}

#[tokio::test]
async fn filters_change_headers_and_redirect() {
    let shop = Shop::start().await;
    let headers = http_types::Headers {
        headers: vec![http_types::headers::Header {
            name: "x-added".to_string(),
            value: b"yes".to_vec(),
        }],
    };
    shop.route(|rule| {
        use outbound::http_route::{Filter, filter::Kind};
        let modifier = http_route::RequestHeaderModifier {
            set: Some(headers.clone()),
            ..Default::default()
        };
        rule.filters = vec![Filter {
            kind: Some(Kind::RequestHeaderModifier(modifier)),
        }];
    });
    assert_eq!(shop.get("/").await.seen()["headers"]["x-added"], "yes");
    shop.route(|rule| {
        use outbound::http_route::{Filter, filter::Kind};
        let redirect = http_route::RequestRedirect {
            host: "other.test".to_string(),
            status: 301,
            ..Default::default()
        };
        rule.filters = vec![Filter {
            kind: Some(Kind::Redirect(redirect)),
        }];
    });
    let answer = client::until("the new policy holds", async || {
        let answer = shop.get("/path").await;
        (answer.status == 301).then_some(answer)
    })
    .await;
    assert_eq!(answer.headers["location"], "http://other.test/path");
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let shop = Shop::start().await;
    shop.route(|rule| {
        rule.timeouts = Some(http_route::Timeouts {
            request: Duration::from_millis(100).try_into().ok(),
            ..Default::default()
        });
    });
    let answer = shop.get("/?delay=5000").await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert_eq!(shop.get("/").await.status, 200);
}

#[tokio::test]
async fn a_retry_hides_a_failure() {
    let shop = Shop::start().await;
    shop.route(|rule| {
        use outbound::http_route::{Retry, retry::Conditions, retry::conditions::StatusRange};
        let range = StatusRange {
            start: 500,
            end: 599,
        };
        rule.retry = Some(Retry {
            max_retries: 2,
            conditions: Some(Conditions {
                status_ranges: vec![range],
            }),
            ..Default::default()
        });
    });
    shop.web.fail_with(503);
    assert_eq!(shop.get("/").await.status, 503);
    assert_eq!(shop.web.requests(), 3);
}

/// Says in trailers how a call ended: the first one fails, after `sent` messages.
fn trailing(sent: usize, calls: Arc<AtomicUsize>) -> serve::Running {
    let service = service_fn(move |_| {
        let is_first = calls.fetch_add(1, Relaxed) == 0;
        let status = if is_first { "14" } else { "0" };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        let messages = if is_first { sent } else { 1 };
        let message = || Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"message")));
        let messages = (0..messages).map(move |_| message());
        let frames = messages.chain([Ok(Frame::trailers(trailers))]);
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let answer = Response::builder().header("content-type", "application/grpc");
        async move { Ok::<_, Infallible>(answer.body(body).expect("it is whole")) }
    });
    serve::http_on(serve::loopback(), service)
}

async fn call(shop: &Shop) -> client::Answer {
    let request = Request::post(format!("http://{WEB}/books.Books/List"))
        .header("content-type", "application/grpc");
    let address = shop.proxy.outbound(cluster_ip());
    let answer = client::send_http2(address, request, Bytes::from_static(b"question")).await;
    answer.expect("the call ends")
}

#[tokio::test]
async fn a_retry_reads_the_status_in_trailers() {
    use outbound::grpc_route::{Retry, retry::Conditions};
    for (sent, wanted) in [
        (0, ["0", "message", "2"]),
        (3, ["14", "messagemessagemessage", "1"]),
    ] {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = trailing(sent, Arc::clone(&calls));
        let shop = Shop::start_with(server.address).await;
        let policy = grpc_with(WEB, |rule| {
            rule.retry = Some(Retry {
                max_retries: 2,
                conditions: Some(Conditions {
                    unavailable: true,
                    ..Default::default()
                }),
                ..Default::default()
            });
        });
        shop.plane.outbound(cluster_ip(), policy);
        let answer = call(&shop).await;
        let status = answer.trailers.expect("it has trailers")["grpc-status"].clone();
        let status = status.to_str().expect("a number").to_string();
        let asked = calls.load(Relaxed).to_string();
        // What has been passed on cannot be taken back.
        assert_eq!(
            [&status[..], &answer.body, &asked],
            wanted,
            "{sent} messages"
        );
    }
}

#[tokio::test]
async fn a_profile_s_retry_reads_the_status_in_trailers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = trailing(0, Arc::clone(&calls));
    let shop = Shop::start_with(server.address).await;
    let plain = grpc_with(WEB, |_| {});
    shop.plane.outbound(cluster_ip(), plain);
    shop.plane
        .profile(cluster_ip(), retried("/books.Books/.*", "Books"));
    client::until("a profile", async || {
        calls.store(0, Relaxed);
        let answer = call(&shop).await;
        (answer.trailers?["grpc-status"] == "0" && calls.load(Relaxed) == 2).then_some(())
    })
    .await;
}

fn retried(path: &str, route: &str) -> destination::DestinationProfile {
    let condition = destination::request_match::Match::Path(destination::PathMatch {
        regex: path.to_string(),
    });
    destination::DestinationProfile {
        fully_qualified_name: "web.shop.svc.cluster.local".to_string(),
        routes: vec![destination::Route {
            condition: Some(destination::RequestMatch {
                r#match: Some(condition),
            }),
            metrics_labels: [("route".to_string(), route.to_string())].into(),
            is_retryable: true,
            ..Default::default()
        }],
        retry_budget: Some(destination::RetryBudget {
            retry_ratio: 1.0,
            min_retries_per_second: 0,
            ttl: Duration::from_secs(10).try_into().ok(),
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_profile_s_route_counts_and_retries() {
    let shop = Shop::start().await;
    let profile = retried("/books/[^/]*", "GET /books/{id}");
    shop.plane.profile(cluster_ip(), profile);
    let rt = "rt_route=\"GET /books/{id}\"";
    let is_counted = async || {
        shop.get("/books/1").await;
        shop.proxy.metrics().await.contains(rt).then_some(())
    };
    client::until("the profile is known", is_counted).await;
    let before = shop.web.requests();
    let dst = "dst=\"web.shop.svc.cluster.local:80\"";
    let counted = shop.proxy.metric("route_request_total", &[dst, rt]).await;
    shop.web.fail_with(500);
    assert_eq!(shop.get("/books/2").await.status, 500);
    let tries = shop.web.requests() - before;
    assert!(tries > 1, "it was not retried");
    assert_eq!(
        shop.proxy.metric("route_request_total", &[dst, rt]).await,
        counted + 1.0
    );
    let actual = shop
        .proxy
        .metric("route_actual_request_total", &[dst, rt])
        .await;
    assert!(actual > counted + 1.0);
}
