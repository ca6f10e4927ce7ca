//! What the program still holds when a burst is over. `TULLE_PROXY_BIN` gives another program to look at.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::pods::{Node, PodProxy};
use tulle_testkit::serve;
use tulle_testkit::shop::SERVER;

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 8192\r\n\r\n";
const BODY: [u8; 8192] = [b'x'; 8192];
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// The proxy has two sockets for each.
const CONNECTIONS: usize = 2_000;
/// As many stay, each in the midst of memory that others gave back.
const STAYING: usize = CONNECTIONS / 100;

/// Of what the burst took.
const HELD_AFTERWARDS: f64 = 0.35;

fn program() -> PathBuf {
    let given = std::env::var_os("TULLE_PROXY_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_tulle-proxy").into())
}

async fn read(stream: &mut TcpStream, length: usize) {
    let mut whole = vec![0; length];
    stream.read_exact(&mut whole).await.unwrap();
}

/// Sends one request on each connection; hangs up when all are answered, but for those that stay.
async fn burst(to: SocketAddr, leave: oneshot::Receiver<()>) {
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut client = TcpStream::connect(to).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        client.write_all(&BODY).await.unwrap();
        clients.push(client);
    }
    let mut staying = Vec::with_capacity(STAYING);
    for (number, mut client) in clients.into_iter().enumerate() {
        read(&mut client, ANSWER.len()).await;
        if number % (CONNECTIONS / STAYING) == 0 {
            staying.push(client);
        }
    }
    let _ = leave.await;
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn memory_is_given_back_after_a_burst() {
    let node = Node::new("burst", 6);
    let (server_pod, client_pod) = (node.pod(2), node.pod(3));
    server_pod.redirect();
    let (arrived, answers) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (seen, allowed) = (Arc::clone(&arrived), Arc::clone(&answers));
    let _application = serve::tcp_on(server_pod.application(8080), move |mut stream| {
        let (seen, allowed) = (Arc::clone(&seen), Arc::clone(&allowed));
        async move {
            // The head that the proxy writes is not quite the one that it read.
            read(&mut stream, BODY.len()).await;
            seen.add_permits(1);
            let allowed = allowed.acquire().await;
            stream.write_all(ANSWER).await.unwrap();
            drop(allowed);
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let plane = ControlPlane::start().await;
    let proxy = PodProxy::start(&plane, &server_pod, &program(), SERVER, &[]).await;
    let before = resident(proxy.pid());

    let (leave, leaves) = oneshot::channel();
    let to = server_pod.address(8080);
    let load = async { client_pod.run(move || burst(to, leaves)).await };
    let watch = async {
        let all = u32::try_from(CONNECTIONS).unwrap();
        arrived.acquire_many(all).await.unwrap().forget();
        let taken = resident(proxy.pid()) - before;
        assert!(taken > 20 << 20, "{} KiB is no burst", taken >> 10);
        answers.add_permits(CONNECTIONS);
        let mut left = taken;
        let is_back = client::until("its memory is back", async || {
            left = resident(proxy.pid()).saturating_sub(before);
            ((left as f64) < taken as f64 * HELD_AFTERWARDS).then_some(())
        });
        is_back.await;
        println!("{} KiB of {} KiB are held", left >> 10, taken >> 10);
        drop(leave);
    };
    tokio::join!(load, watch);
}

/// Bytes of it that are in memory.
fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.trim().parse::<u64>().unwrap() << 10
}
