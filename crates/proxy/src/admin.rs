//! The admin server: liveness, readiness, metrics, log level, environment and shutdown. It takes
//! any accepted stream, plain or out of TLS; whoever accepts has already asked the policy.

mod environment;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::exchange::body::Body;
use crate::exchange::first::{FIRST_LINE_LIMIT, Spoken, read_protocol};
use crate::exchange::prefixed::Prefixed;
use crate::telemetry::log;
use crate::telemetry::metrics::Metrics;

const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A log filter longer than this is a mistake.
const MAX_FILTER_BYTES: usize = 8 * 1024;

/// Opens once, when our identity is certified, and never closes again.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn release(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What the admin server shows and moves.
pub struct Admin {
    pub metrics: Arc<Metrics>,
    pub logs: log::Handle,
    pub ready: Readiness,
    /// None: POST /shutdown is not offered.
    pub shutdown: Option<mpsc::Sender<()>>,
    /// The process's variables.
    pub environment: Vec<(String, String)>,
}

impl Admin {
    /// Serves HTTP/1 or HTTP/2, as the client begins, until it hangs up.
    pub async fn serve<IO>(self: Arc<Self>, mut io: IO, client: SocketAddr) -> io::Result<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut first = BytesMut::new();
        let spoken = read_protocol(&mut io, &mut first, FIRST_LINE_LIMIT).await?;
        let io = TokioIo::new(Prefixed::new(first, io));
        let service = service_fn(move |request| {
            let admin = Arc::clone(&self);
            async move { Ok::<_, Infallible>(admin.answer(request, client.ip()).await) }
        });
        let served = match spoken {
            Spoken::Nothing => return Ok(()),
            Spoken::Http2 => {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.serve_connection(io, service).await
            }
            Spoken::Http1 | Spoken::Opaque => {
                let builder = hyper::server::conn::http1::Builder::new();
                builder.serve_connection(io, service).await
            }
        };
        served.map_err(io::Error::other)
    }

    pub async fn answer<B>(&self, request: Request<B>, client: IpAddr) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" if self.ready.is_ready() => text(StatusCode::OK, "ready\n"),
            "/ready" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/metrics" if head.method == Method::GET => self.exposition(&head.headers).await,
            "/metrics" => only("GET"),
            "/env.json" if head.method == Method::GET => {
                environment::answer(&self.environment, head.uri.query(), &head.headers)
            }
            "/env.json" => only("GET"),
            "/proxy-log-level" if !is_loopback(client) => forbidden(),
            "/proxy-log-level" => self.log_level(&head.method, body).await,
            "/shutdown" => self.shut_down(&head.method, client),
            _ => text(StatusCode::NOT_FOUND, ""),
        }
    }

    /// Written off the runtime's thread: no request waits until thousands of series are text.
    async fn exposition(&self, headers: &HeaderMap) -> Response<Body> {
        let wants_gzip = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|coding| coding.split(';').next().is_some_and(|c| c.trim() == "gzip"));
        let metrics = Arc::clone(&self.metrics);
        let write = move || {
            let text = metrics.exposition();
            match wants_gzip.then(|| gzip(text.as_bytes())) {
                Some(Ok(packed)) => (packed, true),
                _ => (text.into_bytes(), false),
            }
        };
        let Ok((bytes, is_packed)) = tokio::task::spawn_blocking(write).await else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the runtime ends\n");
        };
        let mut response = body(StatusCode::OK, EXPOSITION, bytes);
        if is_packed {
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(CONTENT_ENCODING, gzip);
        }
        response
    }

    async fn log_level<B>(&self, method: &Method, filter: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match *method {
            Method::GET => text(StatusCode::OK, format!("{}\n", self.logs.text())),
            Method::PUT => {
                let Ok(filter) = Limited::new(filter, MAX_FILTER_BYTES).collect().await else {
                    return text(StatusCode::BAD_REQUEST, "the filter cannot be read\n");
                };
                let filter = filter.to_bytes();
                let set = match std::str::from_utf8(&filter) {
                    Ok(filter) => self.logs.set(filter).map_err(|e| e.to_string()),
                    Err(_) => Err("the filter is not UTF-8".to_string()),
                };
                match set {
                    Ok(()) => text(StatusCode::NO_CONTENT, ""),
                    Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
                }
            }
            _ => only("GET, PUT"),
        }
    }

    fn shut_down(&self, method: &Method, client: IpAddr) -> Response<Body> {
        let Some(shutdown) = &self.shutdown else {
            return text(StatusCode::NOT_FOUND, "");
        };
        if !is_loopback(client) {
            return forbidden();
        }
        if method != Method::POST {
            return only("POST");
        }
        // Full: somebody has asked already.
        let _ = shutdown.try_send(());
        text(StatusCode::OK, "shutdown\n")
    }
}

fn is_loopback(client: IpAddr) -> bool {
    client.to_canonical().is_loopback()
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let packed = Vec::with_capacity(bytes.len() / 8);
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn body(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::bytes(bytes.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    body(status, TEXT, text)
}

fn forbidden() -> Response<Body> {
    text(
        StatusCode::FORBIDDEN,
        "only clients on loopback may do this\n",
    )
}

fn only(methods: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "");
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(methods));
    response
}
