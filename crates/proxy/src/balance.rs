//! Balancing: which endpoint serves the next request.

pub mod breaker;
pub mod endpoints;
pub mod line;
pub mod load;
pub mod observe;
pub mod queue;
