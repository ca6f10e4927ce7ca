//! The gRPC service on the control port, for the one identity that may tap.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::tap as pb;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};

use super::Taps;
use super::wire::Events;
use crate::tls::keys::Keys;
use crate::tls::name::Identity;

#[derive(Clone)]
struct Service {
    taps: Arc<Taps>,
    is_permitted: bool,
}

const OBSERVE: &str = "/io.linkerd.proxy.tap.Tap/Observe";

/// Encoded events.
type Observed = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// Mutual TLS must be made in this time.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Serves a connection to the control port; only `permitted` sees anything.
pub async fn accept(
    tcp: TcpStream,
    keys: &Keys,
    permitted: &Identity,
    taps: Arc<Taps>,
) -> io::Result<()> {
    let handshake = crate::tls::server::accept(keys, tcp);
    let accepted = tokio::time::timeout(HANDSHAKE_LIMIT, handshake).await??;
    let is_permitted = accepted.client.as_ref() == Some(permitted);
    let served = serve(accepted.io, taps, is_permitted).await;
    served.map_err(io::Error::other)
}

/// Serves one connection until the client hangs up.
pub async fn serve<IO>(io: IO, taps: Arc<Taps>, is_permitted: bool) -> hyper::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Service { taps, is_permitted };
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .await
}

impl Service {
    fn observe(&self, request: pb::ObserveRequest) -> Result<Observed, Status> {
        if !self.is_permitted {
            let reason =
                "only the identity that the proxy was told may tap; it connects by mutual TLS";
            return Err(Status::unauthenticated(reason));
        }
        if request.limit == 0 {
            return Err(Status::invalid_argument("the limit must be positive"));
        }
        let watching = self.taps.watch(request);
        let watching = watching.map_err(|e| Status::invalid_argument(e.to_string()))?;
        let events = unfold(watching, |mut watching| async {
            Some((Ok(watching.next().await?), watching))
        });
        Ok(Box::pin(events))
    }
}

impl ServerStreamingService<pb::ObserveRequest> for Service {
    type Response = Bytes;
    type ResponseStream = Observed;
    type Future = Ready<Result<Response<Observed>, Status>>;

    fn call(&mut self, request: Request<pb::ObserveRequest>) -> Self::Future {
        ready(self.observe(request.into_inner()).map(Response::new))
    }
}

impl<B> tower_service::Service<http::Request<B>> for Service
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<tonic::codegen::StdError> + Send,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            if request.uri().path() != OBSERVE {
                let reason = format!("{} is not served here", request.uri().path());
                return Ok(Status::unimplemented(reason).into_http());
            }
            let mut grpc = Grpc::new(Events::default());
            Ok(grpc.server_streaming(service, request).await)
        })
    }
}
