//! Programs of others that are run against the proxy: where they are, and how they end.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tulle_testkit::client::until;

/// Longer than any of them takes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tulle");
    std::env::var_os("TULLE_CACHE").map_or_else(home, PathBuf::from)
}

/// Made by `tools/prepare.py peers`.
pub fn program(name: &str) -> Command {
    let path = cache().join("peers/bin").join(name);
    assert!(
        path.exists(),
        "{path:?} is missing: run `tools/prepare.py peers`"
    );
    Command::new(path)
}

/// The project's own interpreter, which has gRPC, and a script beside this file.
pub fn python(script: &str) -> Command {
    let mut command = Command::new(cache().join("venv/bin/python"));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/");
    command.arg(format!("{folder}{script}"));
    command
}

/// A server that runs as long as this.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// `with_port` makes the command for a free port.
    pub async fn start(with_port: impl FnOnce(u16) -> Command) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let mut command = with_port(address.port());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self {
            child: child.expect("it can be run"),
            address,
        };
        until("the server listens", async || {
            TcpStream::connect(address).await.ok()
        })
        .await;
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs to the end, and gives what it said; an error, if it failed.
pub async fn run(mut command: Command) -> Result<String, String> {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(PATIENCE, output).await;
    let output = output.map_err(|_| "it did not end")?.expect("no panic");
    let output = output.map_err(|e| e.to_string())?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout)),
        false => Err(said(&output.stdout) + &said(&output.stderr)),
    }
}
