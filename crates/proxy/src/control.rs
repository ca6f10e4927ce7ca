//! What the control plane says: its streams, and their translation into our types.

pub mod cache;
pub mod destination;
pub mod dns;
pub mod grpc;
pub mod identity;
pub mod observe;
pub mod policy;
pub mod profile;
pub mod stream;
