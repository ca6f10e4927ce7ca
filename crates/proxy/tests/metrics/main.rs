//! What `/metrics` says of what was done.

mod inbound;
