//! Sends a request as often as its route allows.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::http::{Sending, Upgrading, send_once};
use super::profile::{self, Profiled};
use super::rows::Retried;
use crate::exchange::body::Body;
use crate::exchange::classify::grpc_status;
use crate::exchange::limits::Over;
use crate::exchange::peek::peek;
use crate::exchange::respond::Fault;
use crate::exchange::upgrade;
use crate::route::retry::Retry;

/// What few requests need is on the heap, or every one would have room for it.
pub async fn send(
    sending: &Sending<'_>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    if upgrade::is_asked(&request) {
        let client = hyper::upgrade::on(&mut request);
        request.extensions_mut().insert(Upgrading(client));
        return send_once(sending, request.map(Body::incoming), None).await;
    }
    if let Some(profiled) = &sending.profiled {
        return Box::pin(send_profiled(sending, profiled, request)).await;
    }
    match &sending.retry {
        Some(retry) => Box::pin(send_repeatedly(sending, retry, request)).await,
        None => {
            let request = request.map(|body| sending.rows.request_body(streamed(body)));
            send_once(sending, request, None).await
        }
    }
}

fn streamed(body: Incoming) -> Body {
    match body.is_end_stream() {
        true => Body::empty(),
        false => Body::incoming(body),
    }
}

/// A ServiceProfile's route retries as often as its budget allows, without waiting.
async fn send_profiled(
    sending: &Sending<'_>,
    profiled: &Profiled<'_>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let started = Instant::now();
    profiled.started();
    let route = &profiled.route;
    let answer = match route.is_retryable() {
        false => attempt(sending, profiled, request.map(streamed), false).await,
        true => {
            let (parts, body) = request.into_parts();
            match read(body, MAX_PROFILED_BYTES).await? {
                Read::Part(kept, rest) => {
                    let body = Body::replay(kept, None, Some(rest));
                    let request = Request::from_parts(parts, body);
                    attempt(sending, profiled, request, false).await
                }
                Read::Whole(kept, trailers) => loop {
                    let body = Body::replay(kept.clone(), trailers.clone(), None);
                    let request = Request::from_parts(parts.clone(), body);
                    let answer = attempt(sending, profiled, request, true).await;
                    let has_failed = match &answer {
                        Ok(response) => route.is_failure(response.status(), code(response)),
                        Err(fault) => fault.label != "loadshed",
                    };
                    if !has_failed || !profiled.may_retry() {
                        break answer;
                    }
                },
            }
        }
    };
    match answer {
        Ok(response) => Ok(profile::observe(route, response, started)),
        Err(fault) => {
            route.failed(started);
            Err(fault)
        }
    }
}

async fn attempt(
    sending: &Sending<'_>,
    profiled: &Profiled<'_>,
    request: Request<Body>,
    may_follow_another: bool,
) -> Result<Response<Body>, Fault> {
    let route = &profiled.route;
    route.attempt();
    let answer = send_once(sending, request, None).await;
    let answer = ended(answer, may_follow_another).await;
    match &answer {
        Ok(response) => {
            let has_failed = route.is_failure(response.status(), code(response));
            route.attempted(Some(response.status()), has_failed);
        }
        Err(_) => route.attempted(None, true),
    }
    answer
}

/// What a ServiceProfile's retry keeps of a body.
const MAX_PROFILED_BYTES: usize = 64 * 1024;

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
            sending.rows.retry(Retried::Overflow);
            let body = Body::replay(kept, None, Some(rest));
            return send_once(sending, Request::from_parts(parts, body), None).await;
        }
    };
    let mut attempt = 0;
    loop {
        let body = Body::replay(kept.clone(), trailers.clone(), None);
        let is_last = attempt >= retry.max_retries;
        let head = retry.timeout.filter(|_| !is_last);
        let request = Request::from_parts(parts.clone(), body);
        let answer = send_once(sending, request, head).await;
        let answer = ended(answer, !is_last && !retry.codes.is_empty()).await;
        let is_wanted = wants_another(retry, &answer);
        if attempt > 0 && !is_wanted {
            sending.rows.retry(Retried::Succeeded);
        }
        if is_last && is_wanted {
            sending.rows.retry(Retried::LimitExceeded);
        }
        if is_last || !is_wanted {
            return answer;
        }
        attempt += 1;
        sending.rows.retry(Retried::Sent);
        drop(answer);
        tokio::time::sleep(retry.delay(attempt)).await;
    }
}

/// The answer, with how its call ended if that can be known before it is passed on.
async fn ended(
    answer: Result<Response<Body>, Fault>,
    may_follow_another: bool,
) -> Result<Response<Body>, Fault> {
    match answer {
        Ok(response) if may_follow_another => Ok(peek(response).await),
        answer => answer,
    }
}

/// In the headers, or in trailers that were read already.
fn code(response: &Response<Body>) -> Option<u32> {
    let trailers = response.body().read_trailers();
    grpc_status(response.headers()).or_else(|| trailers.and_then(grpc_status))
}

fn wants_another(retry: &Retry, answer: &Result<Response<Body>, Fault>) -> bool {
    match answer {
        Ok(response) => {
            retry.wants_status(response.status())
                || code(response).is_some_and(|code| retry.wants_code(code))
        }
        Err(fault) => match fault.over {
            Some(over) => matches!(over, Over::Head(_)),
            // What was shed would only be more load, and the client's own mistakes stay its own.
            None => fault.label != "loadshed" && fault.status.is_server_error(),
        },
    }
}
