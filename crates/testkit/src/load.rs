//! Requests at a steady rate from inside the client's pod, half HTTP/1.1 and half HTTP/2; each answer is read
//! and compared with what was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::pods::Pod;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

const CONNECTIONS: u64 = 8;
/// Then a connection ends and another begins.
const REQUESTS_PER_CONNECTION: u64 = 500;
/// One request in so many has a body.
const POST_EVERY: u64 = 10;
const POSTED: usize = 2_048;
const PATIENCE: Duration = Duration::from_secs(10);

/// What to ask of an `echo::Http`.
#[derive(Clone, Debug)]
pub struct Plan {
    pub to: SocketAddr,
    pub authority: String,
    /// Requests a second, of both protocols together.
    pub rate: u64,
    pub length: Duration,
}

#[derive(Default)]
pub struct Outcome {
    pub requests: u64,
    pub failures: u64,
    pub told: Vec<String>,
    pub http1_microseconds: Vec<u32>,
    pub http2_microseconds: Vec<u32>,
}

type Shared = Arc<Mutex<Outcome>>;
type Sender1 = http1::SendRequest<Full<Bytes>>;
type Sender2 = http2::SendRequest<Full<Bytes>>;

/// On a thread of its own, inside the pod.
pub fn start(pod: &Pod, plan: Plan) -> JoinHandle<Outcome> {
    let enter = pod.entrance();
    std::thread::spawn(move || {
        enter();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a thread can be started");
        let shared = Shared::default();
        runtime.block_on(all(&plan, &shared));
        drop(runtime);
        let mut outcome = shared.lock().expect("nobody panicked with it");
        std::mem::take(&mut *outcome)
    })
}

async fn all(plan: &Plan, shared: &Shared) {
    let period = Duration::from_secs_f64(2.0 * CONNECTIONS as f64 / plan.rate as f64);
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..CONNECTIONS {
        let start = begun + period.mul_f64(number as f64 / CONNECTIONS as f64);
        let pace = Pace {
            next: start,
            period,
            end: begun + plan.length,
        };
        tasks.spawn(http1_worker(plan.clone(), number, pace, Arc::clone(shared)));
        tasks.spawn(http2_worker(plan.clone(), number, pace, Arc::clone(shared)));
    }
    while tasks.join_next().await.is_some() {}
}

#[derive(Clone, Copy)]
struct Pace {
    next: Instant,
    period: Duration,
    end: Instant,
}

impl Pace {
    /// False: it is over. Who is late catches up.
    async fn wait(&mut self) -> bool {
        tokio::time::sleep_until(self.next).await;
        self.next += self.period;
        self.next < self.end
    }
}

async fn connect(to: SocketAddr) -> Result<TokioIo<TcpStream>, String> {
    let stream = TcpStream::connect(to)
        .await
        .map_err(|e| format!("connect: {e}"))?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    Ok(TokioIo::new(stream))
}

async fn http1_connect(to: SocketAddr) -> Result<Sender1, String> {
    let handshake = http1::handshake(connect(to).await?).await;
    let (sender, connection) = handshake.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn http2_connect(to: SocketAddr) -> Result<Sender2, String> {
    let handshake = http2::handshake(TokioExecutor::new(), connect(to).await?).await;
    let (sender, connection) = handshake.map_err(|e| e.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn http1_worker(plan: Plan, number: u64, mut pace: Pace, shared: Shared) {
    let mut sender = None;
    let mut sent = number * REQUESTS_PER_CONNECTION / CONNECTIONS;
    while pace.wait().await {
        sent += 1;
        let begun = Instant::now();
        let path = format!("/soak/1/{number}/{sent}");
        let asking = async {
            let mut open = match sender.take() {
                Some(open) => open,
                None => http1_connect(plan.to).await?,
            };
            open.ready().await.map_err(|e| format!("{e:?}"))?;
            answered(
                open.send_request(request(&plan, &path, sent, false)),
                &path,
                sent,
            )
            .await?;
            Ok::<_, String>(open)
        };
        let answer = timeout(PATIENCE, asking).await;
        let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_string()));
        let is_last = sent.is_multiple_of(REQUESTS_PER_CONNECTION);
        let answer = answer.map(|open| sender = Some(open).filter(|_| !is_last));
        note(&shared, 1, begun, &path, answer);
    }
}

async fn http2_worker(plan: Plan, number: u64, mut pace: Pace, shared: Shared) {
    let mut requests = tokio::task::JoinSet::new();
    let mut sender: Option<Sender2> = None;
    let mut sent = number * REQUESTS_PER_CONNECTION / CONNECTIONS;
    while pace.wait().await {
        while requests.try_join_next().is_some() {}
        sent += 1;
        let begun = Instant::now();
        let path = format!("/soak/2/{number}/{sent}");
        let kept = sender.take().filter(|open| !open.is_closed());
        let open = match kept {
            Some(open) => Ok(open),
            None => http2_connect(plan.to).await,
        };
        let mut open = match open {
            Ok(open) => open,
            Err(why) => {
                note(&shared, 2, begun, &path, Err(why));
                continue;
            }
        };
        if !sent.is_multiple_of(REQUESTS_PER_CONNECTION) {
            sender = Some(open.clone());
        }
        let asked = request(&plan, &path, sent, true);
        let shared = Arc::clone(&shared);
        requests.spawn(async move {
            let answering = answered(open.send_request(asked), &path, sent);
            let answer = timeout(PATIENCE, answering).await;
            let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_string()));
            note(&shared, 2, begun, &path, answer);
        });
    }
    while requests.join_next().await.is_some() {}
}

fn request(plan: &Plan, path: &str, number: u64, is_http2: bool) -> Request<Full<Bytes>> {
    let uri = match is_http2 {
        true => format!("http://{}{path}", plan.authority),
        false => path.to_string(),
    };
    let is_post = number.is_multiple_of(POST_EVERY);
    let mut builder = Request::builder()
        .uri(uri)
        .method(if is_post { "POST" } else { "GET" });
    if !is_http2 {
        builder = builder.header("host", &plan.authority);
    }
    let body = if is_post {
        Bytes::from(vec![b'x'; POSTED])
    } else {
        Bytes::new()
    };
    builder.body(Full::new(body)).expect("it is a request")
}

async fn answered(
    response: impl Future<Output = hyper::Result<http::Response<hyper::body::Incoming>>>,
    path: &str,
    number: u64,
) -> Result<(), String> {
    let response = response.await.map_err(|e| format!("{e:?}"))?;
    let (head, body) = response.into_parts();
    if head.status != 200 {
        return Err(format!("{} {:?}", head.status, head.headers));
    }
    let body = body.collect().await.map_err(|e| format!("body: {e:?}"))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    let seen: serde_json::Value =
        serde_json::from_str(&body).map_err(|e| format!("{e}: {body}"))?;
    let sent = if number.is_multiple_of(POST_EVERY) {
        POSTED
    } else {
        0
    };
    let is_ours =
        seen["uri"].as_str().is_some_and(|uri| uri.ends_with(path)) && seen["body_bytes"] == sent;
    if is_ours {
        Ok(())
    } else {
        Err(format!("another's answer: {body}"))
    }
}

fn note(shared: &Shared, version: u8, begun: Instant, path: &str, answer: Result<(), String>) {
    let took = u32::try_from(begun.elapsed().as_micros()).unwrap_or(u32::MAX);
    let mut outcome = shared.lock().expect("nobody panicked with it");
    outcome.requests += 1;
    match version {
        1 => outcome.http1_microseconds.push(took),
        _ => outcome.http2_microseconds.push(took),
    }
    if let Err(why) = answer {
        outcome.failures += 1;
        if outcome.told.len() < 20 {
            outcome.told.push(format!("{path} after {took} us: {why}"));
        }
    }
}
