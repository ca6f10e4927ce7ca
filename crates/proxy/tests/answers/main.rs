//! Every answer that the proxy makes itself, as each kind of client gets it: an application's status and
//! headers, gRPC's code and message, and whether the connection ends.

mod ask;
mod inbound;
mod outbound;
