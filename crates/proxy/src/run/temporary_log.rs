pub struct Handle;
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct E(String);
pub fn start(_: &crate::config::Logs) -> Result<Handle, E> {
    let level = if std::env::var("LINKERD2_PROXY_LOG").unwrap_or_default().contains("debug") { tracing::Level::DEBUG } else { tracing::Level::INFO };
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_timer(tracing_subscriber::fmt::time::uptime()).init();
    Ok(Handle)
}
