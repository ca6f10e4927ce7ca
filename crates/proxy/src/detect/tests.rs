use std::sync::Arc;

use proptest::prelude::*;

use super::*;

#[test]
fn known_beginnings() {
    for (bytes, wanted) in [
        (&b"GET / HTTP/1.1\r\nhost: web\r\n\r\n"[..], Detected::Http1),
        (b"GET / HTTP/1.0\n", Detected::Http1),
        (b"BREW /pot HTTP/1.1\r\n", Detected::Http1),
        (b"OPTIONS * HTTP/1.1\r\n", Detected::Http1),
        (b"CONNECT web:443 HTTP/1.1\r\n", Detected::Http1),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detected::Http2),
        (b"PRI * HTTP/1.1\r\n", Detected::Http1),
        (b"GET /\r\n", Detected::Opaque),
        (b"GET  / HTTP/1.1\r\n", Detected::Opaque),
        (b"GET / HTTP/3.0\r\n", Detected::Opaque),
        (b"PING\r\n", Detected::Opaque),
        (b"EHLO mail\r\n", Detected::Opaque),
        (b"HELLO", Detected::Opaque),
        (b"\x16\x03\x01\x02\x00\x01", Detected::Opaque),
        (b"*1\r\n$4\r\nPING\r\n", Detected::Opaque),
        (b"\r\nGET / HTTP/1.1\r\n", Detected::Opaque),
        (b"", Detected::NeedMore),
        (b"P", Detected::NeedMore),
        (b"PRI * H", Detected::NeedMore),
        (b"GET", Detected::NeedMore),
        (b"GET /a HTTP/1.1\r", Detected::NeedMore),
        (b"GET /a HTTP/2", Detected::Opaque),
        (b"GET /\xc3\xa4 HTTP/1.1\r\n", Detected::Http1),
        (b"GET /\xc3", Detected::NeedMore),
        (b"GET /\xe4 HTTP/1.1\r\n", Detected::Opaque),
        (b"GET /\xff", Detected::Opaque),
    ] {
        assert_eq!(detect(bytes), wanted, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_long_target_needs_no_end() {
    let mut bytes = b"GET /".to_vec();
    bytes.resize(ENOUGH - 1, b'a');
    assert_eq!(detect(&bytes), Detected::NeedMore);
    bytes.push(b'a');
    assert_eq!(detect(&bytes), Detected::Http1);
}

/// What rustls really sends, hybrid key share included.
fn client_hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = name.to_string().try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// The same hello in records of at most `size` bytes.
fn in_records(hello: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    };
    hello[5..].chunks(size).flat_map(record).collect()
}

#[test]
fn the_name_is_found_however_the_hello_is_cut() {
    let hello = client_hello("web.shop.svc.cluster.local");
    assert!(hello.len() > 1_300, "a hybrid hello: {}", hello.len());
    let found = Sni::Name("web.shop.svc.cluster.local".to_string());
    for bytes in [
        hello.clone(),
        in_records(&hello, 100),
        in_records(&hello, 10),
    ] {
        assert_eq!(tls_sni(&bytes), found);
        let mut is_known = false;
        for end in 0..bytes.len() {
            let sni = tls_sni(&bytes[..end]);
            assert!(
                sni == found || (sni == Sni::NeedMore && !is_known),
                "{end}: {sni:?}"
            );
            is_known = sni == found;
        }
    }
}

#[test]
fn a_record_s_version_says_nothing() {
    let mut hello = in_records(&client_hello("web.example"), 100);
    hello[2] = 0x0a;
    hello[5 + 100 + 2] = 0xff;
    assert_eq!(tls_sni(&hello), Sni::Name("web.example".to_string()));
}

#[test]
fn other_hellos() {
    assert_eq!(tls_sni(b"GET / HTTP/1.1\r\n"), Sni::NotTls);
    assert_eq!(tls_sni(b""), Sni::NeedMore);
    assert_eq!(tls_sni(&[22, 3, 1]), Sni::NeedMore);
    assert_eq!(tls_sni(&[22, 9, 1]), Sni::NotTls);
    assert_eq!(tls_sni(&[22, 3, 1, 0, 1, 2]), Sni::NotTls);
    assert_eq!(tls_sni(&client_hello("10.1.0.2")), Sni::Absent);
}

#[test]
fn an_endless_hello_is_given_up() {
    // One record, one hello, and in it one extension that never ends.
    let mut bytes = vec![22, 3, 1, 0x40, 0, 1, 0, 0xff, 0xff];
    bytes.extend([0; 2 + 32 + 1 + 2 + 1]);
    bytes.extend([0xff, 0, 0x12, 0x34, 0xfe, 0xff]);
    bytes.resize(client_hello::ENOUGH - 1, 0);
    assert_eq!(tls_sni(&bytes), Sni::NeedMore);
    bytes.push(0);
    assert_eq!(tls_sni(&bytes), Sni::NotTls);
}

proptest! {
    #[test]
    fn an_answer_never_changes_with_more_bytes(bytes in "[ -~\r\n]{0,60}", cut in 0usize..60) {
        let bytes = bytes.as_bytes();
        let early = detect(&bytes[..cut.min(bytes.len())]);
        if early == Detected::Http1 || early == Detected::Http2 {
            prop_assert_eq!(detect(bytes), early);
        }
    }

    #[test]
    fn enough_bytes_always_decide(bytes in prop::collection::vec(any::<u8>(), ENOUGH..2 * ENOUGH)) {
        prop_assert_ne!(detect(&bytes), Detected::NeedMore);
    }

    #[test]
    fn every_cut_of_a_request_is_a_request_or_needs_more(
        path in "/[a-z0-9?&=%/]{0,200}",
        cut in 1usize..400,
    ) {
        let whole = format!("POST {path} HTTP/1.1\r\nhost: web\r\n\r\n");
        let bytes = &whole.as_bytes()[..cut.min(whole.len())];
        prop_assert!(matches!(detect(bytes), Detected::Http1 | Detected::NeedMore));
        prop_assert_eq!(detect(whole.as_bytes()), Detected::Http1);
    }

    #[test]
    fn no_bytes_break_the_hello_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        tls_sni(&bytes);
        let mut record = vec![22, 3, 1, 1, 0, 1, 0, 0, 250];
        record.extend(bytes);
        tls_sni(&record);
    }
}
