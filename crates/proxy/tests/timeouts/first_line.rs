//! Half a request line: how long the rest of it is waited for, before it is taken for something else.

use std::net::SocketAddr;
use std::time::Duration;

use linkerd2_proxy_api::{inbound, outbound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::echo;
use tulle_testkit::policies::{Clients, Endpoint, detected, server};

use super::{WEB, cluster_ip, proxy, seconds};

/// From half a line to its echo.
async fn waits(address: SocketAddr) -> f64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begun = Instant::now();
    stream.write_all(b"GET").await.unwrap();
    let mut echoed = [0; 3];
    stream.read_exact(&mut echoed).await.unwrap();
    assert_eq!(&echoed, b"GET");
    seconds(begun)
}

/// What each side waits, under these variables and with a policy that says so many seconds.
async fn both_wait(variables: &[(&str, &str)], by_policy: Option<u64>) -> [f64; 2] {
    let plane = ControlPlane::start().await;
    let application = echo::tcp().await;
    let timeout = by_policy.and_then(|s| Duration::from_secs(s).try_into().ok());
    let service = plane.service(WEB, cluster_ip());
    service.add(Endpoint::plain(application.address));
    let mut to = detected(WEB);
    let kind = to.protocol.as_mut().and_then(|p| p.kind.as_mut());
    let Some(outbound::proxy_protocol::Kind::Detect(detect)) = kind else {
        panic!("the kit's policy detects")
    };
    detect.timeout = timeout;
    plane.outbound(cluster_ip(), to);
    let mut from = server(&Clients::Anyone);
    let kind = from.protocol.as_mut().and_then(|p| p.kind.as_mut());
    let Some(inbound::proxy_protocol::Kind::Detect(detect)) = kind else {
        panic!("the kit's policy detects")
    };
    detect.timeout = timeout;
    plane.inbound(application.address.port(), from);
    let proxy = proxy(&plane, variables).await;
    [
        waits(proxy.outbound(cluster_ip())).await,
        waits(proxy.inbound(application.address)).await,
    ]
}

#[tokio::test(start_paused = true)]
async fn half_a_first_line_is_not_waited_for() {
    let set = [
        ("OUTBOUND_DETECT_TIMEOUT", "4s"),
        ("INBOUND_DETECT_TIMEOUT", "4s"),
    ];
    for (variables, by_policy, wanted) in [
        (&set[..], Some(2), 4.0),
        (&[], Some(2), 2.0),
        (&[], None, 10.0),
    ] {
        for waited in both_wait(variables, by_policy).await {
            assert!(
                (wanted..wanted + 0.2).contains(&waited),
                "{waited}, not {wanted}"
            );
        }
    }
}
