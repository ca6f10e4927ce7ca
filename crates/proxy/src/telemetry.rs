//! Metrics, labels and logs.

pub mod access_log;
pub mod clock;
pub mod labels;
pub mod log;
pub mod metrics;
