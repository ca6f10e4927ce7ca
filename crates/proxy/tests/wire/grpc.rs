//! gRPC by others' libraries on both ends of a pair of proxies. They are built or installed apart,
//! so these tests are run by `make conformance` and `make test-root`.

use super::peers::{Server, program, python, run};
use super::raw::{Path, Way};

/// The interoperability cases that need no cloud of their own.
const CASES: [&str; 14] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
];

#[tokio::test]
#[ignore = "needs Go's interoperability programs"]
async fn gos_interoperability_cases_pass() {
    let server = Server::start(|port| {
        let mut server = program("grpc-server");
        server.arg(format!("-port={port}"));
        server
    })
    .await;
    let mut wrong = Vec::new();
    for way in Way::ALL {
        let path = Path::open(way, server.address).await;
        for case in CASES {
            let mut client = program("grpc-client");
            client
                .arg(format!("-server_host={}", path.address.ip()))
                .arg(format!("-server_port={}", path.address.port()))
                .arg(format!("-test_case={case}"));
            if let Err(why) = run(client).await {
                wrong.push(format!("{way:?} {case}: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
#[ignore = "needs Python's gRPC"]
async fn pythons_calls_end_as_they_should() {
    let server = Server::start(|port| {
        let mut server = python("grpc_peer.py");
        server.arg("serve").arg(port.to_string());
        server
    })
    .await;
    for way in Way::ALL {
        let path = Path::open(way, server.address).await;
        let mut client = python("grpc_peer.py");
        client.arg("call").arg(path.address.to_string());
        let said = run(client).await;
        assert!(said.is_ok(), "{way:?}: {}", said.unwrap_err());
    }
}
