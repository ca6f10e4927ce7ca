//! Sends a request as often as its route allows.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::http::{Sending, Session, Upgrading, send_once};
use crate::exchange::body::Body;
use crate::exchange::classify::grpc_status;
use crate::exchange::respond::Fault;
use crate::exchange::upgrade;
use crate::route::retry::Retry;

pub async fn send(
    _session: &Session,
    sending: Sending<'_>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    if upgrade::is_asked(&request) {
        let client = hyper::upgrade::on(&mut request);
        request.extensions_mut().insert(Upgrading(client));
        return send_once(&sending, request.map(Body::incoming)).await;
    }
    match &sending.rule.retry {
        Some(retry) => send_repeatedly(&sending, retry, request).await,
        None if request.body().is_end_stream() => {
            send_once(&sending, request.map(|_| Body::empty())).await
        }
        None => send_once(&sending, request.map(Body::incoming)).await,
    }
}

/// A body that fits the route's limit is kept, so that it can be sent again.
enum Read {
    Whole(Bytes, Option<HeaderMap>),
    Part(Bytes, Incoming),
}

async fn read(mut body: Incoming, limit: usize) -> Result<Read, Fault> {
    let mut kept = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Fault::io(e.to_string()))?;
        match frame.into_data() {
            Ok(data) => kept.extend_from_slice(&data),
            Err(frame) => {
                let trailers = frame.into_trailers().ok();
                return Ok(Read::Whole(kept.freeze(), trailers));
            }
        }
        if kept.len() > limit {
            return Ok(Read::Part(kept.freeze(), body));
        }
    }
    Ok(Read::Whole(kept.freeze(), None))
}

async fn send_repeatedly(
    sending: &Sending<'_>,
    retry: &Retry,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let (parts, body) = request.into_parts();
    let (kept, trailers) = match read(body, retry.max_request_bytes).await? {
        Read::Whole(kept, trailers) => (kept, trailers),
        Read::Part(kept, rest) => {
            let body = Body::replay(kept, None, Some(rest));
            return send_once(sending, Request::from_parts(parts, body)).await;
        }
    };
    let mut attempt = 0;
    loop {
        let body = Body::replay(kept.clone(), trailers.clone(), None);
        let sent = send_once(sending, Request::from_parts(parts.clone(), body));
        let is_last = attempt >= retry.max_retries;
        let answer = match retry.timeout.filter(|_| !is_last) {
            Some(limit) => match tokio::time::timeout(limit, sent).await {
                Ok(answer) => answer,
                Err(_) => Err(Fault::timed_out(format!("no response within {limit:?}"))),
            },
            None => sent.await,
        };
        if is_last || !wants_another(retry, &answer) {
            return answer;
        }
        attempt += 1;
        drop(answer);
        tokio::time::sleep(retry.delay(attempt)).await;
    }
}

fn wants_another(retry: &Retry, answer: &Result<Response<Body>, Fault>) -> bool {
    match answer {
        Ok(response) => {
            retry.wants_status(response.status())
                || grpc_status(response.headers()).is_some_and(|code| retry.wants_code(code))
        }
        // What was shed would only be more load.
        Err(fault) => fault.label != "loadshed",
    }
}
