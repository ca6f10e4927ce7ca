//! Where one HTTP/1 request ends and the next begins, beside a strict reference. What our server
//! hands on must be what the reference reads; where the reference refuses, it must go no further.
#![no_main]

mod reference;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::BytesMut;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use libfuzzer_sys::fuzz_target;
use reference::Seen;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tulle_proxy::exchange::body::Body;
use tulle_proxy::exchange::prefixed::Prefixed;
use tulle_proxy::exchange::serve::{self, HttpSettings};
use tulle_proxy::exchange::framing;

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let expected = reference::read(bytes);
    let seen = served(bytes, usize::from(piece).max(1));
    for (number, request) in seen.iter().enumerate() {
        let Some(wanted) = expected.get(number) else {
            panic!("request {number} is not one: {request:?} after {expected:?}");
        };
        assert_eq!(request, wanted, "request {number}");
    }
});

/// The whole requests that our server hands to its service.
fn served(bytes: &[u8], piece: usize) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let handle = move |request: Request<Incoming>| {
        let noted = Arc::clone(&noted);
        async move { answer(request, &noted).await }
    };
    let io = Pieces { bytes: bytes.to_vec(), at: 0, piece };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime without threads");
    let io = Prefixed::new(BytesMut::new(), io);
    let settings = HttpSettings::default();
    let _ = runtime.block_on(serve::http1(io, handle, &settings, std::future::pending()));
    let seen = seen.lock().expect("nobody panicked with it");
    seen.clone()
}

async fn answer(mut request: Request<Incoming>, noted: &Mutex<Vec<Seen>>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let method = request.method().to_string();
    let target = request.uri().to_string();
    if framing::check(&mut request).is_err() {
        close(&mut response);
        return response;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return response };
    let seen = Seen {
        method,
        target,
        body: body.to_bytes().to_vec(),
    };
    let is_last = reference::is_last(&seen.method, head.headers.contains_key("upgrade"));
    noted.lock().expect("nobody panicked with it").push(seen);
    if is_last {
        // Whatever follows a tunnel or an upgrade is no longer HTTP/1.
        close(&mut response);
    }
    response
}

fn close(response: &mut Response<Body>) {
    let close = http::HeaderValue::from_static("close");
    response.headers_mut().insert("connection", close);
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
}

/// A client that sends everything in small pieces, ends, and reads all answers.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    piece: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.piece.min(self.bytes.len() - self.at).min(buffer.remaining());
        buffer.put_slice(&self.bytes[self.at..self.at + length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
