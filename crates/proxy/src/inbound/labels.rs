//! The inbound side's labels.

use std::net::SocketAddr;

use super::authorize::ClientTls;
use crate::route::select::Reference;
use crate::telemetry::labels::{Direction, Labels, Named, NoTls, Side, Tls};

impl ClientTls {
    pub fn label(&self) -> Tls<'_> {
        match self {
            Self::Mesh(Some(identity)) => Tls::FromClient(identity.as_str()),
            Self::Mesh(None) => Tls::FromClient(""),
            Self::PassedThrough(sni) => Tls::Opaque(sni),
            Self::Skipped => Tls::None(NoTls::PortSkipped),
            Self::None => Tls::None(NoTls::NotFromRemote),
            Self::Loopback => Tls::None(NoTls::Loopback),
        }
    }
}

pub fn named(reference: &Reference) -> Named<'_> {
    Named {
        group: &reference.group,
        kind: &reference.kind,
        name: &reference.name,
    }
}

/// The connection that we accepted.
pub fn accepted(target: SocketAddr, tls: &ClientTls, server: &Reference) -> Labels {
    Labels::new()
        .direction(Direction::Inbound)
        .peer(Side::Source)
        .target(target)
        .tls(tls.label())
        .server(named(server), target.port())
}

/// The connection to our application.
pub fn dialled(target: SocketAddr) -> Labels {
    Labels::new()
        .direction(Direction::Inbound)
        .peer(Side::Destination)
        .target(target)
        .tls(Tls::None(NoTls::Loopback))
}
