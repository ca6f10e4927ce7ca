//! Traffic to our workload.

pub mod accept;
pub mod authorize;
pub mod connections;
pub mod http;
pub mod labels;
pub mod opaque;
pub mod policies;
pub mod rate_limit;
pub mod rows;
