//! Idle connections that die as they are used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tulle_testkit::serve::{self, Running};

use super::raw::{Path, Way};

/// Answers one request on each connection, and hangs up when it has read a second one.
async fn tired() -> (Running, Arc<AtomicUsize>) {
    let requests = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&requests);
    let server = serve::tcp(move |mut stream| {
        let counted = Arc::clone(&counted);
        async move {
            for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", ""] {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        return;
                    };
                    head.push(byte);
                }
                counted.fetch_add(1, Relaxed);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (server, requests)
}

/// A connection that was used just now is not suspected; the tests let it rest.
const A_REST: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_safe_request_is_sent_once_more() {
    for way in [Way::Inbound, Way::Outbound, Way::Mesh, Way::MeshHttp2] {
        let (server, requests) = tired().await;
        let path = Path::open(way, server.address).await;
        let mut client = path.connect().await;
        for count in 1..=3 {
            tokio::time::sleep(A_REST).await;
            client.send(b"GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
            let answer = client.until("\r\n\r\n").await;
            assert!(
                answer.starts_with("HTTP/1.1 200 OK\r\n"),
                "{way:?} {answer}"
            );
            client.until("ok").await;
            // The first of each connection, and the second, which was in vain.
            assert_eq!(requests.load(Relaxed), 2 * count - 1, "{way:?}");
        }
    }
}

#[tokio::test]
async fn one_that_may_have_been_done_is_not() {
    for way in [Way::Inbound, Way::Outbound] {
        let (server, requests) = tired().await;
        let path = Path::open(way, server.address).await;
        let mut client = path.connect().await;
        let request = b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 0\r\n\r\n";
        client.send(request).await;
        client.until("ok").await;
        tokio::time::sleep(A_REST).await;
        client.send(request).await;
        let answer = client.until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{way:?} {answer}");
        assert_eq!(requests.load(Relaxed), 2, "{way:?}");
    }
}
