//! The body of an HTTP/2 response, read from its stream as the reader takes it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::{Frame, SizeHint};

use super::body::BodyError;
use crate::connect::http2::Uploading;

pub struct Received {
    stream: RecvStream,
    /// The data are read; trailers may follow.
    has_data: bool,
    /// What `content-length` says is still to come.
    left: Option<u64>,
    upload: Option<Uploading>,
}

impl Received {
    /// `left`: what the head says of its length.
    pub fn new(stream: RecvStream, left: Option<u64>, upload: Option<Uploading>) -> Self {
        Self {
            left: if stream.is_end_stream() {
                Some(0)
            } else {
                left
            },
            stream,
            has_data: true,
            upload,
        }
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.has_data {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // It fails only if the stream has ended, when nobody needs more window.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    if self.stream.is_end_stream() {
                        self.complete();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // RFC 9113, section 8.1: the response is whole, the rest of the request unwanted.
                Some(Err(error)) if error.reason() == Some(Reason::NO_ERROR) => {
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => self.has_data = false,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        self.complete();
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => Some(Err(error.into())),
        })
    }

    fn complete(&mut self) {
        if let Some(upload) = self.upload.take() {
            upload.let_finish();
        }
    }

    pub fn is_end(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
