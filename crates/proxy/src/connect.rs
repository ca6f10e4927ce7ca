//! Connections that we open, and the pools that keep them.

pub mod header;
pub mod pool;
pub mod tcp;
