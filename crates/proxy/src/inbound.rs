//! Traffic to our workload.

pub mod accept;
pub mod authorize;
pub mod http;
pub mod opaque;
