//! Traffic from our workload.

pub mod accept;
pub mod http;
pub mod opaque;
