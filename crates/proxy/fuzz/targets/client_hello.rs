//! The server name of a TLS hello, beside what rustls reads from the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls::server::Acceptor;
use tulle_proxy::detect::{Sni, tls_sni};

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(4_096)];
    let whole = tls_sni(bytes);
    let step = 1 + bytes.len() / 64;
    for end in (0..bytes.len()).step_by(step) {
        let early = tls_sni(&bytes[..end]);
        // More bytes can only add to what is known, or show that it was no hello after all.
        let is_kept = early == Sni::NeedMore || early == whole || whole == Sni::NotTls;
        assert!(is_kept, "{end}: {early:?}, then {whole:?}");
    }
    if let Some(name) = reference(bytes) {
        match (&whole, name) {
            // rustls drops the root's dot, which RFC 6066 does not have; we pass it on as it was sent.
            (Sni::Name(ours), Some(theirs)) => {
                let ours = ours.strip_suffix('.').unwrap_or(ours);
                assert!(ours.eq_ignore_ascii_case(&theirs), "{ours}, and {theirs}");
            }
            (Sni::Absent, None) => {}
            // rustls drops a name that is no DNS name; we pass it on as it was sent.
            (Sni::Name(_), None) => {}
            (ours, theirs) => panic!("{ours:?}, but rustls read {theirs:?}"),
        }
    }
});

/// None: rustls has no hello. Its name may be absent.
fn reference(mut bytes: &[u8]) -> Option<Option<String>> {
    let mut acceptor = Acceptor::default();
    while !bytes.is_empty() {
        if acceptor.read_tls(&mut bytes).ok()? == 0 {
            return None;
        }
        if let Some(accepted) = acceptor.accept().ok()? {
            return Some(accepted.client_hello().server_name().map(str::to_string));
        }
    }
    None
}
