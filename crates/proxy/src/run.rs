//! Builds the parts and runs them until the process is told to end.

mod build;
mod listen;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument;

pub use build::StartError;

use crate::admin::{Admin, Readiness};
use crate::config::{self, Config};
use crate::control::identity::Certifier;
use crate::drain;
use crate::orig_dst::OrigDst;
use crate::telemetry::log;
use crate::telemetry::metrics::{Metrics, SeriesLimit};
use crate::tls::name::Identity;

/// What sysexits.h calls EX_USAGE: the settings are wrong, and restarting will not help.
const EXIT_USAGE: u8 = 64;

pub fn main() -> ExitCode {
    let config = match Config::from_env(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let logs = match log::start(&config.logs) {
        Ok(logs) => logs,
        Err(error) => return refuse(&error),
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = match runtime(config.workers.threads(cpus)) {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(config, logs, Surroundings::default())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Keys(error)) => refuse(&error),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(EXIT_USAGE)
}

fn runtime(threads: usize) -> std::io::Result<Runtime> {
    if threads > 1 {
        tracing::info!(target: "tulle_proxy::rt", threads, "Using multi-threaded proxy runtime");
        return tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build();
    }
    tracing::info!(target: "tulle_proxy::rt", "Using single-threaded proxy runtime");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

const PROGRAM: &str = "tulle_proxy";

/// What lies around the proxy; a test, which cannot redirect, gives its own.
#[derive(Default)]
pub struct Surroundings {
    pub inbound_orig_dst: OrigDst,
    pub outbound_orig_dst: OrigDst,
    /// Told where we listen, once we do.
    pub listening: Option<oneshot::Sender<Addresses>>,
}

#[derive(Clone, Debug)]
pub struct Addresses {
    pub admin: SocketAddr,
    pub tap: Option<SocketAddr>,
    pub inbound: SocketAddr,
    pub outbound: Vec<SocketAddr>,
}

/// Runs until a signal, or a request to the admin server, ends it.
pub async fn run(
    config: Config,
    logs: log::Handle,
    surroundings: Surroundings,
) -> Result<(), StartError> {
    let metrics = metrics(&config.admin);
    let (signal, watch) = drain::channel();
    let (stop, stopped) = mpsc::channel(1);
    let grace = config.shutdown_grace;
    let listeners = listen::Listeners::bind(&config)?;
    let parts = build::Parts::new(&config, &metrics, &surroundings)?;
    announce(&config, &listeners);
    if let Some(listening) = surroundings.listening {
        let _ = listening.send(listeners.addresses());
    }
    tokio::spawn(certify(&parts, &config, &metrics).instrument(identity_span(&config)));
    let certified = parts.keys.watch();
    let ready = Readiness::default();
    let admin = Arc::new(Admin {
        metrics: Arc::clone(&metrics),
        logs,
        ready: ready.clone(),
        shutdown: config.admin.is_shutdown_enabled.then_some(stop),
        environment: std::env::vars().collect(),
    });
    if let (Some(listener), Some(tap)) = (listeners.tap, &config.tap) {
        let permitted = Identity::new(&tap.client);
        listen::serve_tap(listener, permitted, &parts.keys, &parts.taps);
    }
    listen::serve_admin(listeners.admin, admin, &parts.inbound);
    tokio::select! {
        () = wait_certified(certified) => ready.release(),
        () = shutdown(None) => return Ok(()),
    }
    let ports: Vec<u16> = config.inbound.ports.iter().collect();
    listen::serve_inbound(listeners.inbound, parts.inbound, &ports, watch.clone());
    listen::serve_outbound(listeners.outbound, &parts.outbound, &watch);
    drop(watch);
    shutdown(Some(stopped)).await;
    if tokio::time::timeout(grace, signal.drain()).await.is_err() {
        tracing::warn!(
            ?grace,
            "Connections were still open when the grace period ended"
        );
    }
    Ok(())
}

fn metrics(admin: &config::Admin) -> Arc<Metrics> {
    let dropped = admin.metrics_dropped_labels.clone();
    let limit = SeriesLimit::new(admin.metrics_max_series, dropped);
    Metrics::with_limit(admin.metrics_retain_idle, limit)
}

fn identity_span(config: &Config) -> tracing::Span {
    let service = &config.identity.service;
    let daemon = tracing::info_span!("daemon");
    let address = format!("{}:{}", service.host, service.port);
    daemon.in_scope(|| tracing::info_span!("identity", server.addr = %address))
}

fn certify(
    parts: &build::Parts,
    config: &Config,
    metrics: &Arc<Metrics>,
) -> impl Future<Output = ()> + use<> {
    let metrics = Arc::clone(metrics);
    let certifier = Certifier {
        channel: parts.identity.clone(),
        keys: Arc::clone(&parts.keys),
        token_file: config.identity.token_file.clone(),
        min_refresh: config.identity.min_refresh,
        max_refresh: config.identity.max_refresh,
        report: Box::new(move |expires| {
            let now = SystemTime::now();
            metrics.control.certificate.attempt(expires, now);
        }),
    };
    certifier.run()
}

/// The lines that operators know, under the program's own name.
fn announce(config: &Config, listeners: &listen::Listeners) {
    for sentence in config.unheeded() {
        tracing::warn!(target: PROGRAM, "{sentence}");
    }
    tracing::info!(target: PROGRAM, "Admin interface on {}", listeners.admin_address());
    tracing::info!(target: PROGRAM, "Inbound interface on {}", listeners.inbound_address());
    for address in listeners.outbound_addresses() {
        tracing::info!(target: PROGRAM, "Outbound interface on {address}");
    }
    match &config.tap {
        Some(tap) => tracing::info!(target: PROGRAM, "Tap interface on {}", tap.listen),
        None => tracing::info!(target: PROGRAM, "Tap DISABLED"),
    }
    tracing::info!(target: PROGRAM, "SNI is {}", config.identity.server_name);
    tracing::info!(target: PROGRAM, "Local identity is {}", config.identity.local_name);
    let by = |service: &crate::config::ControlService| {
        let address = format!("{}:{}", service.host.trim_end_matches('.'), service.port);
        match &service.name {
            Some(name) => format!("{address} ({name})"),
            None => address,
        }
    };
    tracing::info!(target: PROGRAM, "Identity verified via {}", by(&config.identity.service));
    let destinations = by(&config.destination.service);
    tracing::info!(target: PROGRAM, "Destinations resolved via {destinations}");
}

async fn wait_certified(
    mut certified: tokio::sync::watch::Receiver<Option<Arc<crate::tls::keys::Credentials>>>,
) {
    let every = Duration::from_secs(15);
    while tokio::time::timeout(every, certified.wait_for(Option::is_some))
        .await
        .is_err()
    {
        tracing::warn!("Waiting for identity to be certified");
    }
}

/// Resolves on SIGTERM, SIGINT, or a request to the admin server.
async fn shutdown(stopped: Option<mpsc::Receiver<()>>) {
    let by_admin = async {
        let asked = match stopped {
            Some(mut stopped) => stopped.recv().await,
            None => None,
        };
        if asked.is_none() {
            // Nobody can ask: the endpoint is off, or the certificate is still awaited.
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = by_signal(SignalKind::terminate()) => tracing::info!("Received SIGTERM, draining"),
        () = by_signal(SignalKind::interrupt()) => tracing::info!("Received SIGINT, draining"),
        () = by_admin => tracing::info!("Shutdown was asked for, draining"),
    }
}

async fn by_signal(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signals) => {
            signals.recv().await;
        }
        Err(error) => {
            tracing::warn!(%error, "Signal cannot be listened for");
            std::future::pending::<()>().await;
        }
    }
}
