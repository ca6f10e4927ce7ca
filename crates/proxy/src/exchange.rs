//! One request and its response: bodies, versions, upgrades, and the answers that we make ourselves.

mod begun;
pub mod body;
pub mod classify;
pub mod finish;
pub mod first;
pub mod framing;
pub mod hygiene;
pub mod in_flight;
pub mod limits;
pub mod orig_proto;
pub mod peek;
mod pieces;
pub mod prefixed;
mod received;
pub mod respond;
pub mod rest;
pub mod serve;
pub mod upgrade;
