//! What clients of our workload are told: proxies why, others only that.

use std::time::Duration;

use linkerd2_proxy_api::{http_route, inbound};
use tokio::io::AsyncReadExt;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::{Clients, inbound_route, inbound_server, server};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::serve;

use super::ask::Ends::{Closes, Stays};
use super::ask::{CLIENT, Client, Full, SERVER, Scene, Wanted, closed_port, elsewhere, wanted};

#[derive(Clone, Copy, Debug)]
enum Case {
    Unauthorized,
    NoRoute,
    OverTheLimit,
    Failure,
    Redirect,
    TooManyInFlight,
    Refused,
    ConnectTimesOut,
    HungUp,
}

const TABLE: [(Case, Wanted); 9] = [
    (
        Case::Unauthorized,
        wanted(403, 7, "unauthorized request on route", Stays),
    ),
    (
        Case::NoRoute,
        wanted(404, 5, "no route found for request", Stays),
    ),
    (
        Case::OverTheLimit,
        wanted(429, 8, "total rate limit exceeded: 1rps", Stays),
    ),
    (Case::Failure, wanted(418, 9, "a teapot", Stays)),
    (Case::Redirect, wanted(302, 5, "redirected", Stays)),
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
];

#[tokio::test]
async fn answers_are_those_of_the_table() {
    for (case, wanted) in TABLE {
        let mut scene = arrange(case).await;
        let name = format!("{case:?}, asked by a proxy");
        scene.by_http1(&name, wanted).await;
        scene.by_grpc(&name, wanted).await;

        scene.client = Client::Plain;
        scene.is_informed = false;
        let name = format!("{case:?}, asked by anyone");
        scene.by_http1(&name, wanted).await;
        scene.by_grpc(&name, wanted).await;
    }
}

async fn arrange(case: Case) -> Scene {
    let plane = ControlPlane::start().await;
    let web = echo::Http::start("web").await;
    let full = Full::new();
    let rude = serve::tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
    })
    .await;
    let variables: &[(&str, &str)] = match case {
        Case::TooManyInFlight => &[("INBOUND_MAX_IN_FLIGHT", "0")],
        Case::ConnectTimesOut => &[("INBOUND_CONNECT_TIMEOUT", "100ms")],
        _ => &[],
    };
    let application = match case {
        Case::Refused => closed_port(),
        Case::ConnectTimesOut => full.address,
        Case::HungUp => rude.address,
        _ => web.address(),
    };
    let policy = match case {
        Case::Unauthorized => server(&Clients::Nobody),
        Case::NoRoute | Case::Failure | Case::Redirect | Case::OverTheLimit => detecting(case),
        _ => server(&Clients::Anyone),
    };
    plane.inbound(application.port(), policy);
    let proxy = Proxy::start_with(&plane, SERVER, variables).await;
    let mut scene = Scene::new(proxy.inbound(application));
    scene.client = Client::Mesh(Proxy::keys(&plane, CLIENT));
    scene.is_one_spent = matches!(case, Case::OverTheLimit);
    scene.holding((plane, web, full)).holding((rude, proxy))
}

fn detecting(case: Case) -> inbound::Server {
    use inbound::http_route::{Filter, filter::Kind};
    let mut route = inbound_route(&Clients::Anyone);
    let rule = &mut route.rules[0];
    let mut limit = None;
    match case {
        Case::NoRoute => {
            let path = http_route::path_match::Kind::Exact("/nowhere".to_string());
            rule.matches[0].path = Some(http_route::PathMatch { kind: Some(path) });
        }
        Case::Failure => {
            let injector = http_route::HttpFailureInjector {
                status: 418,
                message: "a teapot".to_string(),
                ratio: None,
            };
            rule.filters = vec![Filter {
                kind: Some(Kind::FailureInjector(injector)),
            }];
        }
        Case::Redirect => {
            rule.filters = vec![Filter {
                kind: Some(Kind::Redirect(elsewhere())),
            }];
        }
        _ => {
            limit = Some(inbound::HttpLocalRateLimit {
                total: Some(inbound::http_local_rate_limit::Limit {
                    requests_per_second: 1,
                }),
                ..Default::default()
            });
        }
    }
    let detect = inbound::proxy_protocol::Detect {
        timeout: Duration::from_secs(10).try_into().ok(),
        http_routes: vec![route],
        http_local_rate_limit: limit,
    };
    inbound_server(
        &Clients::Anyone,
        inbound::proxy_protocol::Kind::Detect(detect),
    )
}
