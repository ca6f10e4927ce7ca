//! What bodies, connections and bursts cost in memory. A process of its own, and one test at a time:
//! client, proxies and application are in it, and nothing else.

#[path = "wire/raw.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod raw;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tulle_testkit::serve;

use raw::{Application, Client, Path, Way};

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const OPAQUE: &[u8] = b"\x01\x02 how are you";

static ALONE: Mutex<()> = Mutex::const_new(());

/// A body of this size passes in memory that does not depend on it.
const LARGE: usize = 1 << 30;
const HELD_AT_MOST: u64 = 48 << 20;

#[tokio::test]
#[ignore = "moves gigabytes"]
async fn a_gigabyte_passes_in_constant_memory() {
    let _alone = ALONE.lock().await;
    for way in [Way::Inbound, Way::MeshHttp2] {
        let server = serve::tcp(|mut stream| async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else {
                    return;
                };
                head.push(byte);
            }
            let mut left = LARGE;
            let mut buffer = vec![0; 64 * 1024];
            while left > 0 {
                match stream.read(&mut buffer).await {
                    Ok(read) if read > 0 => left -= read,
                    _ => return,
                }
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            let mut left = LARGE;
            while left > 0 {
                let piece = left.min(buffer.len());
                if stream.write_all(&buffer[..piece]).await.is_err() {
                    return;
                }
                left -= piece;
            }
        })
        .await;
        let path = Path::open(way, server.address).await;
        let before = resident();
        let mut client = path.connect().await;
        let head = format!("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: {LARGE}\r\n\r\n");
        client.send(head.as_bytes()).await;
        let piece = vec![0; 64 * 1024];
        for _ in 0..LARGE / piece.len() {
            client.send(&piece).await;
        }
        client.until("\r\n\r\n").await;
        let mut left = LARGE;
        let mut buffer = vec![0; 64 * 1024];
        left -= std::mem::take(&mut client.read).len();
        let mut most = resident();
        while left > 0 {
            let read = client.stream.read(&mut buffer).await.expect("it goes on");
            assert!(read > 0, "{way:?}: {left} bytes are missing");
            left -= read;
            most = most.max(resident());
        }
        println!("{way:?}: {} KiB", most.saturating_sub(before) >> 10);
        let grown = most.saturating_sub(before);
        assert!(grown < HELD_AT_MOST, "{way:?}: grew by {} KiB", grown >> 10);
    }
}

/// So many bodies are under way, and their readers have stopped.
const STOPPED: usize = 200;
/// By one proxy; what the kernel holds is not counted.
const HELD_FOR_ONE: u64 = 768 << 10;
const SMALL: &[u8] = b"GET /small HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
const LARGE_GET: &[u8] = b"GET /large HTTP/1.1\r\nhost: web\r\n\r\n";
const LARGE_POST: &[u8] = b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 99999999999\r\n\r\n";

/// Sends and takes without end, but for `/small`; what is posted is not read beyond its head.
async fn endless() -> serve::Running {
    serve::tcp(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else {
                return;
            };
            head.push(byte);
        }
        if head.starts_with(b"GET /small ") {
            let _ = stream.write_all(OK).await;
        } else if head.starts_with(b"GET ") {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
        } else {
            std::future::pending::<()>().await;
        }
    })
    .await
}

#[tokio::test]
#[ignore = "looks at the memory of its process"]
async fn readers_that_stop_hold_little_and_nobody_else() {
    let _alone = ALONE.lock().await;
    for (way, proxies) in [(Way::Inbound, 1), (Way::Mesh, 2), (Way::MeshHttp2, 2)] {
        let server = endless().await;
        let path = Path::open(way, server.address).await;
        path.talk(SMALL).await;
        let before = resident();
        let mut stopped = JoinSet::new();
        for number in 0..STOPPED {
            let mut client = path.connect().await;
            let is_reader = number % 2 == 0;
            client
                .send(if is_reader { LARGE_GET } else { LARGE_POST })
                .await;
            stopped.spawn(async move {
                while !is_reader && client.stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
                std::future::pending::<Client>().await
            });
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let held = resident().saturating_sub(before) / STOPPED as u64;
        println!("{way:?}: {} KiB for each", held >> 10);
        let answer = path.talk(SMALL).await;
        assert!(answer.ends_with("ok"), "{way:?}: {answer}");
        let most = proxies * HELD_FOR_ONE;
        assert!(held < most, "{way:?}: {} KiB for each", held >> 10);
    }
}

/// Of this process, which the proxies are part of.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|text| text.trim().parse::<u64>().ok())
        .expect("a number")
        << 10
}

#[tokio::test]
#[ignore = "opens as many sockets as it may"]
async fn ten_thousand_idle_connections_are_kept() {
    let _alone = ALONE.lock().await;
    // Two sockets of each are in this process.
    let many = 10_000.min((open_files() - 500) / 2);
    let application = Application::saying(OK).await;
    let path = Path::open(Way::Inbound, application.address()).await;
    let (mut clients, each) = asked_once(&path, many, GET, "ok").await;
    // Client, proxy and application are one process: all of their parts are in it.
    assert!(each < 64 << 10, "{each} bytes for each connection");
    for client in clients.iter_mut().step_by(1_000) {
        client.send(GET).await;
        client.until("ok").await;
    }
    drop(clients);
}

#[tokio::test]
#[ignore = "opens as many sockets as it may"]
async fn what_is_silent_and_opaque_holds_no_buffer() {
    let _alone = ALONE.lock().await;
    let many = 4_000.min((open_files() - 500) / 4);
    let echo = serve::tcp(|mut stream| async move {
        let (mut reader, mut writer) = stream.split();
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    })
    .await;
    let path = Path::open(Way::Inbound, echo.address).await;
    let (mut clients, each) = asked_once(&path, many, OPAQUE, "you").await;
    // The echo holds 8 KiB of its own, and it and the client are in the same process.
    assert!(each < 28 << 10, "{each} bytes for each connection");
    for client in clients.iter_mut().step_by(1_000) {
        client.read.clear();
        client.send(OPAQUE).await;
        client.until("you").await;
    }
}

/// Connections that have had one answer, and how many bytes each of them costs.
async fn asked_once(path: &Path, many: usize, ask: &[u8], answer: &str) -> (Vec<Client>, u64) {
    let mut clients = Vec::with_capacity(many);
    let before = resident();
    for _ in 0..many {
        let mut client = path.connect().await;
        client.send(ask).await;
        client.until(answer).await;
        clients.push(client);
    }
    let each = (resident() - before) / many as u64;
    println!("{many} connections: {each} bytes each");
    (clients, each)
}

/// How many files this process may have open.
fn open_files() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").expect("Linux tells");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.and_then(|text| text.parse().ok()).expect("a number")
}
