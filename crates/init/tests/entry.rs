//! The tasks of the proxy container, seen from outside: its entry, its wait and its refusals.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

use rcgen::{CertificateSigningRequestParams, KeyPair, PublicKeyData, SanType};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

const NAME: &str = "web.default.serviceaccount.identity.tulle.cluster.local";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tulle-init"));
    command.env_clear();
    command
}

fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn run_writes_key_and_request_then_becomes_the_program() {
    let folder = folder("run");
    std::fs::write(folder.join("key.p8"), "left by the container before").unwrap();
    let output = program()
        .env("LINKERD2_PROXY_IDENTITY_DIR", &folder)
        .env("LINKERD2_PROXY_IDENTITY_LOCAL_NAME", NAME)
        .args([
            "run",
            "--",
            "/bin/sh",
            "-c",
            "echo \"pid $$ got $1\"; exit 7",
            "sh",
            "its argument",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("got its argument\n"));

    let key = KeyPair::try_from(std::fs::read(folder.join("key.p8")).unwrap()).unwrap();
    let request = std::fs::read(folder.join("csr.der")).unwrap();
    let request = CertificateSigningRequestParams::from_der(&request.as_slice().into()).unwrap();
    assert_eq!(request.public_key.der_bytes(), key.der_bytes());
    assert_eq!(
        request.params.subject_alt_names,
        [SanType::DnsName(NAME.try_into().unwrap())]
    );
    for file in ["key.p8", "csr.der"] {
        let mode = std::fs::metadata(folder.join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn run_says_what_is_missing() {
    let folder = folder("missing");
    let run = |folder: Option<&str>, name: &str, proxy: &str| {
        let mut command = program();
        if let Some(folder) = folder {
            command.env("LINKERD2_PROXY_IDENTITY_DIR", folder);
        }
        let named = command.env("LINKERD2_PROXY_IDENTITY_LOCAL_NAME", name);
        complaint(&named.args(["run", "--", proxy]).output().unwrap())
    };
    let there = folder.to_str();
    assert!(run(None, NAME, "/bin/true").contains("LINKERD2_PROXY_IDENTITY_DIR is not set"));
    assert!(run(there, "not a name", "/bin/true").contains("not a DNS name"));
    assert!(run(Some("/nowhere"), NAME, "/bin/true").contains("/nowhere/key.p8 cannot be written"));
    assert!(run(there, NAME, "/no/proxy").contains("/no/proxy could not be started"));
}

#[test]
fn under_spire_no_key_is_made() {
    let output = program()
        .env(
            "LINKERD2_PROXY_IDENTITY_SPIRE_SOCKET",
            "unix:///run/spire.sock",
        )
        .args(["run", "--", "/bin/true"])
        .status();
    assert!(output.unwrap().success());
}

#[test]
fn await_ends_with_the_first_200() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut child = program()
        .args(["await", "--port", &port, "--timeout", "20s"])
        .spawn()
        .unwrap();
    for answer in [
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\n\r\nready\n",
    ] {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 512];
        let length = stream.read(&mut request).unwrap();
        assert!(request[..length].starts_with(b"GET /ready HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).unwrap();
    }
    assert!(child.wait().unwrap().success());
}

#[test]
fn await_says_why_it_gave_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let output = program()
        .args(["await", "--port", &port, "--timeout", "50ms"])
        .output()
        .unwrap();
    let complaint = complaint(&output);
    assert!(
        complaint.contains("not ready") && complaint.contains("refused"),
        "{complaint}"
    );
}

#[test]
fn simulate_logs_the_commands_and_runs_none() {
    let output = program()
        .args([
            "--simulate",
            "-p",
            "4143",
            "-o",
            "4140",
            "-u",
            "2102",
            "--iptables-mode",
            "nft",
        ])
        .output()
        .unwrap();
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    let wanted = "iptables-nft -t nat -N PROXY_INIT_REDIRECT -m comment --comment proxy-init/redirect-common-chain/";
    assert!(log.contains(wanted), "{log}");
    assert!(
        log.contains("level=info msg=\"/usr/sbin/ip6tables-nft -t nat -A OUTPUT"),
        "{log}"
    );
}
