//! Mutual TLS: our leaf, the trust anchors, and the names peers prove.

pub mod client;
pub mod keys;
pub mod name;
pub mod server;
