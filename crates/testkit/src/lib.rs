//! A mock control plane and peers, on real ports, for tests. A development dependency only.

pub mod certificates;
pub mod client;
pub mod control;
pub mod echo;
pub mod load;
pub mod pods;
pub mod policies;
pub mod proxy;
pub mod serve;
pub mod shop;
pub mod sockets;
pub mod wire;
