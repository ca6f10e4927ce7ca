//! Bytes that are there already, handed over in pieces: the kernel takes megabytes at a time if it may, and
//! requests on the same thread would wait as long.

use std::task::{Context, Poll};

use bytes::Bytes;

/// Bytes that are written before others have their turn.
const PIECE: usize = 64 * 1024;

pub struct Pieces {
    rest: Bytes,
    /// Others had their turn.
    is_due: bool,
}

impl Pieces {
    pub fn new(rest: Bytes) -> Self {
        Self { rest, is_due: true }
    }

    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.is_due, false) {
            self.is_due = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(self.rest.split_to(length)))
    }

    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.rest.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn others_have_their_turn_between_pieces() {
        let mut context = Context::from_waker(Waker::noop());
        let mut body = Pieces::new(Bytes::from(vec![b'x'; 2 * PIECE + 1]));
        let lengths = std::array::from_fn(|_| match body.poll(&mut context) {
            Poll::Ready(piece) => Some(piece.map_or(0, |piece| piece.len())),
            Poll::Pending => None,
        });
        assert_eq!(
            lengths,
            [Some(PIECE), None, Some(PIECE), None, Some(1), Some(0)]
        );
    }
}
