//! The namespace that most tests play in: a service, its workload, and a client of it.

use std::net::SocketAddr;

pub const WEB: &str = "web.shop.svc.cluster.local:80";
pub const CLIENT: &str = "client.shop.serviceaccount.identity.tulle.cluster.local";
pub const SERVER: &str = "web.shop.serviceaccount.identity.tulle.cluster.local";

/// Of the service `web`.
pub fn cluster_ip() -> SocketAddr {
    SocketAddr::from(([10, 96, 0, 7], 80))
}
