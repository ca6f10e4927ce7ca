use std::io::Read;
use std::time::Duration;

use http_body_util::{Empty, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::telemetry::log::{Filter, Handle};

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const ELSEWHERE: &str = "10.1.0.9";

fn admin(shutdown: Option<mpsc::Sender<()>>) -> Arc<Admin> {
    Arc::new(Admin {
        metrics: Metrics::new(Duration::from_secs(60)),
        logs: Handle::new(Filter::parse("warn,linkerd=info").unwrap()),
        ready: Readiness::default(),
        shutdown,
        environment: vec![("NAME".to_string(), "value".to_string())],
    })
}

async fn ask(admin: &Admin, method: &str, uri: &str, client: IpAddr) -> (u16, String) {
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    read(admin.answer(request, client).await).await
}

async fn read(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_is_a_latch() {
    let admin = admin(None);
    let answer = async |path| ask(&admin, "GET", path, LOOPBACK).await;
    assert_eq!(answer("/live").await, (200, "live\n".to_string()));
    assert_eq!(answer("/ready").await, (503, "not ready\n".to_string()));
    admin.ready.release();
    assert_eq!(answer("/ready").await, (200, "ready\n".to_string()));
    assert_eq!(answer("/nothing").await.0, 404);
}

#[tokio::test]
async fn metrics_come_packed_when_asked_so() {
    let admin = admin(None);
    let (status, plain) = ask(&admin, "GET", "/metrics", LOOPBACK).await;
    assert_eq!(status, 200);
    assert!(plain.ends_with("# EOF\n"));
    let request = Request::get("/metrics").header("accept-encoding", "deflate, gzip;q=0.5");
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = admin.answer(request, LOOPBACK).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let packed = response.into_body().collect().await.unwrap().to_bytes();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn the_log_level_is_read_and_changed_on_loopback_only() {
    let admin = admin(None);
    let put = async |filter: &str| {
        let request = Request::put("/proxy-log-level");
        let request = request
            .body(Full::new(Bytes::from(filter.to_string())))
            .unwrap();
        read(admin.answer(request, LOOPBACK).await).await
    };
    let got = ask(&admin, "GET", "/proxy-log-level", LOOPBACK).await;
    assert_eq!(got, (200, "warn,linkerd=info\n".to_string()));
    assert_eq!(put("debug").await.0, 204);
    assert_eq!(admin.logs.text(), "debug");
    let (status, words) = put("linkerd=loud").await;
    assert!(status == 400 && words.contains("linkerd=loud"), "{words}");
    let elsewhere = ELSEWHERE.parse().unwrap();
    assert_eq!(
        ask(&admin, "GET", "/proxy-log-level", elsewhere).await.0,
        403
    );
    assert_eq!(
        ask(&admin, "POST", "/proxy-log-level", LOOPBACK).await.0,
        405
    );
    let mapped = "::ffff:127.0.0.1".parse().unwrap();
    assert_eq!(ask(&admin, "GET", "/proxy-log-level", mapped).await.0, 200);
}

#[tokio::test]
async fn shutdown_must_be_offered() {
    assert_eq!(
        ask(&admin(None), "POST", "/shutdown", LOOPBACK).await.0,
        404
    );
    let (sender, mut asked) = mpsc::channel(1);
    let admin = admin(Some(sender));
    assert_eq!(ask(&admin, "GET", "/shutdown", LOOPBACK).await.0, 405);
    assert_eq!(
        ask(&admin, "POST", "/shutdown", ELSEWHERE.parse().unwrap())
            .await
            .0,
        403
    );
    assert!(asked.try_recv().is_err());
    for _ in 0..2 {
        let answer = ask(&admin, "POST", "/shutdown", LOOPBACK).await;
        assert_eq!(answer, (200, "shutdown\n".to_string()));
    }
    assert!(asked.try_recv().is_ok());
}

#[tokio::test]
async fn the_environment_is_json() {
    let admin = admin(None);
    let got = ask(&admin, "GET", "/env.json?NAME&OTHER", LOOPBACK).await;
    assert_eq!(
        got,
        (200, "{\"NAME\":\"value\",\"OTHER\":null}\n".to_string())
    );
    assert_eq!(
        ask(&admin, "GET", "/env.json?NAME=1", LOOPBACK).await.0,
        400
    );
    for (accept, status) in [
        ("text/html", 406),
        ("json", 400),
        ("text/html, */*;q=0.1", 200),
    ] {
        let request = Request::get("/env.json").header("accept", accept);
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(
            read(admin.answer(request, LOOPBACK).await).await.0,
            status,
            "{accept}"
        );
    }
}

#[tokio::test]
async fn a_stream_may_speak_http1_or_http2() {
    for (request, wanted) in [
        (
            &b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"[..],
            &b"HTTP/1.1 200"[..],
        ),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            b"\0\0",
        ),
    ] {
        let (mut client, server) = tokio::io::duplex(4096);
        let serving = tokio::spawn(admin(None).serve(server, (LOOPBACK, 1).into()));
        client.write_all(request).await.unwrap();
        let mut first = vec![0; wanted.len()];
        client.read_exact(&mut first).await.unwrap();
        assert_eq!(first, wanted);
        drop(client);
        let _ = serving.await.unwrap();
    }
}
