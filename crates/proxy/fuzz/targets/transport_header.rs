//! The transport header: read in pieces, it says the same; what follows it is left alone.
#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};
use tulle_proxy::connect::header::TransportHeader;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    let pieces = read(bytes, 3);
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok());
    let Ok((header, rest)) = whole else { return };
    assert!(header.port != 0);
    let mut again = header.encode().to_vec();
    again.extend_from_slice(&rest);
    let (header_again, rest_again) = read(&again, 7).expect("what we write, we read");
    assert_eq!((header_again, rest_again), (header, rest));
});

/// The header, and all that came after it.
fn read(bytes: &[u8], piece: usize) -> io::Result<(TransportHeader, Vec<u8>)> {
    let mut io = Pieces { bytes, piece };
    let mut buffer = BytesMut::new();
    let header = at_once(TransportHeader::read(&mut io, &mut buffer));
    let mut rest = buffer.to_vec();
    rest.extend_from_slice(io.bytes);
    Ok((header?, rest))
}

/// Everything is there, so nothing may wait.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits though everything is there"),
    }
}

struct Pieces<'a> {
    bytes: &'a [u8],
    piece: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.piece.min(self.bytes.len()).min(buffer.remaining());
        let (now, later) = self.bytes.split_at(length);
        buffer.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}
