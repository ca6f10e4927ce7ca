//! Balancing: which endpoint serves the next request.

pub mod breaker;
pub mod endpoints;
pub mod load;
pub mod observe;
