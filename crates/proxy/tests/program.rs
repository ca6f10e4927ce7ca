//! The program from outside: how it refuses settings, starts and ends.

use std::process::Command;

use http::Request;
use tulle_testkit::client;
use tulle_testkit::control::ControlPlane;
use tulle_testkit::proxy::Proxy;

const NAME: &str = "web.shop.serviceaccount.identity.tulle.cluster.local";

fn run(variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_tulle-proxy"));
    program.env_clear().envs(variables.iter().copied());
    let output = program.output().expect("it is built");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), words)
}

#[test]
fn bad_settings_end_it_with_64_and_a_sentence() {
    let (code, words) = run(&[]);
    assert_eq!(code, Some(64));
    assert!(
        words.contains("LINKERD2_PROXY_") && words.contains("is not set"),
        "{words}"
    );
    let (code, words) = run(&[("LINKERD2_PROXY_INBOUND_PORTS", "http")]);
    assert_eq!(code, Some(64));
    assert!(
        words.contains("LINKERD2_PROXY_INBOUND_PORTS=\"http\""),
        "{words}"
    );
}

#[tokio::test]
async fn it_is_ready_once_certified_and_not_before() {
    let plane = ControlPlane::start().await;
    // Nobody listens on port 1: certification cannot succeed.
    let lost = [("IDENTITY_SVC_ADDR", "127.0.0.1:1")];
    let waiting = Proxy::begin(&plane, NAME, &lost).await;
    let admin = waiting.addresses.admin;
    assert_eq!(client::get(admin, "/ready").await.unwrap().status, 503);
    assert_eq!(client::get(admin, "/live").await.unwrap().status, 200);
    waiting
        .metric(
            "control_identity_cert_refreshes_total",
            &["result=\"error\""],
        )
        .await;

    let proxy = Proxy::start(&plane, NAME).await;
    assert_eq!(plane.certified(), [NAME]);
    let expires = "identity_cert_expiration_timestamp_seconds";
    assert!(proxy.metric(expires, &[]).await > 1_600_000_000.0);
    assert!(proxy.metric("process_uptime_seconds_total", &[]).await > 0.0);
}

#[tokio::test]
async fn the_admin_server_can_end_it_where_that_is_allowed() {
    let plane = ControlPlane::start().await;
    let offered = [("SHUTDOWN_ENDPOINT_ENABLED", "true")];
    let proxy = Proxy::start_with(&plane, NAME, &offered).await;
    let ask = Request::post("/shutdown").header("host", "localhost");
    let answer = client::send(proxy.addresses.admin, ask).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "shutdown\n"));
    proxy.ended().await.unwrap();

    let other = Proxy::start(&plane, NAME).await;
    let ask = Request::post("/shutdown").header("host", "localhost");
    let answer = client::send(other.addresses.admin, ask).await.unwrap();
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn a_short_lived_leaf_is_renewed() {
    let plane = ControlPlane::start().await;
    plane.set_lifetime(std::time::Duration::from_secs(2));
    let quick = [("IDENTITY_MIN_REFRESH", "100ms")];
    let _proxy = Proxy::start_with(&plane, NAME, &quick).await;
    client::until("it was certified again", async || {
        (plane.certified().len() >= 3).then_some(())
    })
    .await;
}
