//! What passes on the wire, byte by byte: a raw client, the proxy in each of its places, a raw
//! application; and the programs of others on both ends.

mod grpc;
mod http1;
mod http2;
mod limits;
mod peers;
mod raw;
mod reuse;
mod smuggling;
mod sockets;
mod websocket;
