//! How long one exchange may still take, as its route says: in all, after its request has ended, and in silence.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderMap, Request};
use http_body::Body as _;
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

use super::body::{Body, Observer};
use super::respond::{Audience, Fault};
use crate::route::timeout::Timeouts;

/// The limit that an exchange reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    #[error("request timeout: it took longer than {0:?}")]
    Request(Duration),
    /// Another try may be quicker.
    #[error("response timeout: it had not begun {0:?} after its request")]
    Head(Duration),
    #[error("response timeout: it was not complete {0:?} after its request")]
    Response(Duration),
    #[error("idle timeout: nothing was said for {0:?}")]
    Idle(Duration),
}

/// One exchange's limits, and what has passed of it.
#[derive(Clone, Debug)]
pub struct Limits {
    timeouts: Timeouts,
    /// From the request's end to the response's head.
    head: Option<Duration>,
    /// When the first of the request's tries began.
    begun: Instant,
    clock: Arc<Clock>,
}

/// Times are in microseconds after `base`.
#[derive(Debug)]
struct Clock {
    base: Instant,
    last: AtomicU64,
    /// `NOT_YET`: the request has not ended.
    request_ended: AtomicU64,
    changed: Notify,
}

const NOT_YET: u64 = u64::MAX;

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_micros()).unwrap_or(NOT_YET - 1)
    }

    fn at(&self, time: u64) -> Instant {
        self.base + Duration::from_micros(time)
    }

    fn touch(&self) {
        self.last.store(self.now(), Relaxed);
    }

    fn end_request(&self) {
        if self.request_ended.load(Relaxed) == NOT_YET {
            self.request_ended.store(self.now(), Relaxed);
            self.changed.notify_one();
        }
    }
}

impl Limits {
    /// Of one try. None: nothing is limited. `begun`: when the first try was.
    pub fn new(timeouts: Timeouts, head: Option<Duration>, begun: Instant) -> Option<Self> {
        if timeouts == Timeouts::default() && head.is_none() {
            return None;
        }
        let clock = Clock {
            base: Instant::now(),
            last: AtomicU64::new(0),
            request_ended: AtomicU64::new(NOT_YET),
            changed: Notify::new(),
        };
        Some(Self {
            timeouts,
            head,
            begun,
            clock: Arc::new(clock),
        })
    }

    /// Follows the request's body to its end.
    pub fn follow(&self, request: Request<Body>) -> Request<Body> {
        if request.body().is_end_stream() {
            self.clock.end_request();
            return request;
        }
        let told = Told(Arc::clone(&self.clock));
        request.map(|body| body.also_observed_by(Box::new(told)))
    }

    /// The answer, unless a limit is reached before it is there.
    pub async fn hold<T>(&self, answer: impl Future<Output = T>) -> Result<T, Over> {
        self.clock.touch();
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            over = self.over() => Err(over),
        }
    }

    async fn over(&self) -> Over {
        loop {
            let changed = self.clock.changed.notified();
            match self.end(self.head) {
                None => changed.await,
                Some((at, over)) if at <= Instant::now() => return over,
                Some((at, _)) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    /// What comes first, as far as is known.
    fn end(&self, head: Option<Duration>) -> Option<(Instant, Over)> {
        let Timeouts {
            request,
            response,
            idle,
        } = self.timeouts;
        let ended = self.clock.request_ended.load(Relaxed);
        let ended = (ended != NOT_YET).then(|| self.clock.at(ended));
        let last = self.clock.at(self.clock.last.load(Relaxed));
        [
            request.map(|limit| (self.begun + limit, Over::Request(limit))),
            ended
                .zip(head)
                .map(|(ended, limit)| (ended + limit, Over::Head(limit))),
            ended
                .zip(response)
                .map(|(ended, limit)| (ended + limit, Over::Response(limit))),
            idle.map(|limit| (last + limit, Over::Idle(limit))),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(at, _)| *at)
    }

    /// The same limits for the response's body.
    pub fn of_body(self, audience: Audience) -> Option<Ending> {
        self.clock.touch();
        // A server may answer before it has read everything; from then on its time runs.
        self.clock.end_request();
        let (at, _) = self.end(None)?;
        Some(Ending {
            sleep: Box::pin(tokio::time::sleep_until(at)),
            limits: self,
            audience,
        })
    }
}

/// Told of the request's body.
struct Told(Arc<Clock>);

impl Observer for Told {
    fn data(&mut self, _length: usize) {
        self.0.touch();
    }

    fn trailers(&mut self, _trailers: &HeaderMap) {
        self.0.touch();
    }

    fn ended(&mut self) {
        self.0.end_request();
    }
}

/// Ends a response's body whose time is up.
#[derive(Debug)]
pub struct Ending {
    limits: Limits,
    sleep: Pin<Box<Sleep>>,
    audience: Audience,
}

impl Ending {
    /// Something passed.
    pub fn touch(&self) {
        self.limits.clock.touch();
    }

    /// What a client of gRPC is told in the end; others see the stream break.
    pub fn trailers(&self, over: Over) -> Option<HeaderMap> {
        Fault::timed_out(over).trailers(self.audience)
    }

    /// The timer is set anew only when it went off, not at each frame.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        loop {
            ready!(self.sleep.as_mut().poll(cx));
            match self.limits.end(None) {
                Some((at, over)) if at <= Instant::now() => return Poll::Ready(over),
                Some((at, _)) => self.sleep.as_mut().reset(at),
                None => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::future::pending;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits(timeouts: Timeouts) -> Limits {
        Limits::new(timeouts, None, Instant::now()).unwrap()
    }

    fn without_body(limits: &Limits) {
        limits.follow(Request::new(Body::empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_limit_reached_is_told() {
        let all = Timeouts {
            request: Some(SECOND * 3),
            response: Some(SECOND * 2),
            idle: Some(SECOND),
        };
        let limits = limits(all);
        without_body(&limits);
        let over = limits.hold(pending::<()>()).await;
        assert_eq!(over, Err(Over::Idle(SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_s_time_begins_when_its_request_ended() {
        let response = Timeouts {
            response: Some(SECOND),
            ..Timeouts::default()
        };
        let limits = limits(response);
        let request = Request::new(Body::bytes(Bytes::from_static(b"all")));
        let mut body = limits.follow(request).into_body();
        let begun = Instant::now();
        let upload = async {
            tokio::time::sleep(SECOND * 5).await;
            std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        };
        let (over, ()) = tokio::join!(limits.hold(pending::<()>()), upload);
        assert_eq!(over, Err(Over::Response(SECOND)));
        assert_eq!(begun.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_goes_on_is_not_idle() {
        let idle = Timeouts {
            idle: Some(SECOND),
            ..Timeouts::default()
        };
        let limits = limits(idle);
        let audience = Audience::of(&Request::new(()), false, false);
        let mut ending = limits.of_body(audience).unwrap();
        for _ in 0..5 {
            let next = tokio::time::sleep(SECOND / 2);
            let is_over = std::future::poll_fn(|cx| ending.poll(cx));
            tokio::select! {
                over = is_over => panic!("{over}"),
                () = next => {}
            }
            ending.touch();
        }
        let begun = Instant::now();
        let over = std::future::poll_fn(|cx| ending.poll(cx)).await;
        assert_eq!((over, begun.elapsed().as_secs()), (Over::Idle(SECOND), 1));
    }
}
