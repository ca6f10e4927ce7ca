//! Servers to talk to: one that tells what request it saw, and raw TCP ones.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::serve::{self, Running};

/// Answers with what it saw, as JSON. The query steers it: `status=503`, `delay=200` (in ms).
/// A gRPC request gets trailers with the `grpc-status` that its header `x-grpc-status` names, or, without
/// any message, the one that `x-grpc-refusal` names.
pub struct Http {
    server: Running,
    requests: Arc<AtomicU64>,
    failing: Arc<AtomicU64>,
}

impl Http {
    pub async fn start(name: &str) -> Self {
        Self::start_on(serve::loopback(), name)
    }

    /// On a listener that does not block, perhaps another network's.
    pub fn start_on(listener: std::net::TcpListener, name: &str) -> Self {
        let requests = Arc::new(AtomicU64::new(0));
        let failing = Arc::new(AtomicU64::new(0));
        let (counted, status) = (Arc::clone(&requests), Arc::clone(&failing));
        let name: Arc<str> = name.into();
        let service = service_fn(move |request| {
            counted.fetch_add(1, Relaxed);
            let name = Arc::clone(&name);
            let forced = status.load(Relaxed);
            async move { Ok::<_, Infallible>(answer(&name, forced, request).await) }
        });
        Self {
            server: serve::http_on(listener, service),
            requests,
            failing,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// From now on every answer has this status; 0 ends it.
    pub fn fail_with(&self, status: u16) {
        self.failing.store(status.into(), Relaxed);
    }
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(name: &str, forced: u64, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let query = |key: &str| {
        let pairs = head.uri.query().unwrap_or_default().split('&');
        let values = pairs.filter_map(|pair| pair.split_once('='));
        values
            .clone()
            .find(|(k, _)| *k == key)
            .and_then(|(_, v)| v.parse::<u64>().ok())
    };
    if let Some(delay) = query("delay") {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let sent = body
        .collect()
        .await
        .map(|b| b.to_bytes().len())
        .unwrap_or_default();
    let headers: BTreeMap<&str, String> = head
        .headers
        .iter()
        .map(|(key, value)| {
            (
                key.as_str(),
                String::from_utf8_lossy(value.as_bytes()).into(),
            )
        })
        .collect();
    let seen = serde_json::json!({
        "server": name,
        "method": head.method.as_str(),
        "uri": head.uri.to_string(),
        "version": format!("{:?}", head.version),
        "headers": headers,
        "body_bytes": sent,
    });
    let seen = match head.method {
        http::Method::HEAD => String::new(),
        _ => seen.to_string(),
    };
    let body = Full::new(Bytes::from(seen));
    let is_grpc = headers
        .get("content-type")
        .is_some_and(|t| t.starts_with("application/grpc"));
    if is_grpc {
        return match head.headers.get("x-grpc-refusal") {
            Some(status) => grpc_refusal(status),
            None => grpc(head.headers.get("x-grpc-status"), body),
        };
    }
    let status = Some(forced).filter(|s| *s > 0).or_else(|| query("status"));
    let status = status.and_then(|s| u16::try_from(s).ok()).unwrap_or(200);
    let mut response = Response::new(BoxBody::new(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response
}

fn grpc(status: Option<&HeaderValue>, body: Full<Bytes>) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    let ok = HeaderValue::from_static("0");
    trailers.insert("grpc-status", status.cloned().unwrap_or(ok));
    let body = body.with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(BoxBody::new(body));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

/// Trailers only, as most libraries refuse a call.
fn grpc_refusal(status: &HeaderValue) -> Response<Body> {
    let mut response = Response::new(BoxBody::new(Full::default()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", status.clone());
    response
}

/// Sends back what it reads.
pub async fn tcp() -> Running {
    tcp_on(serve::loopback())
}

/// The same on a listener that does not block, perhaps another network's.
pub fn tcp_on(listener: std::net::TcpListener) -> Running {
    serve::tcp_on(listener, |mut stream| async move {
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
}

/// Speaks first, as mail and database servers do, then sends back what it reads.
pub async fn greeter(greeting: &'static str) -> Running {
    serve::tcp(move |mut stream| async move {
        if stream.write_all(greeting.as_bytes()).await.is_err() {
            return;
        }
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    })
    .await
}

/// Accepts, reads, and never answers.
pub async fn silent() -> Running {
    serve::tcp(|mut stream| async move {
        let mut sink = [0; 1024];
        while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
    })
    .await
}
