//! The events of one tapped request: its beginning, its response, its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::uri::Scheme;
use linkerd2_proxy_api::http_types::{Headers, headers::Header};
use linkerd2_proxy_api::tap as pb;
use pb::tap_event::http::{Event, RequestInit, ResponseEnd, ResponseInit, StreamId};
use pb::tap_event::{EndpointMeta, ProxyDirection, RouteMeta};
use prost::Message;
use tokio::sync::mpsc;

use super::{Seen, Watcher, wire};
use crate::exchange::body::{BodyError, Observer};
use crate::telemetry::labels::{Direction, Tls};

/// A request that at least one watcher sees. Its end is told when it is dropped.
pub struct Tapped {
    /// What all its events share.
    base: Bytes,
    copies: Vec<Copy>,
    requested: Instant,
    answered: Option<Instant>,
    bytes: u64,
    grpc_status: Option<u32>,
    reset: Option<u32>,
    trailers: Option<HeaderMap>,
}

/// One watcher's copy. It holds the channel, not the watcher, whose limit may be reached.
struct Copy {
    id: StreamId,
    has_headers: bool,
    events: mpsc::Sender<Bytes>,
}

impl Tapped {
    pub(super) fn begin(
        watchers: impl Iterator<Item = Arc<Watcher>>,
        seen: &Seen<'_>,
    ) -> Option<Self> {
        let mut tapped = Self {
            base: base(seen).encode_to_vec().into(),
            copies: Vec::new(),
            requested: Instant::now(),
            answered: None,
            bytes: 0,
            grpc_status: None,
            reset: None,
            trailers: None,
        };
        for watcher in watchers {
            let number = watcher.count.fetch_add(1, Relaxed);
            if number >= watcher.limit {
                continue;
            }
            let copy = Copy {
                id: StreamId {
                    base: watcher.base,
                    stream: number as u64,
                },
                has_headers: watcher.has_headers,
                events: watcher.events.clone(),
            };
            let init = Event::RequestInit(request_init(&copy, seen));
            if copy.send(&tapped.base, init) {
                tapped.copies.push(copy);
            }
        }
        (!tapped.copies.is_empty()).then_some(tapped)
    }

    /// When the response's headers are there.
    pub fn response<B>(&mut self, response: &http::Response<B>) {
        let now = Instant::now();
        self.answered = Some(now);
        self.grpc_status = grpc_status(response.headers());
        let status = response.status();
        let pseudo = [(":status", status.as_str())];
        let is_http2 = response.version() == http::Version::HTTP_2;
        let pseudo = if is_http2 { &pseudo[..] } else { &[] };
        for copy in &self.copies {
            let init = ResponseInit {
                id: Some(copy.id),
                since_request_init: duration(now - self.requested),
                http_status: status.as_u16().into(),
                headers: copy
                    .has_headers
                    .then(|| headers(pseudo, response.headers())),
            };
            copy.send(&self.base, Event::ResponseInit(init));
        }
    }

    /// The stream was reset, by an HTTP/2 error code if one is known.
    pub fn reset(&mut self, code: Option<u32>) {
        self.reset = code.or(self.reset);
    }
}

impl Observer for Tapped {
    fn data(&mut self, length: usize) {
        self.bytes += length as u64;
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.grpc_status = grpc_status(trailers).or(self.grpc_status);
        self.trailers = Some(trailers.clone());
    }

    fn failed(&mut self, error: &BodyError) {
        match error {
            BodyError::Http(error) => self.reset(h2_code(error)),
            BodyError::Http2(error) => self.reset(error.reason().map(u32::from)),
            BodyError::TimedOut(_) => {}
        }
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        use pb::eos::End;
        let now = Instant::now();
        let reset = self.reset.map(End::ResetErrorCode);
        let end = reset.or(self.grpc_status.map(End::GrpcStatusCode));
        for copy in &self.copies {
            let trailers = self.trailers.as_ref().filter(|_| copy.has_headers);
            let end = ResponseEnd {
                id: Some(copy.id),
                since_request_init: duration(now - self.requested),
                since_response_init: self.answered.and_then(|answered| duration(now - answered)),
                response_bytes: self.bytes,
                eos: Some(pb::Eos { end }),
                trailers: trailers.map(|trailers| headers(&[], trailers)),
            };
            copy.send(&self.base, Event::ResponseEnd(end));
        }
    }
}

/// hyper keeps HTTP/2's own error among the causes.
fn h2_code(error: &hyper::Error) -> Option<u32> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.reason().map(u32::from);
        }
        cause = error.source();
    }
    None
}

impl Copy {
    fn send(&self, base: &[u8], event: Event) -> bool {
        self.events.try_send(wire::joined(base, event)).is_ok()
    }
}

fn request_init(copy: &Copy, seen: &Seen<'_>) -> RequestInit {
    let path = seen.uri.path_and_query().map_or("", |p| p.as_str());
    let pseudo = [
        (":method", seen.method.as_str()),
        (":scheme", seen.uri.scheme_str().unwrap_or("http")),
        (":authority", seen.authority),
        (":path", path),
    ];
    let is_http2 = seen.version == http::Version::HTTP_2;
    let pseudo = if is_http2 { &pseudo[..] } else { &[] };
    RequestInit {
        id: Some(copy.id),
        method: Some(seen.method.clone().into()),
        // A request of HTTP/1 names no scheme; what we see is never encrypted by the application.
        scheme: Some(seen.uri.scheme().unwrap_or(&Scheme::HTTP).into()),
        authority: seen.authority.to_string(),
        path: seen.uri.path().to_string(),
        headers: copy.has_headers.then(|| headers(pseudo, seen.headers)),
    }
}

fn headers(pseudo: &[(&str, &str)], headers: &HeaderMap) -> Headers {
    let header = |name: &str, value: &[u8]| Header {
        name: name.to_string(),
        value: value.into(),
    };
    let first = pseudo
        .iter()
        .map(|(name, value)| header(name, value.as_bytes()));
    let rest = headers
        .iter()
        .map(|(name, value)| header(name.as_str(), value.as_bytes()));
    Headers {
        headers: first.chain(rest).collect(),
    }
}

fn grpc_status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

fn base(seen: &Seen<'_>) -> pb::TapEvent {
    let direction = match seen.direction {
        Direction::Inbound => ProxyDirection::Inbound,
        Direction::Outbound => ProxyDirection::Outbound,
    };
    let copied = |labels: &BTreeMap<String, String>| labels.clone().into_iter();
    pb::TapEvent {
        source: Some(seen.source.into()),
        source_meta: Some(EndpointMeta {
            labels: tls(seen.source_tls).collect(),
        }),
        route_meta: (!seen.route_labels.is_empty()).then(|| RouteMeta {
            labels: copied(seen.route_labels).collect(),
        }),
        destination: Some(seen.destination.into()),
        destination_meta: Some(EndpointMeta {
            labels: copied(seen.destination_labels)
                .chain(tls(seen.destination_tls))
                .collect(),
        }),
        proxy_direction: direction.into(),
        event: None,
    }
}

fn tls(tls: Tls<'_>) -> impl Iterator<Item = (String, String)> {
    let (state, name) = match tls {
        Tls::FromClient(id) => ("true", Some(("client_id", id))),
        Tls::ToServer(id) => ("true", Some(("server_id", id))),
        Tls::Opaque(sni) => ("passthru", Some(("sni", sni))),
        Tls::None(reason) => (reason.as_str(), None),
    };
    let owned = |(key, value): (&str, &str)| (key.to_string(), value.to_string());
    [Some(owned(("tls", state))), name.map(owned)]
        .into_iter()
        .flatten()
}
