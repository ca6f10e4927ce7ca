//! Connections that we open, and the pools that keep them.

pub mod counted;
pub mod header;
pub mod http2;
pub mod pool;
pub mod tcp;
