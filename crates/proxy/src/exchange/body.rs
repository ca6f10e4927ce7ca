//! A body on its way through: streamed, watched by one observer, and ended by a deadline if there is one.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::begun::Begun;
use super::limits::{Ending, Over};
use super::pieces::Pieces;
pub use super::received::Received;
use super::rest::Busy;

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("{0}")]
    Http2(#[from] h2::Error),
    #[error("{0}")]
    TimedOut(Over),
}

/// Told what passes; dropped when the body is.
pub trait Observer: Send + 'static {
    fn data(&mut self, _length: usize) {}
    fn trailers(&mut self, _trailers: &HeaderMap) {}
    fn failed(&mut self, _error: &BodyError) {}
    fn ended(&mut self) {}
}

impl Observer for () {}

struct Both(Box<dyn Observer>, Box<dyn Observer>);

impl Observer for Both {
    fn data(&mut self, length: usize) {
        self.0.data(length);
        self.1.data(length);
    }

    fn trailers(&mut self, trailers: &HeaderMap) {
        self.0.trailers(trailers);
        self.1.trailers(trailers);
    }

    fn failed(&mut self, error: &BodyError) {
        self.0.failed(error);
        self.1.failed(error);
    }

    fn ended(&mut self) {
        self.0.ended();
        self.1.ended();
    }
}

enum Inner {
    Empty,
    Bytes(Pieces),
    Incoming(Incoming),
    Received(Received),
    /// Large and rare, so it has its own place.
    Begun(Box<Begun>),
}

pub struct Body {
    inner: Inner,
    observer: Option<Box<dyn Observer>>,
    ending: Option<Box<Ending>>,
    busy: Option<Busy>,
}

impl Body {
    pub fn empty() -> Self {
        Inner::Empty.into()
    }

    pub fn bytes(bytes: Bytes) -> Self {
        Inner::Bytes(Pieces::new(bytes)).into()
    }

    pub fn incoming(body: Incoming) -> Self {
        Inner::Incoming(body).into()
    }

    pub fn received(body: Received) -> Self {
        Inner::Received(body).into()
    }

    /// What was read before, then the rest.
    pub fn replay(read: Bytes, trailers: Option<HeaderMap>, rest: Option<Incoming>) -> Self {
        let mut begun = Begun::default();
        if !read.is_empty() {
            begun.keep(Some(Ok(Frame::data(read))));
        }
        begun.keep(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        Self::begun(begun.followed_by(rest.map(Self::incoming)))
    }

    pub fn begun(begun: Begun) -> Self {
        Inner::Begun(Box::new(begun)).into()
    }

    pub fn observed_by(mut self, observer: Box<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Trailers that were read before the body is passed on.
    pub fn read_trailers(&self) -> Option<&HeaderMap> {
        match &self.inner {
            Inner::Begun(begun) => begun.trailers(),
            _ => None,
        }
    }

    /// Adds an observer to the one there may be.
    pub fn also_observed_by(self, observer: Box<dyn Observer>) -> Self {
        let observer: Box<dyn Observer> = match self.observer {
            Some(first) => Box::new(Both(first, observer)),
            None => observer,
        };
        Self {
            observer: Some(observer),
            ..self
        }
    }

    pub fn ending_by(mut self, ending: Option<Ending>) -> Self {
        self.ending = ending.map(Box::new);
        self
    }

    /// The rest will not come: the stream breaks, or ends with trailers that say why.
    fn cut_off(&mut self, over: Over) -> Option<Result<Frame<Bytes>, BodyError>> {
        let error = BodyError::TimedOut(over);
        let trailers = self.ending.take().and_then(|e| e.trailers(over));
        self.inner = Inner::Empty;
        if let Some(observer) = &mut self.observer {
            observer.failed(&error);
        }
        Some(match trailers {
            Some(trailers) => Ok(Frame::trailers(trailers)),
            None => Err(error),
        })
    }

    /// Its connection does not rest while this body lives.
    pub fn keeping(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }

    /// The client's own body, if nothing was read or put before it.
    pub fn into_incoming(self) -> Option<Incoming> {
        match self.inner {
            Inner::Incoming(body) => Some(body),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

impl From<Inner> for Body {
    fn from(inner: Inner) -> Self {
        Self {
            inner,
            observer: None,
            ending: None,
            busy: None,
        }
    }
}

impl Inner {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Bytes(bytes) => bytes.poll(cx).map(|piece| Some(Ok(Frame::data(piece?)))),
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Http),
            Self::Received(body) => body.poll(cx),
            Self::Begun(begun) => begun.poll(cx),
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Bytes(bytes) => bytes.len() == 0,
            Self::Incoming(body) => body.is_end_stream(),
            Self::Received(body) => body.is_end(),
            Self::Begun(begun) => begun.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Incoming(body) => body.size_hint(),
            Self::Received(body) => body.size_hint(),
            Self::Begun(begun) => begun.size_hint(),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let polled = match (this.inner.poll(cx), &mut this.ending) {
            (Poll::Pending, Some(ending)) => {
                let over = std::task::ready!(ending.poll(cx));
                return Poll::Ready(this.cut_off(over));
            }
            (Poll::Pending, None) => return Poll::Pending,
            (Poll::Ready(polled), ending) => {
                if let Some(ending) = ending {
                    ending.touch();
                }
                polled
            }
        };
        if let Some(observer) = &mut this.observer {
            tell(observer.as_mut(), polled.as_ref());
            // Whoever knows the length stops reading here.
            if matches!(polled, Some(Ok(_))) && this.inner.is_end() {
                observer.ended();
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn tell(observer: &mut dyn Observer, polled: Option<&Result<Frame<Bytes>, BodyError>>) {
    match polled {
        None => observer.ended(),
        Some(Err(error)) => observer.failed(error),
        Some(Ok(frame)) => {
            if let Some(data) = frame.data_ref() {
                observer.data(data.len());
            } else if let Some(trailers) = frame.trailers_ref() {
                observer.trailers(trailers);
            }
        }
    }
}
