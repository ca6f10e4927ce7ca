//! What the kernel says about our process, and what we are built of.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::labels::Labels;
use super::family::{write_head, write_sample};

/// The unit of CPU times in /proc: USER_HZ, 100 on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;
/// The page size of x86-64 and of the usual arm64 kernels.
const PAGE_BYTES: u64 = 4_096;

pub struct Process {
    started: Instant,
    start_time: SystemTime,
    build: Labels,
    rustls: Labels,
}

impl Process {
    pub fn starting() -> Self {
        Self {
            started: Instant::now(),
            start_time: SystemTime::now(),
            build: build_labels(),
            rustls: rustls_labels(),
        }
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub fn write(&self, out: &mut String) {
        let started = epoch(self.start_time);
        let now = epoch(SystemTime::now());
        let uptime = self.uptime().as_secs_f64();
        one(
            out,
            "process_start_time_seconds",
            "When the process started.",
            GAUGE,
            started,
        );
        one(
            out,
            "process_clock_time_seconds",
            "The time now.",
            GAUGE,
            now,
        );
        one(
            out,
            "process_uptime_seconds_total",
            "Time since the start.",
            COUNTER,
            uptime,
        );
        write_usage(out);
        write_limits(out);
        self.write_info(out);
    }

    fn write_info(&self, out: &mut String) {
        write_head(
            out,
            "proxy_build_info",
            "What this proxy is built of.",
            "gauge",
        );
        write_sample(out, "proxy_build_info", self.build.as_str(), 1);
        write_head(out, "rustls_info", "How TLS is set up.", "gauge");
        write_sample(out, "rustls_info", self.rustls.as_str(), 1);
    }
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

fn one(out: &mut String, name: &str, help: &str, kind: &str, value: f64) {
    write_head(out, name, help, kind);
    write_sample(out, name, "", value);
}

fn write_usage(out: &mut String) {
    if let Some(stat) = Stat::read() {
        for (name, help, kind, value) in [
            (
                "process_cpu_seconds_total",
                "CPU time used.",
                COUNTER,
                stat.cpu_seconds,
            ),
            (
                "process_virtual_memory_bytes",
                "Virtual memory.",
                GAUGE,
                stat.virtual_bytes,
            ),
            (
                "process_resident_memory_bytes",
                "Resident memory.",
                GAUGE,
                stat.resident_bytes,
            ),
            ("process_threads", "Threads.", GAUGE, stat.threads),
        ] {
            one(out, name, help, kind, value);
        }
    }
}

fn write_limits(out: &mut String) {
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = open.count() as f64;
        one(
            out,
            "process_open_fds",
            "Open file descriptors.",
            GAUGE,
            open,
        );
    }
    if let Some(most) = max_fds() {
        one(
            out,
            "process_max_fds",
            "Most file descriptors allowed.",
            GAUGE,
            most,
        );
    }
    if let Some((received, sent)) = network_bytes() {
        let (name, help) = (
            "process_network_receive_bytes_total",
            "Bytes the pod received.",
        );
        one(out, name, help, COUNTER, received);
        let (name, help) = (
            "process_network_transmit_bytes_total",
            "Bytes the pod sent.",
        );
        one(out, name, help, COUNTER, sent);
    }
}

fn epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

struct Stat {
    cpu_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    threads: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Fields are counted after the name in parentheses, which may hold spaces (man proc).
    fn parse(stat: &str) -> Option<Self> {
        let rest = &stat[stat.rfind(')')? + 1..];
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) as f64 / TICKS_PER_SECOND,
            threads: field(20)? as f64,
            virtual_bytes: field(23)? as f64,
            resident_bytes: (field(24)? * PAGE_BYTES) as f64,
        })
    }
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|l| l.starts_with("Max open files"))?;
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

/// Sums all interfaces but loopback of our network namespace.
fn network_bytes() -> Option<(f64, f64)> {
    let devices = fs::read_to_string("/proc/self/net/dev").ok()?;
    let mut total = (0.0, 0.0);
    for line in devices.lines().skip(2) {
        let (name, numbers) = line.split_once(':')?;
        if name.trim() == "lo" {
            continue;
        }
        let mut numbers = numbers.split_ascii_whitespace();
        total.0 += numbers.next()?.parse::<f64>().ok()?;
        total.1 += numbers.nth(7)?.parse::<f64>().ok()?;
    }
    Some(total)
}

fn build_labels() -> Labels {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Labels::new()
        .with("date", option_env!("TULLE_BUILD_DATE").unwrap_or_default())
        .with("git_sha", option_env!("TULLE_GIT_SHA").unwrap_or_default())
        .with("profile", profile)
        .with("vendor", option_env!("TULLE_VENDOR").unwrap_or("tulle"))
        .with("version", env!("CARGO_PKG_VERSION"))
}

fn rustls_labels() -> Labels {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let is_v13 = |suite: &&rustls::SupportedCipherSuite| suite.tls13().is_some();
    let suites = provider.cipher_suites.iter().filter(is_v13);
    let suites: Vec<_> = suites.map(|s| format!("{:?}", s.suite())).collect();
    let groups: Vec<_> = provider
        .kx_groups
        .iter()
        .map(|g| format!("{:?}", g.name()))
        .collect();
    Labels::new()
        .with("tls_suites", &suites.join(","))
        .with("tls_kx_groups", &groups.join(","))
        .with("tls_rand", "AwsLcRs")
        .with("tls_key_provider", "AwsLcRs")
        .with("tls_fips", if provider.fips() { "true" } else { "false" })
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn the_name_may_hold_spaces_and_parentheses() {
        let stat = "7 (tulle ) x) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 3 0 100 8192 2 0";
        let stat = Stat::parse(stat).unwrap();
        assert_eq!(stat.cpu_seconds, 2.0);
        assert_eq!(stat.threads, 3.0);
        assert_eq!(stat.virtual_bytes, 8192.0);
        assert_eq!(stat.resident_bytes, 8192.0);
    }
}
