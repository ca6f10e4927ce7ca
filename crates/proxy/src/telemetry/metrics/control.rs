//! Our leaf's life, and the clients of the control plane.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use super::balancer::BalancerFamilies;
use super::family::{Counter, Family, write_head, write_sample};
use super::limit::SeriesLimit;

/// Certifications of our identity. Alerts in the wild use the older names, so both are printed.
#[derive(Default)]
pub struct CertificateMetrics {
    /// Seconds since the epoch, as the bits of an f64; zero: not certified yet.
    expires: AtomicU64,
    refreshed: AtomicU64,
    ok: Counter,
    failed: Counter,
}

impl CertificateMetrics {
    /// The outcome of one attempt: the new leaf's expiry, or None when it failed.
    pub fn attempt(&self, expires: Option<SystemTime>, now: SystemTime) {
        match expires {
            Some(expires) => {
                self.expires.store(epoch(expires).to_bits(), Relaxed);
                self.refreshed.store(epoch(now).to_bits(), Relaxed);
                self.ok.increment();
            }
            None => self.failed.increment(),
        }
    }

    pub fn write(&self, out: &mut String) {
        let expires = f64::from_bits(self.expires.load(Relaxed));
        let refreshed = f64::from_bits(self.refreshed.load(Relaxed));
        let (ok, failed) = (self.ok.value(), self.failed.value());
        let expiry_help = "When our certificate expires, in seconds since the epoch.";
        let gauge = |out: &mut String, name: &str, help, value| {
            write_head(out, name, help, "gauge");
            write_sample(out, name, "", value);
        };
        gauge(
            out,
            "control_identity_cert_expiration_timestamp_seconds",
            expiry_help,
            expires,
        );
        gauge(
            out,
            "control_identity_cert_refresh_timestamp_seconds",
            "When our certificate was last renewed, in seconds since the epoch.",
            refreshed,
        );
        let name = "control_identity_cert_refreshes_total";
        write_head(out, name, "Attempts to renew our certificate.", "counter");
        write_sample(out, name, "result=\"ok\"", ok);
        write_sample(out, name, "result=\"error\"", failed);
        gauge(
            out,
            "identity_cert_expiration_timestamp_seconds",
            expiry_help,
            expires,
        );
        let name = "identity_cert_refresh_count";
        write_head(out, name, "Renewals of our certificate.", "counter");
        write_sample(out, name, "", ok);
    }
}

fn epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

pub struct ControlFamilies {
    pub certificate: CertificateMetrics,
    /// `client`, `record_type` and `result`.
    pub dns: Family<Counter>,
    pub identity: BalancerFamilies,
    pub destination: BalancerFamilies,
    pub policy: BalancerFamilies,
}

impl ControlFamilies {
    pub fn new(limit: &Arc<SeriesLimit>) -> Self {
        let help = "Look-ups of the control plane's names.";
        Self {
            certificate: CertificateMetrics::default(),
            dns: Family::counter("control_dns_resolutions_total", help, limit),
            identity: BalancerFamilies::new("control_identity", limit),
            destination: BalancerFamilies::new("control_destination", limit),
            policy: BalancerFamilies::new("control_policy", limit),
        }
    }

    pub fn write(&self, out: &mut String) {
        self.dns.write(out);
        self.certificate.write(out);
        self.identity.write(out);
        self.destination.write(out);
        self.policy.write(out);
    }
}
