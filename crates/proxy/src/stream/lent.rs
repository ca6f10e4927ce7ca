//! Memory to read into, lent by the thread: a connection that waits for its peer holds none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Four TLS records' worth, and as much as a socket gives at one time.
pub const SIZE: usize = 64 * 1024;
/// What is read begins here. Large memory begins at a page, also what the TLS library copies a record
/// to, five bytes behind that: a copy whose reads lie just behind its writes, but for whole pages, has
/// the CPU wait for each of them.
const BEGIN: usize = 512;
/// How many a thread keeps that nobody holds.
const SPARE: usize = 2;

thread_local! {
    static SPARES: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that were read and not yet taken. Whoever drops it gives the memory back.
pub struct Lent {
    memory: Box<[u8]>,
    taken: usize,
    filled: usize,
}

impl Lent {
    /// One read. An empty one is the end of the stream.
    pub fn poll_read<IO: AsyncRead + Unpin>(
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self>> {
        let mut lent = Self::borrow();
        let mut buffer = ReadBuf::new(&mut lent.memory[BEGIN..]);
        ready!(Pin::new(io).poll_read(cx, &mut buffer))?;
        lent.filled = BEGIN + buffer.filled().len();
        Poll::Ready(Ok(lent))
    }

    pub fn rest(&self) -> &[u8] {
        &self.memory[self.taken..self.filled]
    }

    pub fn is_empty(&self) -> bool {
        self.taken == self.filled
    }

    /// # Panics
    /// Where fewer bytes are left.
    pub fn take(&mut self, length: usize) {
        assert!(length <= self.filled - self.taken, "more than was read");
        self.taken += length;
    }

    pub fn move_into(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.rest().len().min(buffer.remaining());
        buffer.put_slice(&self.rest()[..length]);
        self.take(length);
    }

    fn borrow() -> Self {
        let spare = SPARES.with_borrow_mut(Vec::pop);
        Self {
            memory: spare.unwrap_or_else(|| vec![0; BEGIN + SIZE].into_boxed_slice()),
            taken: BEGIN,
            filled: BEGIN,
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        // A thread that ends has nothing to keep it in.
        let _ = SPARES.try_with(|spares| {
            let mut spares = spares.borrow_mut();
            if spares.len() < SPARE {
                spares.push(memory);
            }
        });
    }
}
