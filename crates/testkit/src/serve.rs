//! Serves one service per listener; dropping the handle ends its connections too.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server on loopback that lives as long as this.
#[derive(Debug)]
pub struct Running {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A free port on loopback.
pub fn loopback() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0");
    let listener = listener.expect("a free port on loopback");
    listener.set_nonblocking(true).expect("it is a socket");
    listener
}

/// `connection` handles each accepted stream.
pub async fn tcp<F, C>(connection: F) -> Running
where
    F: Fn(tokio::net::TcpStream) -> C + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    tcp_on(loopback(), connection)
}

/// The same on a listener that does not block.
pub fn tcp_on<F, C>(listener: std::net::TcpListener, connection: F) -> Running
where
    F: Fn(tokio::net::TcpStream) -> C + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::from_std(listener).expect("there is a runtime");
    let address = listener.local_addr().expect("it is bound");
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while connections.try_join_next().is_some() {}
            let _ = stream.set_nodelay(true);
            connections.spawn(connection(stream));
        }
    });
    Running { address, task }
}

/// HTTP/1 or HTTP/2, as the client begins.
pub fn http_on<S, B>(listener: std::net::TcpListener, service: S) -> Running
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    tcp_on(listener, move |stream| {
        let service = service.clone();
        async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
            // A test that hangs up early is no failure of ours.
            let _ = connection.await;
        }
    })
}
