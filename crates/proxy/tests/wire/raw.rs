//! A client and an application that write bytes and keep the bytes they read, and the ways between them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::policies::Endpoint;
use tulle_testkit::proxy::Proxy;
use tulle_testkit::serve::{self, Running};
pub use tulle_testkit::shop::{CLIENT, SERVER, WEB, cluster_ip};

/// Longer than this no read in a test may take; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the proxy stands between client and application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An unmeshed client of a meshed application.
    Inbound,
    /// A meshed client of an unmeshed application.
    Outbound,
    /// Two proxies that speak HTTP/1 to one another.
    Mesh,
    /// Two proxies that carry HTTP/1 in HTTP/2.
    MeshHttp2,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Inbound, Self::Outbound, Self::Mesh, Self::MeshHttp2];
}

/// The parts between client and application, alive as long as this.
pub struct Path {
    pub address: SocketAddr,
    _plane: ControlPlane,
    _proxies: Vec<Proxy>,
    _service: Service,
}

impl Path {
    pub async fn open(way: Way, application: SocketAddr) -> Self {
        Self::open_with(way, application, &[]).await
    }

    /// `variables` are set on every proxy of the path.
    pub async fn open_with(way: Way, application: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let plane = ControlPlane::start().await;
        let service = plane.service(WEB, cluster_ip());
        let mut proxies = Vec::new();
        let address = match way {
            Way::Inbound => {
                proxies.push(Proxy::start_with(&plane, SERVER, variables).await);
                proxies[0].inbound(application)
            }
            Way::Outbound => {
                proxies.push(Proxy::start_with(&plane, CLIENT, variables).await);
                service.add(Endpoint::plain(application));
                proxies[0].outbound(cluster_ip())
            }
            Way::Mesh | Way::MeshHttp2 => {
                proxies.push(Proxy::start_with(&plane, CLIENT, variables).await);
                proxies.push(Proxy::start_with(&plane, SERVER, variables).await);
                let mut endpoint = Endpoint::meshed(proxies[1].inbound(application), SERVER);
                endpoint.is_http2 = way == Way::MeshHttp2;
                service.add(endpoint);
                proxies[0].outbound(cluster_ip())
            }
        };
        Self {
            address,
            _plane: plane,
            _proxies: proxies,
            _service: service,
        }
    }

    pub async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await;
        Client {
            stream: stream.expect("the proxy listens"),
            read: Vec::new(),
        }
    }

    /// Sends the bytes and reads until the proxy closes: the last request must ask for that.
    pub async fn talk(&self, bytes: &[u8]) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }
}

pub struct Client {
    pub stream: TcpStream,
    /// What came, and was not asked for yet.
    pub read: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the proxy reads");
    }

    /// What the proxy sends, up to and with `end`.
    pub async fn until(&mut self, end: &str) -> String {
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|w| w == end.as_bytes());
            if let Some(at) = found {
                let taken = self.read.drain(..at + end.len()).collect::<Vec<_>>();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            if read_some(&mut self.stream, &mut self.read).await == 0 {
                let text = String::from_utf8_lossy(&self.read);
                panic!("the connection ended before {end:?}; there was {text:?}");
            }
        }
    }

    /// What the proxy sends until it closes. A reset after its answer counts as closing.
    pub async fn rest(&mut self) -> String {
        while read_some(&mut self.stream, &mut self.read).await > 0 {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }
}

async fn read_some(stream: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> usize {
    let read = tokio::time::timeout(PATIENCE, stream.read_buf(into)).await;
    match read {
        Ok(read) => read.unwrap_or_default(),
        Err(_) => panic!("nothing came; so far {:?}", String::from_utf8_lossy(into)),
    }
}

/// Keeps each request that it is sent, byte by byte, and answers as it is told.
pub struct Application {
    server: Running,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Application {
    /// `answer` is given the whole request; an answer that says `connection: close` is held to it.
    pub async fn start<F>(answer: F) -> Self
    where
        F: Fn(&str) -> Vec<u8> + Clone + Send + Sync + 'static,
    {
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let connections = Arc::<AtomicUsize>::default();
        let (kept, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        let server = serve::tcp(move |mut stream| {
            counted.fetch_add(1, Relaxed);
            let (kept, answer) = (Arc::clone(&kept), answer.clone());
            async move {
                let mut read = Vec::new();
                while let Some(request) = whole_request(&mut stream, &mut read).await {
                    let answer = answer(&request);
                    kept.lock().expect("no test panics with it").push(request);
                    let is_last = answer
                        .windows(17)
                        .any(|w| w.eq_ignore_ascii_case(b"connection: close"));
                    if stream.write_all(&answer).await.is_err() || is_last {
                        break;
                    }
                }
            }
        })
        .await;
        Self {
            server,
            requests,
            connections,
        }
    }

    pub async fn saying(answer: &'static [u8]) -> Self {
        Self::start(move |_| answer.to_vec()).await
    }

    /// Answers with the path it was asked for.
    pub async fn echoing_paths() -> Self {
        Self::start(|request| {
            let path = request.split(' ').nth(1).unwrap_or_default();
            let length = path.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{path}").into_bytes()
        })
        .await
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests
            .lock()
            .expect("no test panics with it")
            .clone()
    }

    pub fn forget(&self) {
        self.requests
            .lock()
            .expect("no test panics with it")
            .clear();
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }
}

/// None: the peer closed.
async fn whole_request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(length) = request_length(read) {
            let request = read.drain(..length).collect::<Vec<_>>();
            return Some(String::from_utf8_lossy(&request).into_owned());
        }
        if stream.read_buf(read).await.unwrap_or_default() == 0 {
            return None;
        }
    }
}

/// As the strictest server would frame it: the proxies must leave no doubt.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes);
    let head = text.find("\r\n\r\n")? + 4;
    let lower = text[..head].to_ascii_lowercase();
    let lengths: Vec<&str> = lower
        .lines()
        .filter_map(|line| line.strip_prefix("content-length: "))
        .collect();
    let is_chunked = lower.contains("\r\ntransfer-encoding: chunked\r\n");
    assert!(
        lengths.len() + usize::from(is_chunked) <= 1,
        "the framing is ambiguous: {text}"
    );
    if is_chunked {
        let body = &text[head..];
        let last = match body.starts_with("0\r\n") {
            true => 0,
            false => body.find("\r\n0\r\n")? + 2,
        };
        let end = match body[last + 3..].starts_with("\r\n") {
            true => last + 5,
            false => last + 3 + body[last + 3..].find("\r\n\r\n")? + 4,
        };
        return Some(head + end);
    }
    let length: usize = lengths.first().map_or(Some(0), |text| text.parse().ok())?;
    (bytes.len() >= head + length).then_some(head + length)
}
