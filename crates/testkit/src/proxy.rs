//! The proxy, in a thread of this process. Redirects are told by loopback addresses of their own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tulle_proxy::config::Config;
use tulle_proxy::orig_dst::OrigDst;
use tulle_proxy::run::{Addresses, StartError, Surroundings, run};
use tulle_proxy::telemetry::log;
use tulle_proxy::tls::keys::Keys;
use tulle_proxy::tls::name::Identity;

use crate::certificates::write_identity;
use crate::client;
use crate::control::ControlPlane;

/// Our loopback address -> where a connection to it was meant to go.
type Redirects = Arc<Mutex<HashMap<IpAddr, SocketAddr>>>;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A running proxy; dropping it ends its thread.
pub struct Proxy {
    pub addresses: Addresses,
    pub name: String,
    redirects: Redirects,
    directory: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<Option<Result<(), StartError>>>>,
    task: Option<tokio::task::JoinHandle<Result<(), StartError>>>,
}

/// What a proxy is run with.
struct Prepared {
    config: Config,
    surroundings: Surroundings,
    listens: oneshot::Receiver<Addresses>,
    redirects: Redirects,
    directory: PathBuf,
}

impl Prepared {
    fn new(plane: &ControlPlane, name: &str, variables: &[(&str, &str)]) -> Self {
        let directory = new_directory();
        write_identity(&directory, name).expect("it can be written");
        std::fs::write(directory.join("token"), "a token").expect("it can be written");
        let environment = plane.environment(name, &directory).into_iter();
        let mut environment: HashMap<_, _> = environment.collect();
        for (key, value) in variables {
            environment.insert(format!("LINKERD2_PROXY_{key}"), (*value).to_string());
        }
        let config = Config::from_env(|key| environment.get(key).cloned());
        let redirects = Redirects::default();
        let (listening, listens) = oneshot::channel();
        Self {
            config: config.expect("the test's variables are right"),
            surroundings: Surroundings {
                inbound_orig_dst: orig_dst(&redirects),
                outbound_orig_dst: orig_dst(&redirects),
                listening: Some(listening),
            },
            listens,
            redirects,
            directory,
        }
    }
}

impl Proxy {
    /// Started and certified.
    pub async fn start(plane: &ControlPlane, name: &str) -> Self {
        Self::start_with(plane, name, &[]).await
    }

    /// `variables` are without their prefix.
    pub async fn start_with(plane: &ControlPlane, name: &str, variables: &[(&str, &str)]) -> Self {
        let proxy = Self::begin(plane, name, variables).await;
        proxy.ready().await;
        proxy
    }

    /// Listening, perhaps not certified yet.
    pub async fn begin(plane: &ControlPlane, name: &str, variables: &[(&str, &str)]) -> Self {
        let prepared = Prepared::new(plane, name, variables);
        let (stop, stopped) = oneshot::channel();
        let (config, surroundings) = (prepared.config, prepared.surroundings);
        let thread = std::thread::spawn(move || in_thread(config, surroundings, stopped));
        Self {
            addresses: prepared.listens.await.expect("it listens"),
            name: name.to_string(),
            redirects: prepared.redirects,
            directory: prepared.directory,
            stop: Some(stop),
            thread: Some(thread),
            task: None,
        }
    }

    /// On the test's own runtime, so that its paused clock is the proxy's too.
    pub async fn begin_here(plane: &ControlPlane, name: &str, variables: &[(&str, &str)]) -> Self {
        let prepared = Prepared::new(plane, name, variables);
        let (config, surroundings) = (prepared.config, prepared.surroundings);
        let task = tokio::spawn(async move {
            let logs = log::start(&config.logs).expect("the filter is right");
            run(config, logs, surroundings).await
        });
        Self {
            addresses: prepared.listens.await.expect("it listens"),
            name: name.to_string(),
            redirects: prepared.redirects,
            directory: prepared.directory,
            stop: None,
            thread: None,
            task: Some(task),
        }
    }

    /// Where to connect as an application of this pod that means `target`.
    pub fn outbound(&self, target: SocketAddr) -> SocketAddr {
        self.redirected(self.addresses.outbound[0].port(), target)
    }

    /// Where to connect as a peer that means this pod's `application`.
    pub fn inbound(&self, application: SocketAddr) -> SocketAddr {
        self.redirected(self.addresses.inbound.port(), application)
    }

    fn redirected(&self, port: u16, target: SocketAddr) -> SocketAddr {
        // 127.1.0.0/16: loopback, and nobody listens there by itself.
        let [_, _, high, low] = NEXT.fetch_add(1, Relaxed).to_be_bytes();
        let ip = IpAddr::V4(Ipv4Addr::new(127, 1, high, low));
        let mut redirects = self
            .redirects
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        redirects.insert(ip, target);
        SocketAddr::new(ip, port)
    }

    /// A control-plane client's keys, certified for `name`: to connect as somebody else.
    pub fn keys(plane: &ControlPlane, name: &str) -> Arc<Keys> {
        let directory = new_directory();
        write_identity(&directory, name).expect("it can be written");
        let anchors = plane.authority().anchors_pem();
        let keys = Keys::load(&directory, anchors, Identity::new(name));
        let keys = keys.expect("its files are there");
        let _ = std::fs::remove_dir_all(&directory);
        let (leaf, expires) = plane
            .authority()
            .sign(keys.csr(), Duration::from_secs(3_600))
            .expect("the CSR is right");
        keys.renew(vec![leaf], expires).expect("the leaf is right");
        Arc::new(keys)
    }

    pub async fn ready(&self) {
        let answer = async || client::get(self.addresses.admin, "/ready").await;
        client::until("the proxy is ready", async || {
            answer().await.is_ok_and(|r| r.status == 200).then_some(())
        })
        .await;
    }

    pub async fn metrics(&self) -> String {
        let answer = client::get(self.addresses.admin, "/metrics").await;
        answer.expect("the admin server answers").body
    }

    /// Waits until a line of the metrics begins with `name`, has all of `labels`, and gives its value.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        client::until_metric(name, labels, async || self.metrics().await).await
    }

    /// Waits for the end of a proxy that was asked to shut down.
    pub async fn ended(mut self) -> Result<(), StartError> {
        if let Some(task) = self.task.take() {
            return task.await.expect("the proxy does not panic");
        }
        let thread = self
            .thread
            .take()
            .expect("it is taken only here and at the drop");
        let joined = tokio::task::spawn_blocking(move || thread.join());
        let result = joined
            .await
            .expect("the task lives")
            .expect("the proxy does not panic");
        result.expect("nobody else stopped it")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn new_directory() -> PathBuf {
    let number = NEXT.fetch_add(1, Relaxed);
    let directory = format!("tulle-proxy-{}-{number}", std::process::id());
    let directory = std::env::temp_dir().join(directory);
    std::fs::create_dir_all(&directory).expect("the temporary directory is ours");
    directory
}

fn orig_dst(redirects: &Redirects) -> OrigDst {
    let redirects = Arc::clone(redirects);
    OrigDst::given(move |local| {
        let redirects = redirects.lock().unwrap_or_else(PoisonError::into_inner);
        redirects.get(&local.ip()).copied().unwrap_or(local)
    })
}

/// None: stopped from outside, before its own end.
fn in_thread(
    config: Config,
    surroundings: Surroundings,
    stopped: oneshot::Receiver<()>,
) -> Option<Result<(), StartError>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a thread can be started");
    let logs = log::start(&config.logs).expect("the filter is right");
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run(config, logs, surroundings) => Some(ended),
            _ = stopped => None,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}
