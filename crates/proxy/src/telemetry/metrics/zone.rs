//! Bytes to and from endpoints, by where these are: other zones may cost money.

use std::sync::{Arc, OnceLock};

use super::super::labels::Labels;
use super::family::{Counter, Family};
use super::limit::SeriesLimit;

/// Where an endpoint is, as destination says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locality {
    #[default]
    Unknown,
    Local,
    Remote,
}

impl Locality {
    /// Of an endpoint with such a label `zone_locality`.
    pub fn read(label: Option<&str>) -> Self {
        match label {
            Some(label) if label.eq_ignore_ascii_case("local") => Self::Local,
            Some(label) if label.eq_ignore_ascii_case("remote") => Self::Remote,
            _ => Self::Unknown,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
            Self::Local => "Local",
            Self::Remote => "Remote",
        }
    }
}

/// Of all connections to endpoints of one locality.
#[derive(Debug)]
pub struct TransferCost {
    received: Arc<Counter>,
    sent: Arc<Counter>,
}

impl TransferCost {
    pub fn read(&self, bytes: u64) {
        self.received.add(bytes);
    }

    pub fn write(&self, bytes: u64) {
        self.sent.add(bytes);
    }
}

pub struct TransferCosts {
    bytes: Family<Counter>,
    by_locality: [OnceLock<Arc<TransferCost>>; 3],
}

impl TransferCosts {
    pub fn new(limit: &Arc<SeriesLimit>) -> Self {
        let name = "outbound_tcp_transfer_cost_bytes_total";
        Self {
            bytes: Family::counter(name, "Bytes sent or received, by zone.", limit),
            by_locality: Default::default(),
        }
    }

    pub fn get(&self, locality: Locality) -> Arc<TransferCost> {
        let bytes = |op| {
            let labels = Labels::new().with("op", op);
            self.bytes
                .get(&labels.with("zone_locality", locality.name()))
        };
        let make = || {
            Arc::new(TransferCost {
                received: bytes("Recv"),
                sent: bytes("Send"),
            })
        };
        Arc::clone(self.by_locality[locality as usize].get_or_init(make))
    }

    pub fn write(&self, out: &mut String) {
        self.bytes.write(out);
    }
}
