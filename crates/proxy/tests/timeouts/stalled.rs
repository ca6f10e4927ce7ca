//! A response that begins and does not go on.

use linkerd2_proxy_api::http_route;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::policies::{Endpoint, detected_with};
use tulle_testkit::serve;

use super::{WEB, cluster_ip, proxy, seconds};

/// Says the head and the beginning of a body, and then nothing; tells when it is hung up on.
async fn stalling(hung_up: tokio::sync::mpsc::UnboundedSender<()>) -> serve::Running {
    serve::tcp(move |mut stream| {
        let hung_up = hung_up.clone();
        async move {
            let _ = stream.read(&mut [0; 1024]).await;
            let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
            let _ = stream.write_all(begun).await;
            while stream.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
            let _ = hung_up.send(());
        }
    })
    .await
}

/// How long a response that stalls lasts under these time-outs.
pub async fn lasts(timeouts: http_route::Timeouts) -> f64 {
    let plane = ControlPlane::start().await;
    let proxy = proxy(&plane, &[]).await;
    let (tell, mut hung_up) = tokio::sync::mpsc::unbounded_channel();
    let application = stalling(tell).await;
    plane
        .service(WEB, cluster_ip())
        .add(Endpoint::plain(application.address));
    let adjust = |rule: &mut linkerd2_proxy_api::outbound::http_route::Rule| {
        rule.timeouts = Some(timeouts);
    };
    plane.outbound(cluster_ip(), detected_with(WEB, adjust, None));
    let mut stream = TcpStream::connect(proxy.outbound(cluster_ip()))
        .await
        .unwrap();
    let begun = Instant::now();
    let request = b"GET / HTTP/1.1\r\nhost: web\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all).await;
    assert!(all.ends_with(b"half"), "{}", String::from_utf8_lossy(&all));
    let lasted = seconds(begun);
    hung_up.recv().await.unwrap();
    lasted
}
