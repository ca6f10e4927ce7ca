//! What our own workload is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use linkerd2_proxy_api::{destination, grpc_route, http_route, outbound};
use outbound::http_route::{Filter, Rule, filter::Kind};
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tulle_testkit::client;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{self, Endpoint, detected_with, outbound_policy};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::serve;

use super::ask::Ends::{Closes, Stays};
use super::ask::{
    CLIENT, Full, SERVER, Scene, WEB, Wanted, closed_port, cluster_ip, elsewhere, wanted,
};

#[derive(Clone, Copy, Debug)]
enum Case {
    NoEndpoint,
    NoneReached,
    QueueFull,
    TooManyInFlight,
    Refused,
    ConnectTimesOut,
    HungUp,
    HungUpHttp2,
    NoRoute,
    NoBackend,
    NoProtocol,
    RequestTimesOut,
    ResponseTimesOut,
    ProfileTimesOut,
    HttpFailure,
    Redirect,
    OtherIdentity,
}

const TABLE: [(Case, Wanted); 17] = [
    (
        Case::NoEndpoint,
        wanted(504, 4, "service in fail-fast", Closes),
    ),
    (
        Case::NoneReached,
        wanted(504, 4, "service in fail-fast", Closes),
    ),
    (
        Case::QueueFull,
        wanted(503, 14, "service unavailable", Closes),
    ),
    (
        Case::TooManyInFlight,
        wanted(503, 14, "service unavailable", Closes),
    ),
    (
        Case::Refused,
        wanted(502, 14, "refused the connection", Closes),
    ),
    (
        Case::ConnectTimesOut,
        wanted(504, 4, "connect timed out after 100ms", Closes),
    ),
    (Case::HungUp, wanted(502, 14, "", Closes)),
    (Case::HungUpHttp2, wanted(502, 14, "", Closes)),
    (
        Case::NoRoute,
        wanted(404, 5, "no route found for request", Stays),
    ),
    (
        Case::NoBackend,
        wanted(500, 13, "the route has no backend", Closes),
    ),
    (Case::NoProtocol, wanted(500, 13, "invalid policy", Closes)),
    (Case::RequestTimesOut, wanted(504, 4, "timeout: it", Stays)),
    (Case::ResponseTimesOut, wanted(504, 4, "timeout: it", Stays)),
    (
        Case::ProfileTimesOut,
        wanted(504, 4, "request timeout: it took longer than 100ms", Closes),
    ),
    (Case::HttpFailure, wanted(418, 9, "a teapot", Stays)),
    (Case::Redirect, wanted(302, 5, "redirected", Stays)),
    (
        Case::OtherIdentity,
        wanted(502, 14, "required an identity", Closes),
    ),
];

#[tokio::test]
async fn answers_are_those_of_the_table() {
    for (case, wanted) in TABLE {
        let name = format!("{case:?}");
        let scene = arrange(case, &[]).await;
        scene.by_http1(&name, wanted).await;
        scene.by_grpc(&name, wanted).await;
    }
}

#[tokio::test]
async fn an_application_may_be_told_nothing() {
    let silent = [("OUTBOUND_DISABLE_INFORMATIONAL_HEADERS", "true")];
    for (case, wanted) in [TABLE[0], TABLE[8]] {
        let name = format!("{case:?}, in silence");
        let mut scene = arrange(case, &silent).await;
        scene.is_informed = false;
        scene.by_http1(&name, wanted).await;
        scene.by_grpc(&name, wanted).await;
    }
}

/// A gRPC route's failure has a code and no status.
#[tokio::test]
async fn a_failure_of_a_grpc_route_has_its_code() {
    let shop = Shop::start(&[]).await;
    let injector = grpc_route::GrpcFailureInjector {
        code: 7,
        message: "not here".to_string(),
        ratio: None,
    };
    let filter = outbound::grpc_route::Filter {
        kind: Some(outbound::grpc_route::filter::Kind::FailureInjector(
            injector,
        )),
    };
    let rule = outbound::grpc_route::Rule {
        matches: vec![grpc_route::GrpcRouteMatch::default()],
        filters: vec![filter],
        ..Default::default()
    };
    let grpc = outbound::proxy_protocol::Grpc {
        routes: vec![outbound::GrpcRoute {
            rules: vec![rule],
            ..Default::default()
        }],
        ..Default::default()
    };
    let policy = outbound_policy(WEB, outbound::proxy_protocol::Kind::Grpc(grpc));
    shop.plane.outbound(cluster_ip(), policy);
    shop.scene()
        .by_grpc("a gRPC failure", wanted(200, 7, "not here", Stays))
        .await;
}

/// Its status was said already, so the reason comes where gRPC looks for it.
#[tokio::test]
async fn a_grpc_stream_whose_time_is_up_ends_with_trailers() {
    let service = hyper::service::service_fn(|_: Request<hyper::body::Incoming>| async {
        let first = Frame::data(Bytes::from_static(b"a message"));
        let stalls = futures_util::stream::once(async { Ok::<_, Infallible>(first) })
            .chain(futures_util::stream::pending());
        let answer = Response::builder().header("content-type", "application/grpc");
        Ok::<_, Infallible>(answer.body(StreamBody::new(stalls)).expect("it is whole"))
    });
    let server = serve::http_on(serve::loopback(), service);
    let shop = Shop::start(&[]).await;
    shop.service.add(Endpoint::plain(server.address));
    shop.rule(|rule| {
        rule.timeouts = Some(http_route::Timeouts {
            idle: Duration::from_millis(200).try_into().ok(),
            ..Default::default()
        });
    });
    let request = Request::post(format!("http://{WEB}/books.Books/List"))
        .header("content-type", "application/grpc");
    let asked = client::send_http2(shop.proxy.outbound(cluster_ip()), request, Bytes::new());
    let answer = asked.await.expect("the stream ends well");
    assert_eq!(answer.body, "a message");
    let trailers = answer.trailers.expect("it has trailers");
    assert_eq!(trailers["grpc-status"], "4");
    let why = trailers["grpc-message"].to_str().expect("it is text");
    assert!(why.contains("idle timeout"), "{why}");
    let labels = ["error=\"IDLE_TIMEOUT\"", "route_name=\"http\""];
    let statuses = "outbound_http_route_request_statuses_total";
    assert_eq!(shop.proxy.metric(statuses, &labels).await, 1.0);
}

/// gRPC's web dialect reads statuses, and may come by HTTP/1.
#[tokio::test]
async fn grpc_needs_http2() {
    let mut scene = arrange(Case::NoRoute, &[]).await;
    scene.header = Some(("content-type", "application/grpc-web+proto"));
    scene
        .by_http1("gRPC-web", wanted(404, 5, "no route", Stays))
        .await;
}

#[tokio::test]
async fn what_another_proxy_says_is_not_passed_on() {
    let plane = ControlPlane::start().await;
    let (from, to) = (
        Proxy::start(&plane, CLIENT).await,
        Proxy::start(&plane, SERVER).await,
    );
    let service = plane.service(WEB, cluster_ip());
    service.add(Endpoint::meshed(to.inbound(closed_port()), SERVER));
    let mut scene = Scene::new(from.outbound(cluster_ip()));
    scene.is_informed = false;
    // Balanced: the next request may be answered by another endpoint, so the connection stays.
    scene.by_http1("balanced", wanted(502, 14, "", Stays)).await;
    scene.by_grpc("balanced", wanted(502, 14, "", Stays)).await;

    // Addressed by itself: whoever asked should look for another.
    let pod = SocketAddr::from(([10, 244, 0, 9], 80));
    let endpoint = Endpoint::meshed(to.inbound(closed_port()), SERVER);
    plane.profile(
        pod,
        destination::DestinationProfile {
            endpoint: Some(endpoint.message()),
            ..Default::default()
        },
    );
    let mut scene = Scene::new(from.outbound(pod));
    scene.is_informed = false;
    scene
        .by_http1("by itself", wanted(502, 14, "", Closes))
        .await;
    scene
        .by_grpc("by itself", wanted(502, 14, "", Closes))
        .await;
}

struct Shop {
    plane: ControlPlane,
    proxy: Proxy,
    service: Service,
}

impl Shop {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let plane = ControlPlane::start().await;
        let proxy = Proxy::start_with(&plane, CLIENT, variables).await;
        let service = plane.service(WEB, cluster_ip());
        Self {
            plane,
            proxy,
            service,
        }
    }

    fn rule(&self, adjust: impl Fn(&mut Rule)) {
        self.plane
            .outbound(cluster_ip(), detected_with(WEB, adjust, None));
    }

    /// How many may wait for an endpoint, and how long.
    fn queue(&self, capacity: u32, failfast: Duration) {
        use outbound::http_route::distribution::Kind;
        self.rule(|rule| {
            let kind = rule.backends.as_mut().and_then(|b| b.kind.as_mut());
            let Some(Kind::FirstAvailable(first)) = kind else {
                panic!("the kit's rule takes the first")
            };
            let backend = first.backends[0].backend.as_mut();
            backend.expect("the kit names one").queue = Some(outbound::Queue {
                capacity,
                failfast_timeout: failfast.try_into().ok(),
            });
        });
    }

    fn scene(self) -> Scene {
        Scene::new(self.proxy.outbound(cluster_ip())).holding(self)
    }

    /// Of an address that the control plane knows nothing of.
    fn scene_of(self, address: SocketAddr) -> Scene {
        Scene::new(self.proxy.outbound(address)).holding(self)
    }
}

async fn arrange(case: Case, variables: &[(&str, &str)]) -> Scene {
    match case {
        Case::NoEndpoint | Case::NoneReached | Case::QueueFull | Case::TooManyInFlight => {
            unserved(case, variables).await
        }
        Case::Refused | Case::ConnectTimesOut | Case::HungUp | Case::HungUpHttp2 => {
            broken(case).await
        }
        Case::RequestTimesOut | Case::ResponseTimesOut | Case::ProfileTimesOut => slow(case).await,
        _ => by_policy(case, variables).await,
    }
}

async fn unserved(case: Case, variables: &[(&str, &str)]) -> Scene {
    let soon = Duration::from_millis(100);
    match case {
        Case::TooManyInFlight => {
            let none = [("OUTBOUND_MAX_IN_FLIGHT", "0")];
            Shop::start(&none).await.scene()
        }
        Case::QueueFull => {
            let shop = Shop::start(variables).await;
            shop.queue(1, Duration::from_secs(600));
            let address = shop.proxy.outbound(cluster_ip());
            let waiting = one_waits(|| client::get(address, "/")).await;
            shop.scene().holding(waiting)
        }
        _ => {
            let shop = Shop::start(variables).await;
            shop.queue(100, soon);
            if matches!(case, Case::NoneReached) {
                shop.service.add(Endpoint::plain(closed_port()));
            }
            shop.scene()
        }
    }
}

/// One of two requests waits for an endpoint; the other finds its place taken.
async fn one_waits<F>(ask: impl Fn() -> F) -> JoinHandle<std::io::Result<client::Answer>>
where
    F: Future<Output = std::io::Result<client::Answer>> + Send + 'static,
{
    let (mut one, mut other) = (tokio::spawn(ask()), tokio::spawn(ask()));
    tokio::select! {
        _ = &mut one => other,
        _ = &mut other => one,
    }
}

async fn broken(case: Case) -> Scene {
    match case {
        Case::Refused => Shop::start(&[]).await.scene_of(closed_port()),
        Case::ConnectTimesOut => {
            let full = Full::new();
            let soon = [("OUTBOUND_CONNECT_TIMEOUT", "100ms")];
            let scene = Shop::start(&soon).await.scene_of(full.address);
            scene.holding(full)
        }
        Case::HungUp => {
            let server = hanging_up().await;
            let shop = Shop::start(&[]).await;
            shop.service.add(Endpoint::plain(server.address));
            shop.scene().holding(server)
        }
        _ => {
            let server = hanging_up().await;
            let shop = Shop::start(&[]).await;
            let mut endpoint = Endpoint::plain(server.address);
            endpoint.is_http2 = true;
            shop.service.add(endpoint);
            shop.scene().holding(server)
        }
    }
}

/// Longer than the route's time-out.
const PATIENT: Duration = Duration::from_secs(1);

async fn slow(case: Case) -> Scene {
    let server = echo::silent().await;
    let shop = Shop::start(&[]).await;
    shop.service.add(Endpoint::plain(server.address));
    let soon: Option<prost_types::Duration> = Duration::from_millis(100).try_into().ok();
    match case {
        Case::ProfileTimesOut => {
            let condition = destination::request_match::Match::Path(destination::PathMatch {
                regex: "/.*".to_string(),
            });
            let profile = destination::DestinationProfile {
                fully_qualified_name: "web.shop.svc.cluster.local".to_string(),
                routes: vec![destination::Route {
                    condition: Some(destination::RequestMatch {
                        r#match: Some(condition),
                    }),
                    timeout: soon,
                    ..Default::default()
                }],
                ..Default::default()
            };
            shop.plane.profile(cluster_ip(), profile);
            let address = shop.proxy.outbound(cluster_ip());
            client::until("the profile is known", async || {
                let asked = tokio::time::timeout(PATIENT, client::get(address, "/")).await;
                asked.is_ok().then_some(())
            })
            .await;
        }
        _ => shop.rule(|rule| {
            let mut timeouts = http_route::Timeouts::default();
            match case {
                Case::RequestTimesOut => timeouts.request = soon,
                _ => timeouts.response = soon,
            }
            rule.timeouts = Some(timeouts);
        }),
    }
    shop.scene().holding(server)
}

async fn by_policy(case: Case, variables: &[(&str, &str)]) -> Scene {
    let shop = Shop::start(variables).await;
    let mut header = None;
    match case {
        Case::NoRoute => shop.rule(|rule| {
            let path = http_route::path_match::Kind::Exact("/nowhere".to_string());
            rule.matches[0].path = Some(http_route::PathMatch { kind: Some(path) });
        }),
        Case::NoBackend => shop.rule(|rule| rule.backends = None),
        Case::NoProtocol => {
            let policy = outbound::OutboundPolicy {
                metadata: Some(policies::service_metadata(WEB)),
                protocol: None,
            };
            shop.plane.outbound(cluster_ip(), policy);
        }
        Case::HttpFailure => shop.rule(|rule| {
            let injector = http_route::HttpFailureInjector {
                status: 418,
                message: "a teapot".to_string(),
                ratio: None,
            };
            rule.filters = vec![Filter {
                kind: Some(Kind::FailureInjector(injector)),
            }];
        }),
        Case::Redirect => shop.rule(|rule| {
            rule.filters = vec![Filter {
                kind: Some(Kind::Redirect(elsewhere())),
            }];
        }),
        _ => {
            shop.service.add(Endpoint::plain(closed_port()));
            header = Some(("l5d-require-id", SERVER));
        }
    }
    let mut scene = shop.scene();
    scene.header = header;
    scene
}

/// Reads a request and hangs up.
async fn hanging_up() -> serve::Running {
    serve::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await
}
