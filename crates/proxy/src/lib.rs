//! A sidecar proxy: carries the traffic of one workload, over mutual TLS where the peer is meshed.

pub mod admin;
pub mod balance;
pub mod config;
pub mod connect;
pub mod control;
pub mod detect;
pub mod drain;
pub mod exchange;
pub mod inbound;
pub mod orig_dst;
pub mod outbound;
pub mod route;
pub mod run;
pub mod stream;
pub mod tap;
pub mod telemetry;
pub mod tls;
