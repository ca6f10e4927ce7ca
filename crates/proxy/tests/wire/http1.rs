//! HTTP/1.0 and HTTP/1.1 as they come out of each way through the proxy.

use super::raw::{Application, Path, Way};

const HELLO: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_connection_carries_many_requests() {
    for way in Way::ALL {
        let application = Application::echoing_paths().await;
        let path = Path::open(way, application.address()).await;
        let mut client = path.connect().await;
        for name in ["/one", "/two", "/three"] {
            let request = format!("GET {name} HTTP/1.1\r\nhost: web\r\n\r\n");
            client.send(request.as_bytes()).await;
            let answer = client.until(name).await;
            let length = name.len();
            assert_eq!(
                answer,
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{name}"),
                "{way:?}"
            );
        }
        assert_eq!(application.connections(), 1, "{way:?}");
        let first = &application.requests()[0];
        assert!(
            first.starts_with("GET /one HTTP/1.1\r\n"),
            "{way:?} {first}"
        );
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    for way in Way::ALL {
        let application = Application::echoing_paths().await;
        let path = Path::open(way, application.address()).await;
        let said = path
            .talk(
                b"GET /a HTTP/1.1\r\nhost: web\r\n\r\n\
                  POST /b HTTP/1.1\r\nhost: web\r\ncontent-length: 3\r\n\r\nxyz\
                  GET /c HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n",
            )
            .await;
        let bodies: Vec<&str> = said.split("\r\n\r\n").collect();
        assert_eq!(bodies.len(), 4, "{way:?} {said}");
        assert!(bodies[1].starts_with("/a"), "{way:?} {said}");
        assert!(bodies[2].starts_with("/b"), "{way:?} {said}");
        assert_eq!(bodies[3], "/c", "{way:?} {said}");
        assert!(
            application.requests()[1].ends_with("\r\n\r\nxyz"),
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn http10_closes_unless_it_was_asked_not_to() {
    for way in Way::ALL {
        let application = Application::saying(HELLO).await;
        let path = Path::open(way, application.address()).await;
        let said = path.talk(b"GET / HTTP/1.0\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.0 200 OK\r\n"), "{way:?} {said}");
        assert!(said.ends_with("\r\n\r\nhello"), "{way:?} {said}");
        if way == Way::Mesh {
            // The second proxy answers the first in HTTP/1.0 and closes, and so does the first.
            continue;
        }
        let mut client = path.connect().await;
        for _ in 0..2 {
            client
                .send(b"GET / HTTP/1.0\r\nhost: web\r\nconnection: keep-alive\r\n\r\n")
                .await;
            let said = client.until("hello").await;
            assert!(said.contains("connection: keep-alive"), "{way:?} {said}");
        }
    }
}

#[tokio::test]
async fn http10_never_sees_a_chunk() {
    for way in Way::ALL {
        let application = Application::saying(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
        let path = Path::open(way, application.address()).await;
        let said = path.talk(b"GET / HTTP/1.0\r\nhost: web\r\n\r\n").await;
        assert!(said.ends_with("\r\n\r\nabcde"), "{way:?} {said}");
        assert!(!said.contains("chunked"), "{way:?} {said}");
    }
}

#[tokio::test]
async fn chunked_bodies_pass_both_ways() {
    for way in Way::ALL {
        let application = Application::saying(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
        let path = Path::open(way, application.address()).await;
        // GET too: some search servers take a query in its body.
        for method in ["POST", "GET"] {
            let said = path
                .talk(
                    format!(
                        "{method} / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\
                         transfer-encoding: chunked\r\n\r\n4\r\nwxyz\r\n0\r\n\r\n"
                    )
                    .as_bytes(),
                )
                .await;
            assert!(
                said.contains("\r\ntransfer-encoding: chunked\r\n"),
                "{way:?} {said}"
            );
            assert_eq!(dechunked(&said), "abcde", "{way:?} {said}");
            let sent = application.requests().pop().unwrap();
            assert!(
                sent.contains("\r\ntransfer-encoding: chunked\r\n"),
                "{way:?} {sent}"
            );
            assert_eq!(dechunked(&sent), "wxyz", "{way:?} {sent}");
        }
    }
}

/// The body of a chunked message.
fn dechunked(message: &str) -> String {
    let (_, mut rest) = message.split_once("\r\n\r\n").expect("it has a head");
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size of a chunk");
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    body
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    for way in Way::ALL {
        let application = Application::saying(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
              3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n",
        )
        .await;
        let path = Path::open(way, application.address()).await;
        let said = path
            .talk(
                b"POST / HTTP/1.1\r\nhost: web\r\nte: trailers\r\nconnection: te, close\r\n\
                  trailer: x-digest\r\ntransfer-encoding: chunked\r\n\r\n\
                  4\r\nwxyz\r\n0\r\nx-digest: 9\r\n\r\n",
            )
            .await;
        assert!(said.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{way:?} {said}");
        let sent = application.requests().pop().unwrap();
        assert!(sent.ends_with("0\r\nx-digest: 9\r\n\r\n"), "{way:?} {sent}");
    }
}

#[tokio::test]
async fn a_client_that_expects_to_go_on_is_told_to() {
    for way in Way::ALL {
        let application = Application::saying(HELLO).await;
        let path = Path::open(way, application.address()).await;
        let mut client = path.connect().await;
        client
            .send(
                b"PUT / HTTP/1.1\r\nhost: web\r\nexpect: 100-continue\r\n\
                  content-length: 4\r\nconnection: close\r\n\r\n",
            )
            .await;
        let first = client.until("\r\n\r\n").await;
        assert_eq!(first, "HTTP/1.1 100 Continue\r\n\r\n", "{way:?}");
        client.send(b"body").await;
        assert!(client.rest().await.ends_with("\r\n\r\nhello"), "{way:?}");
        let sent = application.requests().pop().unwrap();
        assert!(sent.ends_with("\r\n\r\nbody"), "{way:?} {sent}");
    }
}

#[tokio::test]
async fn answers_without_bodies_stay_so() {
    let cases: [(&str, &[u8]); 4] = [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"),
        (
            "HEAD",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        ),
        ("GET", b"HTTP/1.1 204 No Content\r\nx-kept: yes\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\netag: \"1\"\r\n\r\n"),
    ];
    for way in Way::ALL {
        for (method, answer) in cases {
            let application = Application::saying(answer).await;
            let path = Path::open(way, application.address()).await;
            let mut client = path.connect().await;
            for _ in 0..2 {
                let request = format!("{method} / HTTP/1.1\r\nhost: web\r\n\r\n");
                client.send(request.as_bytes()).await;
                let head = client.until("\r\n\r\n").await;
                let status = std::str::from_utf8(answer).unwrap().lines().next().unwrap();
                assert!(head.starts_with(status), "{way:?} {head}");
                if answer.ends_with(b"5000\r\n\r\n") {
                    assert!(head.contains("content-length: 5000"), "{way:?} {head}");
                }
            }
            client
                .send(b"HEAD / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")
                .await;
            let rest = client.rest().await;
            let body = rest.split_once("\r\n\r\n").expect("a head").1;
            assert_eq!(body, "", "{way:?} {method} {rest}");
        }
    }
}

#[tokio::test]
async fn a_body_may_end_with_its_connection() {
    for way in Way::ALL {
        let application =
            Application::saying(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end").await;
        let path = Path::open(way, application.address()).await;
        let said = path
            .talk(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n")
            .await;
        let is_whole = said.ends_with("to the end") || dechunked(&said) == "to the end";
        assert!(is_whole, "{way:?} {said}");
    }
}

#[tokio::test]
async fn connect_opens_a_tunnel() {
    for way in Way::ALL {
        let tunnel = tulle_testkit::serve::tcp(|mut stream| async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else {
                    return;
                };
                head.push(byte);
            }
            if !head.starts_with(b"CONNECT db.test:5432 HTTP/1.1\r\n") {
                return;
            }
            let (mut read, mut write) = stream.split();
            let _ = write.write_all(b"HTTP/1.1 200 OK\r\n\r\nready\n").await;
            let _ = tokio::io::copy(&mut read, &mut write).await;
        })
        .await;
        let path = Path::open(way, tunnel.address).await;
        let mut client = path.connect().await;
        client
            .send(b"CONNECT db.test:5432 HTTP/1.1\r\nhost: db.test:5432\r\n\r\n")
            .await;
        let head = client.until("\r\n\r\n").await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{way:?} {head}");
        assert_eq!(client.until("\n").await, "ready\n", "{way:?}");
        client.send(b"\x00 any bytes\n").await;
        assert_eq!(client.until("\n").await, "\0 any bytes\n", "{way:?}");
    }
}

#[tokio::test]
async fn connection_headers_end_at_each_hop() {
    for way in Way::ALL {
        let application = Application::saying(
            b"HTTP/1.1 200 OK\r\nconnection: x-private\r\nx-private: 1\r\nkeep-alive: timeout=5\r\n\
              content-length: 2\r\n\r\nok",
        )
        .await;
        let path = Path::open(way, application.address()).await;
        let said = path
            .talk(
                b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
                  keep-alive: 5\r\nproxy-connection: close\r\nx-end: 1\r\n\r\n",
            )
            .await;
        let sent = application.requests().pop().unwrap();
        for gone in ["x-hop", "keep-alive", "proxy-connection"] {
            assert!(!sent.contains(gone), "{way:?} {sent}");
        }
        assert!(sent.contains("x-end: 1"), "{way:?} {sent}");
        assert!(
            !said.contains("x-private") && !said.contains("keep-alive"),
            "{way:?} {said}"
        );
        assert!(said.ends_with("ok"), "{way:?} {said}");
    }
}
