//! Traffic from our workload.

pub mod accept;
pub mod attempt;
pub mod connections;
pub mod discover;
pub mod http;
pub mod opaque;
pub mod pick;
pub mod profile;
pub mod retry;
pub mod rows;
mod within;
