//! The gRPC service on the control port, for the one identity that may tap.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::tap as pb;
use pb::tap_server::TapServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::{Request, Response, Status};

use super::Taps;
use crate::tls::keys::Keys;
use crate::tls::name::Identity;

struct Service {
    taps: Arc<Taps>,
    is_permitted: bool,
}

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
    let service = TapServer::new(Service { taps, is_permitted });
    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
        .await
}

#[tonic::async_trait]
impl pb::tap_server::Tap for Service {
    type ObserveStream = Pin<Box<dyn Stream<Item = Result<pb::TapEvent, Status>> + Send>>;

    async fn observe(
        &self,
        request: Request<pb::ObserveRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        if !self.is_permitted {
            let reason =
                "only the identity that the proxy was told may tap; it connects by mutual TLS";
            return Err(Status::unauthenticated(reason));
        }
        let request = request.into_inner();
        if request.limit == 0 {
            return Err(Status::invalid_argument("the limit must be positive"));
        }
        let watching = self.taps.watch(request);
        let watching = watching.map_err(|e| Status::invalid_argument(e.to_string()))?;
        let events = unfold(watching, |mut watching| async {
            Some((Ok(watching.next().await?), watching))
        });
        Ok(Response::new(Box::pin(events)))
    }
}
