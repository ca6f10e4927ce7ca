//! Copies both ways between two streams, each way until its reader ends, in memory of the moment.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite};

use super::lent::Lent;

/// Until both sides have ended, or one fails. The end of one side is passed on to the other, which
/// may go on sending.
///
/// # Errors
/// The first that reading or writing meets, on either side.
pub async fn both_ways<A, B>(mut a: A, mut b: B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Way::default(), Way::default());
    poll_fn(|cx| {
        let there = there.poll(cx, &mut a, &mut b)?;
        let back = back.poll(cx, &mut b, &mut a)?;
        match (there, back) {
            (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(())),
            _ => Poll::Pending,
        }
    })
    .await
}

#[derive(Default)]
struct Way {
    stage: Stage,
    is_unflushed: bool,
}

#[derive(Default)]
enum Stage {
    #[default]
    Reading,
    Writing(Lent),
    Ending,
    Ended,
}

impl Way {
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match &mut self.stage {
                Stage::Reading => match Lent::poll_read(reader, cx)? {
                    Poll::Ready(lent) if lent.is_empty() => self.stage = Stage::Ending,
                    Poll::Ready(lent) => self.stage = Stage::Writing(lent),
                    Poll::Pending => {
                        if self.is_unflushed {
                            ready!(Pin::new(writer).poll_flush(cx))?;
                            self.is_unflushed = false;
                        }
                        return Poll::Pending;
                    }
                },
                Stage::Writing(lent) => {
                    let written = ready!(Pin::new(&mut *writer).poll_write(cx, lent.rest()))?;
                    if written == 0 {
                        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                    }
                    self.is_unflushed = true;
                    lent.take(written);
                    if lent.is_empty() {
                        self.stage = Stage::Reading;
                    }
                }
                Stage::Ending => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    self.stage = Stage::Ended;
                }
                Stage::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}
