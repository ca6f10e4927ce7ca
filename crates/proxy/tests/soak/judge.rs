//! What the proxies used over time, and whether it is flat.
//!
//! Flat means: after a warm-up of a sixth of the run, the median of a proxy's last quarter lies at most 5 % and
//! 512 KiB (RSS), or 16 (file descriptors), above that of its first quarter.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use tulle_testkit::load::Outcome;

const ALLOWED_KIB: u64 = 512;
const ALLOWED_FILES: u64 = 16;
/// In a run shorter than this, caches and pools are still filling.
const LONG: Duration = Duration::from_secs(600);

pub struct Churned {
    pub changes: u64,
    pub late: u64,
    pub by_backend: Vec<u64>,
}

#[derive(Clone, Copy)]
pub struct Sample {
    rss_kib: u64,
    files: u64,
    cpu_ticks: u64,
}

/// None: it no longer runs.
pub fn sample(pid: u32) -> Option<Sample> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
    let status = read("status")?;
    let rss = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let stat = read("stat")?;
    let after_name = stat.rsplit_once(") ")?.1;
    let ticks = after_name.split(' ').skip(11).take(2);
    Some(Sample {
        rss_kib: rss.trim().strip_suffix(" kB")?.parse().ok()?,
        files: std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
        cpu_ticks: ticks.filter_map(|t| t.parse::<u64>().ok()).sum(),
    })
}

pub struct Samples {
    by_proxy: Vec<Vec<Sample>>,
    load_average: Vec<f64>,
    begun: Instant,
}

impl Samples {
    pub fn new(proxies: &[u32]) -> Self {
        Self {
            by_proxy: vec![Vec::new(); proxies.len()],
            load_average: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// A proxy that ended gives no more samples, and fails the run at its end.
    pub fn add(&mut self, proxies: &[u32]) {
        for (samples, &pid) in self.by_proxy.iter_mut().zip(proxies) {
            samples.extend(sample(pid));
        }
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let first = load
            .split(' ')
            .next()
            .and_then(|word| word.parse::<f64>().ok());
        self.load_average.extend(first);
    }

    /// What is not flat, in words. A short run may grow by what its pools and caches take.
    pub fn grown(&self, length: Duration) -> Vec<String> {
        let slack = if length < LONG { 16 } else { 1 };
        let mut told = Vec::new();
        for (number, samples) in self.by_proxy.iter().enumerate() {
            let settled = &samples[samples.len() / 6..];
            let quarter = settled.len().div_ceil(4);
            let (first, last) = (&settled[..quarter], &settled[settled.len() - quarter..]);
            let rss = (median(first, |s| s.rss_kib), median(last, |s| s.rss_kib));
            if rss.1 > rss.0 + (rss.0 / 20 + ALLOWED_KIB) * slack {
                told.push(format!(
                    "proxy {number}: RSS from {} to {} KiB",
                    rss.0, rss.1
                ));
            }
            let files = (median(first, |s| s.files), median(last, |s| s.files));
            if files.1 > files.0 + ALLOWED_FILES * slack {
                told.push(format!(
                    "proxy {number}: from {} to {} files",
                    files.0, files.1
                ));
            }
        }
        told
    }

    pub fn report(&self, proxies: &[u32], seconds: f64, load: &Outcome, churn: &Churned) -> Value {
        let of = |samples: &Vec<Sample>| {
            let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
                return Value::Null;
            };
            let tenth = samples.len().div_ceil(10);
            let by_tenth: Vec<_> = samples
                .chunks(tenth)
                .map(|c| median(c, |s| s.rss_kib))
                .collect();
            let cpu = (last.cpu_ticks - first.cpu_ticks) as f64 / 100.0;
            json!({
                "rss_kib_median_by_tenth": by_tenth,
                "rss_kib_max": samples.iter().map(|s| s.rss_kib).max(),
                "files_max": samples.iter().map(|s| s.files).max(),
                "cpu_seconds": cpu,
            })
        };
        let proxies_told: Vec<_> = self.by_proxy.iter().map(of).collect();
        let mean = self.load_average.iter().sum::<f64>() / self.load_average.len().max(1) as f64;
        json!({
            "seconds": seconds.round(),
            "proxies": proxies.len(),
            "requests": load.requests,
            "requests_per_second": (load.requests as f64 / seconds).round(),
            "failed": load.failures,
            "failures": load.told,
            "endpoint_changes": churn.changes,
            "requests_to_gone_endpoints": churn.late,
            "requests_by_backend": churn.by_backend,
            "http1_ms": percentiles(&load.http1_microseconds),
            "http2_ms": percentiles(&load.http2_microseconds),
            "client_then_servers": proxies_told,
            "is_flat": self.grown(self.begun.elapsed()).is_empty(),
            "rule": "median of the last quarter <= median of the first quarter after a sixth of warm-up + 5 % + 512 KiB",
            "machine_load_average_mean": mean,
        })
    }
}

fn median(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    let mut values: Vec<_> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn percentiles(microseconds: &[u32]) -> Value {
    let mut sorted = microseconds.to_vec();
    sorted.sort_unstable();
    let at = |share: f64| {
        let index = (sorted.len() as f64 * share) as usize;
        sorted
            .get(index.min(sorted.len().saturating_sub(1)))
            .map(|us| f64::from(*us) / 1000.0)
    };
    json!({"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": at(1.0)})
}
