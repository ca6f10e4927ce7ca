//! What a connection speaks, beside what `httparse` makes of the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tulle_proxy::detect::{Detected, ENOUGH, detect};

fuzz_target!(|bytes: &[u8]| {
    let whole = detect(bytes);
    assert!(bytes.len() < ENOUGH || whole != Detected::NeedMore);
    // However the bytes are cut into reads, HTTP stays HTTP once it was told. Nobody reads on after that.
    let bytes = &bytes[..bytes.len().min(ENOUGH)];
    let whole = detect(bytes);
    for end in 0..bytes.len() {
        let early = detect(&bytes[..end]);
        if matches!(early, Detected::Http1 | Detected::Http2) {
            assert_eq!(early, whole, "told after {end} bytes");
        }
    }
    agrees_with_reference(bytes, whole);
});

fn agrees_with_reference(bytes: &[u8], whole: Detected) {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let parsed = request.parse(bytes);
    // A server may skip empty lines before a request; before the first one nobody sends them.
    let is_padded = bytes.first().is_some_and(|&b| b == b'\r' || b == b'\n');
    match parsed {
        Ok(httparse::Status::Complete(_)) if !is_padded => {
            assert_eq!(whole, Detected::Http1, "a whole head");
        }
        // Its complaint is about the first line, of which we said that it is a request's.
        Err(httparse::Error::Token | httparse::Error::Version) if is_line_there(bytes) => {
            assert_ne!(whole, Detected::Http1, "no request line");
        }
        _ => {}
    }
}

fn is_line_there(bytes: &[u8]) -> bool {
    bytes.contains(&b'\n')
}
