use http::{HeaderValue, Request, Response};
use linkerd2_proxy_api::http_types::scheme::Type::Registered;
use pb::observe_request::r#match as form;
use pb::observe_request::{Extract, extract};
use pb::tap_event::http::Event;
use prost::Message;

use super::*;
use crate::exchange::body::Observer;
use crate::telemetry::labels::NoTls;

fn all(parts: Vec<form::Match>) -> pb::observe_request::Match {
    let matches = parts.into_iter().map(one).collect();
    one(form::Match::All(form::Seq { matches }))
}

fn one(part: form::Match) -> pb::observe_request::Match {
    pb::observe_request::Match {
        r#match: Some(part),
    }
}

fn path_prefix(prefix: &str) -> form::Match {
    form::Match::Http(form::Http {
        r#match: Some(form::http::Match::Path(form::http::StringMatch {
            r#match: Some(form::http::string_match::Match::Prefix(prefix.to_string())),
        })),
    })
}

fn destination_ports(min: u32, max: u32) -> form::Match {
    form::Match::Destination(form::Tcp {
        r#match: Some(form::tcp::Match::Ports(form::tcp::PortRange { min, max })),
    })
}

fn label(key: &str, value: &str) -> form::Match {
    form::Match::DestinationLabel(form::Label {
        key: key.to_string(),
        value: value.to_string(),
    })
}

fn observe(limit: u32, matching: pb::observe_request::Match) -> pb::ObserveRequest {
    let headers = extract::http::Extract::Headers(extract::http::Headers {});
    pb::ObserveRequest {
        limit,
        r#match: Some(matching),
        extract: Some(Extract {
            extract: Some(extract::Extract::Http(extract::Http {
                extract: Some(headers),
            })),
        }),
    }
}

fn request(taps: &Taps, path: &str) -> Option<Tapped> {
    let (parts, ()) = Request::get(path)
        .header("x-a", "b")
        .body(())
        .unwrap()
        .into_parts();
    let labels = BTreeMap::from([("deployment".to_string(), "web".to_string())]);
    taps.request(&Seen {
        direction: Direction::Outbound,
        source: "10.1.0.1:4000".parse().unwrap(),
        source_tls: Tls::None(NoTls::Loopback),
        destination: "10.1.0.2:80".parse().unwrap(),
        destination_tls: Tls::ToServer("web.shop"),
        destination_labels: &labels,
        route_labels: &NO_LABELS,
        authority: "web.shop:80",
        method: &parts.method,
        uri: &parts.uri,
        version: parts.version,
        headers: &parts.headers,
    })
}

fn read(event: Bytes) -> pb::TapEvent {
    pb::TapEvent::decode(event).unwrap()
}

fn http(event: pb::TapEvent) -> Event {
    let pb::tap_event::Event::Http(http) = event.event.unwrap();
    http.event.unwrap()
}

#[tokio::test]
async fn a_watcher_sees_beginning_response_and_end() {
    let taps = Taps::default();
    assert!(request(&taps, "/").is_none(), "nobody watches");
    let matching = all(vec![path_prefix("/a"), label("deployment", "web")]);
    let mut watching = taps.watch(observe(1, matching)).unwrap();
    assert!(request(&taps, "/b").is_none());
    let mut tapped = request(&taps, "/a/1?q=2").unwrap();
    let event = read(watching.next().await.unwrap());
    let labels = &event.destination_meta.as_ref().unwrap().labels;
    assert_eq!(labels["deployment"], "web");
    assert_eq!(labels["server_id"], "web.shop");
    assert_eq!(
        event.source_meta.as_ref().unwrap().labels["tls"],
        "loopback"
    );
    let Event::RequestInit(init) = http(event) else {
        panic!()
    };
    assert_eq!(
        (init.path.as_str(), init.authority.as_str()),
        ("/a/1", "web.shop:80")
    );
    let scheme = init
        .scheme
        .as_ref()
        .and_then(|scheme| scheme.r#type.clone());
    let plain = linkerd2_proxy_api::http_types::scheme::Registered::Http;
    assert_eq!(scheme, Some(Registered(plain.into())));
    assert_eq!(init.headers.unwrap().headers[0].name, "x-a");

    tapped.response(&Response::builder().status(503).body(()).unwrap());
    let Event::ResponseInit(init) = http(read(watching.next().await.unwrap())) else {
        panic!()
    };
    assert_eq!(init.http_status, 503);

    tapped.data(10);
    tapped.data(5);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("13"));
    tapped.trailers(&trailers);
    drop(tapped);
    let Event::ResponseEnd(end) = http(read(watching.next().await.unwrap())) else {
        panic!()
    };
    assert_eq!(end.response_bytes, 15);
    assert_eq!(end.eos.unwrap().end, Some(pb::eos::End::GrpcStatusCode(13)));
    assert_eq!(end.trailers.unwrap().headers[0].name, "grpc-status");
    assert!(watching.next().await.is_none(), "the limit was one request");
    assert!(!taps.is_watched());
}

#[tokio::test(start_paused = true)]
async fn events_leave_together_soon_or_many() {
    let taps = Taps::default();
    let mut watching = taps.watch(observe(1_000, all(Vec::new()))).unwrap();
    let begun = Instant::now();
    tokio::join!(watching.next(), async { drop(request(&taps, "/")) });
    assert!((GATHERED..2 * GATHERED).contains(&begun.elapsed()));
    let begun = Instant::now();
    watching.next().await.unwrap();
    assert!(begun.elapsed().is_zero(), "the second came along");
    let many = async {
        for _ in 0..MANY {
            drop(request(&taps, "/"));
        }
    };
    tokio::join!(watching.next(), many);
    assert!(begun.elapsed().is_zero(), "they need not wait for more");
}

#[tokio::test]
async fn a_watcher_that_left_costs_nothing() {
    let taps = Taps::default();
    let watching = taps
        .watch(observe(5, one(destination_ports(80, 0))))
        .unwrap();
    assert!(request(&taps, "/").is_some());
    drop(watching);
    assert!(!taps.is_watched());
    assert!(request(&taps, "/").is_none());
}

#[test]
fn addresses_and_negations() {
    let taps = Taps::default();
    let is_tapped = |matching| {
        let _watching = taps.watch(observe(1, matching)).unwrap();
        request(&taps, "/").is_some()
    };
    let netmask = |ip: [u8; 4], mask| {
        form::Match::Source(form::Tcp {
            r#match: Some(form::tcp::Match::Netmask(form::tcp::Netmask {
                ip: Some(std::net::IpAddr::from(ip).into()),
                mask,
            })),
        })
    };
    assert!(is_tapped(one(netmask([10, 1, 0, 0], 16))));
    assert!(!is_tapped(one(netmask([10, 2, 0, 0], 16))));
    assert!(is_tapped(one(destination_ports(1, 100))));
    assert!(!is_tapped(one(destination_ports(81, 100))));
    let not = form::Match::Not(Box::new(one(label("deployment", "web"))));
    assert!(!is_tapped(one(not)));
    assert!(is_tapped(all(Vec::new())));
}

#[test]
fn what_is_no_match_is_refused() {
    let taps = Taps::default();
    let refused = |matching| taps.watch(observe(1, matching)).err();
    assert_eq!(
        refused(pb::observe_request::Match::default()),
        Some(InvalidMatch::Empty)
    );
    assert_eq!(
        refused(one(destination_ports(9, 8))),
        Some(InvalidMatch::Ports)
    );
    assert_eq!(
        refused(one(destination_ports(1, 1 << 16))),
        Some(InvalidMatch::Ports)
    );
    let mut deep = all(Vec::new());
    for _ in 0..100 {
        deep = one(form::Match::Not(Box::new(deep)));
    }
    assert_eq!(refused(deep), Some(InvalidMatch::Depth));
    assert!(!taps.is_watched());
}
