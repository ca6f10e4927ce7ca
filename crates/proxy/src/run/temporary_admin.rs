use std::sync::Arc;
use tokio::net::TcpStream;
use crate::telemetry::metrics::Metrics;
use crate::tls::keys::Keys;
pub struct Admin { pub metrics: Arc<Metrics>, pub keys: Arc<Keys> }
impl Admin {
    pub async fn accept(&self, tcp: TcpStream) -> hyper::Result<()> {
        let service = hyper::service::service_fn(|req: http::Request<hyper::body::Incoming>| async move {
            let (status, text) = match req.uri().path() {
                "/metrics" => (200, self.metrics.exposition()),
                "/ready" if self.keys.current().is_none() => (503, "not ready\n".to_string()),
                "/ready" => (200, "ready\n".to_string()),
                "/live" => (200, "live\n".to_string()),
                _ => (404, String::new()),
            };
            Ok::<_, std::convert::Infallible>(http::Response::builder().status(status).body(crate::exchange::body::Body::bytes(text.into())).expect("status"))
        });
        hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(tcp), service).await
    }
}
