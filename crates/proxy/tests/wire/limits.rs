//! What is shed, what is given up, and what many, slow or vanished peers cost.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tulle_testkit::serve;

use super::raw::{Application, Path, Way};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n";
const LAST: &[u8] = b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn more_than_may_be_in_flight_is_shed() {
    for (way, variable) in [
        (Way::Inbound, "INBOUND_MAX_IN_FLIGHT"),
        (Way::Outbound, "OUTBOUND_MAX_IN_FLIGHT"),
    ] {
        let (asked, mut requests) = tokio::sync::mpsc::unbounded_channel();
        let (release, _) = tokio::sync::broadcast::channel::<()>(1);
        let released = release.clone();
        let server = serve::tcp(move |mut stream| {
            let (asked, mut released) = (asked.clone(), released.subscribe());
            async move {
                let mut buffer = [0; 1024];
                while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                    let _ = asked.send(());
                    let _ = released.recv().await;
                    let _ = stream.write_all(OK).await;
                }
            }
        })
        .await;
        let path = Path::open_with(way, server.address, &[(variable, "1")]).await;
        let mut first = path.connect().await;
        first.send(GET).await;
        requests.recv().await.expect("it reaches the application");
        let shed = path.talk(LAST).await;
        assert!(shed.starts_with("HTTP/1.1 503 "), "{way:?} {shed}");
        release.send(()).expect("the application waits");
        first.until("ok").await;
        first.send(GET).await;
        requests.recv().await.expect("there is room again");
    }
}

/// Two thirds of a request are never followed by the rest.
#[tokio::test]
async fn a_head_that_never_ends_ends_its_connection() {
    for way in [Way::Inbound, Way::Outbound] {
        let application = Application::saying(OK).await;
        let path = Path::open_with(way, application.address(), &SHORT).await;
        let mut client = path.connect().await;
        client
            .send(b"GET / HTTP/1.1\r\nhost: web\r\nx-slow: ")
            .await;
        let said = client.rest().await;
        assert!(
            said.is_empty() || said.starts_with("HTTP/1.1 408 "),
            "{way:?} {said}"
        );
        assert!(application.requests().is_empty(), "{way:?}");
    }
}

/// A shorter patience than a user would want, so that the test need not have theirs.
const SHORT: [(&str, &str); 1] = [("HTTP1_HEADER_TIMEOUT", "300ms")];

const LONG: usize = 100 << 10;

#[tokio::test]
async fn a_long_head_passes_and_one_without_end_is_refused() {
    for way in Way::ALL {
        let application = Application::saying(OK).await;
        let path = Path::open(way, application.address()).await;
        let asked = |length: usize| {
            let word = "x".repeat(length);
            format!("GET / HTTP/1.1\r\nhost: web\r\nnote: {word}\r\nconnection: close\r\n\r\n")
        };
        let answer = path.talk(asked(LONG).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{way:?}: {answer}");
        assert!(application.requests()[0].len() > LONG, "{way:?}");
        let answer = path.talk(asked(2 * LONG).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{way:?}: {answer}");
    }
}

#[tokio::test]
async fn between_requests_a_client_may_rest() {
    for way in [Way::Inbound, Way::Outbound] {
        let application = Application::saying(OK).await;
        let path = Path::open_with(way, application.address(), &SHORT).await;
        let mut client = path.connect().await;
        client.send(GET).await;
        client.until("ok").await;
        // Longer than a head may take: it has not begun.
        tokio::time::sleep(Duration::from_millis(700)).await;
        client.send(GET).await;
        client.until("ok").await;
        assert_eq!(application.requests().len(), 2, "{way:?}");
    }
}

/// A kept connection's next head has as long as the first, from its first byte on.
#[tokio::test]
async fn a_later_head_that_never_ends_ends_its_connection() {
    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\nbody";
    for way in [Way::Inbound, Way::Outbound] {
        for first in [GET, POST] {
            let application = Application::saying(OK).await;
            let path = Path::open_with(way, application.address(), &SHORT).await;
            let mut client = path.connect().await;
            client.send(first).await;
            client.until("ok").await;
            client
                .send(b"GET / HTTP/1.1\r\nhost: web\r\nx-slow: ")
                .await;
            assert_eq!(client.rest().await, "", "{way:?}");
            assert_eq!(application.requests().len(), 1, "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_the_writer_up() {
    for way in Way::ALL {
        let written = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
        let counted = std::sync::Arc::clone(&written);
        let server = serve::tcp(move |mut stream| {
            let counted = std::sync::Arc::clone(&counted);
            async move {
                let mut buffer = vec![0; 64 * 1024];
                let _ = stream.read(&mut buffer).await;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {BULK}\r\n\r\n");
                let _ = stream.write_all(head.as_bytes()).await;
                for _ in 0..BULK / buffer.len() {
                    if stream.write_all(&buffer).await.is_err() {
                        return;
                    }
                    counted.fetch_add(buffer.len(), std::sync::atomic::Ordering::Relaxed);
                }
            }
        })
        .await;
        let path = Path::open(way, server.address).await;
        let mut client = path.connect().await;
        client.send(LAST).await;
        client.until("\r\n\r\n").await;
        let held = settled(|| written.load(std::sync::atomic::Ordering::Relaxed)).await;
        assert!(
            held < BULK / 2,
            "{way:?}: {held} bytes were taken for a client that reads none"
        );
        assert_eq!(client.rest().await.len(), BULK, "{way:?}");
    }
}

const BULK: usize = 64 << 20;

/// A number once it no longer grows.
async fn settled(number: impl Fn() -> usize) -> usize {
    let (mut last, mut same) = (number(), 0);
    while same < 10 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let now = number();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

#[tokio::test]
async fn either_side_may_end_first() {
    for way in Way::ALL {
        // Reads to the end of what the client says, and only then answers.
        let server = serve::tcp(|mut stream| async move {
            let mut all = Vec::new();
            if stream.read_to_end(&mut all).await.is_ok() {
                let _ = stream
                    .write_all(format!("got {}\n", all.len()).as_bytes())
                    .await;
            }
        })
        .await;
        let path = Path::open(way, server.address).await;
        let mut client = path.connect().await;
        client.send(b"\0\0 not HTTP").await;
        client.stream.shutdown().await.expect("it is open");
        assert_eq!(
            client.rest().await,
            "got 11\n",
            "{way:?}: the client ends first"
        );

        // Says its piece, ends, and reads on.
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let server = serve::tcp(move |mut stream| {
            let heard = heard.clone();
            async move {
                let mut buffer = [0; 64];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(b"\0bye").await;
                let _ = stream.shutdown().await;
                let mut rest = Vec::new();
                if stream.read_to_end(&mut rest).await.is_ok() {
                    let _ = heard.send(rest);
                }
            }
        })
        .await;
        let path = Path::open(way, server.address).await;
        let mut client = path.connect().await;
        client.send(b"\0hello").await;
        assert_eq!(client.rest().await, "\0bye", "{way:?}");
        client.send(b" and more").await;
        client.stream.shutdown().await.expect("it is open");
        let rest = hears.recv().await.expect("the server reads on");
        assert_eq!(rest, b" and more", "{way:?}: the server ends first");
    }
}
