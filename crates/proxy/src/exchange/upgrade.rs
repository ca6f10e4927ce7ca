//! HTTP/1.1 upgrades and CONNECT: once both sides agreed, bytes pass both ways until either ends.

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::stream::copy::both_ways;

/// Whether the request asks to leave HTTP on this connection.
pub fn is_asked<B>(request: &Request<B>) -> bool {
    if request.version() != Version::HTTP_11 {
        return false;
    }
    request.method() == Method::CONNECT || asks_upgrade(request.headers())
}

fn asks_upgrade(headers: &HeaderMap) -> bool {
    if !headers.contains_key(UPGRADE) {
        return false;
    }
    let connection = headers.get_all(CONNECTION).iter();
    let mut tokens = connection
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tokens.any(|token| token.trim().eq_ignore_ascii_case("upgrade")) && !offers_h2c(headers)
}

/// An upgrade to h2c belongs to its hop, and would smuggle requests past us.
fn offers_h2c(headers: &HeaderMap) -> bool {
    let offers = headers.get_all(UPGRADE).iter();
    let mut offers = offers.flat_map(|value| value.as_bytes().split(|&b| b == b','));
    offers.any(|offer| offer.trim_ascii().eq_ignore_ascii_case(b"h2c"))
}

pub fn is_agreed<B>(is_connect: bool, response: &Response<B>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS
        || (is_connect && response.status().is_success())
}

/// Joins the two halves in a task of their own, which outlives the request.
pub fn join(client: OnUpgrade, server: OnUpgrade) {
    tokio::spawn(async move {
        let (client, server) = match tokio::try_join!(client, server) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "Upgrade was agreed on but not made");
                return;
            }
        };
        let (client, server) = (TokioIo::new(client), TokioIo::new(server));
        if let Err(error) = both_ways(client, server).await {
            tracing::debug!(%error, "Upgraded connection ended");
        }
    });
}
