//! Asks by HTTP/1.1 and by gRPC, and holds the answers against a row of a table.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
pub use tulle_testkit::shop::{CLIENT, SERVER, WEB, cluster_ip};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use linkerd2_proxy_api::http_route;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tulle_proxy::tls::client::{Peer, connect};
use tulle_proxy::tls::keys::Keys;
use tulle_proxy::tls::name::Identity;

/// Longer than this no answer may take; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn elsewhere() -> http_route::RequestRedirect {
    http_route::RequestRedirect {
        host: "elsewhere".to_string(),
        status: 302,
        ..Default::default()
    }
}

/// What an answer must be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub status: u16,
    pub code: u32,
    /// In `l5d-proxy-error`, and in gRPC's message. Empty: whatever the error of the moment says.
    pub says: &'static str,
    pub ends: Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    Closes,
    Stays,
}

pub const fn wanted(status: u16, code: u32, says: &'static str, ends: Ends) -> Wanted {
    Wanted {
        status,
        code,
        says,
        ends,
    }
}

/// Who asks, and where; with all that must live meanwhile.
pub struct Scene {
    pub address: SocketAddr,
    pub client: Client,
    /// Sent with each request.
    pub header: Option<(&'static str, &'static str)>,
    /// Whether the client is told why.
    pub is_informed: bool,
    /// A request before the one in question uses up what a limit allows.
    pub is_one_spent: bool,
    pub held: Vec<Box<dyn Any>>,
}

#[derive(Clone)]
pub enum Client {
    /// An application, or a client without a proxy.
    Plain,
    /// Another pod's proxy.
    Mesh(Arc<Keys>),
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

impl Scene {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            client: Client::Plain,
            header: None,
            is_informed: true,
            is_one_spent: false,
            held: Vec::new(),
        }
    }

    pub fn holding(mut self, part: impl Any) -> Self {
        self.held.push(Box::new(part));
        self
    }

    async fn connect(&self) -> TokioIo<Box<dyn Io>> {
        let tcp = TcpStream::connect(self.address).await;
        let tcp = tcp.expect("the proxy listens");
        TokioIo::new(match &self.client {
            Client::Plain => Box::new(tcp),
            Client::Mesh(keys) => {
                let peer = Peer {
                    identity: Identity::new(SERVER),
                    server_name: Identity::new(SERVER),
                };
                let tls = connect(keys, &peer, false, tcp).await;
                Box::new(tls.expect("the proxy proves who it is"))
            }
        })
    }

    fn request(&self, uri: &str) -> http::request::Builder {
        let request = Request::post(uri).header("host", WEB);
        match self.header {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    pub async fn by_http1(&self, case: &str, wanted: Wanted) {
        let io = self.connect().await;
        let handshake = hyper::client::conn::http1::handshake(io).await;
        let (mut sender, connection) = handshake.expect("it is HTTP/1");
        let connection = tokio::spawn(connection);
        let ask = || self.request("/").body(Empty::<Bytes>::new());
        if self.is_one_spent {
            let spent = within(case, sender.send_request(ask().expect("it is a request"))).await;
            let body = spent.expect("the proxy answers").into_body();
            body.collect().await.expect("it ends");
        }
        let answer = within(case, sender.send_request(ask().expect("it is a request"))).await;
        let answer = answer.unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(answer.version(), Version::HTTP_11, "{case}");
        assert_eq!(answer.status(), wanted.status, "{case}: {answer:?}");
        self.check(case, wanted, answer.headers());
        let closes = answer.headers().get("connection");
        let is_closing = closes.is_some_and(|value| value == "close");
        assert_eq!(is_closing, wanted.ends == Ends::Closes, "{case}");
        nothing_else(case, answer).await;
        match wanted.ends {
            Ends::Closes => ended(case, connection).await,
            Ends::Stays => {
                let again =
                    within(case, sender.send_request(ask().expect("it is a request"))).await;
                assert!(again.is_ok(), "{case}: {again:?}");
            }
        }
    }

    pub async fn by_grpc(&self, case: &str, wanted: Wanted) {
        let io = self.connect().await;
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
        let (mut sender, connection) = handshake.expect("it is HTTP/2");
        let connection = tokio::spawn(connection);
        let uri = format!("http://{WEB}/books.Books/List");
        let ask = || {
            let request = self
                .request(&uri)
                .header("content-type", "application/grpc");
            request.body(Empty::<Bytes>::new())
        };
        if self.is_one_spent {
            let spent = within(case, sender.send_request(ask().expect("it is a request"))).await;
            spent.expect("the proxy answers");
        }
        let answer = within(case, sender.send_request(ask().expect("it is a request"))).await;
        let answer = answer.unwrap_or_else(|e| panic!("{case}: {e}"));
        assert_eq!(answer.status(), 200, "{case}: {answer:?}");
        let headers = answer.headers();
        assert_eq!(headers["content-type"], "application/grpc", "{case}");
        assert_eq!(headers["grpc-status"], *wanted.code.to_string(), "{case}");
        self.check(case, wanted, headers);
        if let Some(told) = headers.get("l5d-proxy-error") {
            assert_eq!(headers["grpc-message"], told, "{case}");
        }
        nothing_else(case, answer).await;
        match (wanted.ends, &self.client) {
            (Ends::Closes, Client::Plain) => ended(case, connection).await,
            // A proxy shares its connection among clients: it is asked to close theirs.
            (Ends::Stays, _) | (Ends::Closes, Client::Mesh(_)) => {
                let again =
                    within(case, sender.send_request(ask().expect("it is a request"))).await;
                assert!(again.is_ok(), "{case}: {again:?}");
            }
        }
    }

    fn check(&self, case: &str, wanted: Wanted, headers: &HeaderMap) {
        let told = headers.get("l5d-proxy-error");
        assert_eq!(told.is_some(), self.is_informed, "{case}: {headers:?}");
        if let Some(told) = told {
            let told = told.to_str().expect("it is text");
            assert!(
                !told.is_empty() && told.contains(wanted.says),
                "{case}: {told}"
            );
        }
        let asked = headers.get("l5d-proxy-connection");
        let is_asked = asked.is_some_and(|value| value == "close");
        let is_meshed = matches!(self.client, Client::Mesh(_));
        let is_wanted = is_meshed && wanted.ends == Ends::Closes;
        assert_eq!(is_asked, is_wanted, "{case}: {headers:?}");
        assert_eq!(headers["content-length"], "0", "{case}");
    }
}

async fn nothing_else(case: &str, answer: Response<Incoming>) {
    let body = answer.into_body().collect().await;
    let body = body.unwrap_or_else(|e| panic!("{case}: {e}"));
    assert!(body.trailers().is_none(), "{case}");
    assert!(body.to_bytes().is_empty(), "{case}");
}

async fn ended(case: &str, connection: JoinHandle<hyper::Result<()>>) {
    let ended = within(case, connection).await.expect("it does not panic");
    assert!(ended.is_ok(), "{case}: {ended:?}");
}

async fn within<T>(case: &str, future: impl Future<Output = T>) -> T {
    let late = tokio::time::timeout(PATIENCE, future).await;
    late.unwrap_or_else(|_| panic!("{case}: it takes too long"))
}

/// Where nobody listens any more.
pub fn closed_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.expect("a free port on loopback");
    listener.local_addr().expect("it is bound")
}

/// An address that lets SYN packets lie: its queue is full.
pub struct Full {
    pub address: SocketAddr,
    _listener: socket2::Socket,
    _queued: std::net::TcpStream,
}

impl Full {
    pub fn new() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let listener = listener.expect("a socket can be made");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("loopback is there");
        listener.listen(0).expect("it is bound");
        let address = listener.local_addr().expect("it is bound").as_socket();
        let address = address.expect("it is an IP socket");
        Self {
            address,
            _queued: std::net::TcpStream::connect(address).expect("the queue has one place"),
            _listener: listener,
        }
    }
}
