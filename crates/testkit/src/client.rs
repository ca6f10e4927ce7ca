//! An application's side: one request, one answer, and waiting for what must come true.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Longer than this nothing in a test may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub trailers: Option<HeaderMap>,
    pub body: String,
}

impl Answer {
    /// The body of an `echo::Http`.
    pub fn seen(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub async fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    send(address, Request::get(path).header("host", "web.test")).await
}

/// Over HTTP/1.1, on a connection of its own.
pub async fn send(address: SocketAddr, request: http::request::Builder) -> io::Result<Answer> {
    send_body(address, request, Bytes::new()).await
}

pub async fn send_body(
    address: SocketAddr,
    request: http::request::Builder,
    body: Bytes,
) -> io::Result<Answer> {
    send_body_within(address, request, body, PATIENCE).await
}

/// The same where more patience is due.
pub async fn send_body_within(
    address: SocketAddr,
    request: http::request::Builder,
    body: Bytes,
    patience: Duration,
) -> io::Result<Answer> {
    let request = request.body(Full::new(body)).map_err(io::Error::other)?;
    within(patience, async {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let handshake = hyper::client::conn::http1::handshake(stream).await;
        let (mut sender, connection) = handshake.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let answer = read(sender.send_request(request).await).await;
        connection.abort();
        answer
    })
    .await
}

/// Over HTTP/2; the request's URI must be absolute.
pub async fn send_http2(
    address: SocketAddr,
    request: http::request::Builder,
    body: Bytes,
) -> io::Result<Answer> {
    let request = request.body(Full::new(body)).map_err(io::Error::other)?;
    within(PATIENCE, async {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await;
        let (mut sender, connection) = handshake.map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let answer = read(sender.send_request(request).await).await;
        connection.abort();
        answer
    })
    .await
}

async fn read(
    response: hyper::Result<http::Response<hyper::body::Incoming>>,
) -> io::Result<Answer> {
    let (head, body) = response.map_err(io::Error::other)?.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let trailers = body.trailers().cloned();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        trailers,
        body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
    })
}

async fn within<T>(
    patience: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(patience, future).await.map_err(late)?
}

/// Asks again and again until there is an answer; panics with `wanted` when it takes too long.
pub async fn until<T>(wanted: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => panic!("it did not come true: {wanted}"),
    }
}

/// Waits until a line of the metrics begins with `name`, has all of `labels`, and gives its value.
pub async fn until_metric(
    name: &str,
    labels: &[&str],
    mut ask: impl AsyncFnMut() -> String,
) -> f64 {
    let wanted = format!("{name} with {labels:?}");
    until(&wanted, async || {
        let metrics = ask().await;
        let line = metrics.lines().find(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        line.and_then(|line| line.rsplit_once(' ')?.1.parse().ok())
    })
    .await
}
