//! The metric handles of one outbound endpoint, resolved once, and the changes of an endpoint set.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use crate::connect::counted::Meters;
use crate::control::destination::EndpointSpec;
use crate::telemetry::labels::{Direction, Labels, NoTls, Side, Tls};
use crate::telemetry::metrics::{HttpEndpointMetrics, Locality, Metrics, Sums, Update};

pub struct EndpointMetrics {
    pub meters: Meters,
    labels: Labels,
    registry: Arc<Metrics>,
    /// At the first request: an endpoint of opaque traffic has no such rows.
    http: OnceLock<Arc<HttpEndpointMetrics>>,
}

impl EndpointMetrics {
    pub fn new(
        metrics: &Arc<Metrics>,
        spec: &EndpointSpec,
        authority: Option<&str>,
        local: &[IpAddr],
    ) -> Self {
        let tls = match &spec.peer {
            Some(peer) => Tls::ToServer(peer.identity.as_str()),
            None if local.contains(&spec.address.ip()) => Tls::None(NoTls::Loopback),
            None => Tls::None(NoTls::NotProvidedByServiceDiscovery),
        };
        let rest = Labels::new()
            .authority(authority)
            .target(spec.address)
            .tls(tls)
            .destination(spec.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        let locality = spec.labels.get("zone_locality").map(String::as_str);
        let locality = Locality::read(locality);
        let direction = Labels::new().direction(Direction::Outbound);
        let transport = direction.clone().peer(Side::Destination).merged(&rest);
        Self {
            meters: Meters {
                transport: metrics.transport(transport),
                cost: Some(metrics.outbound.transfer_costs.get(locality)),
            },
            labels: direction.merged(&rest),
            registry: Arc::clone(metrics),
            http: OnceLock::new(),
        }
    }

    pub fn http(&self) -> &Arc<HttpEndpointMetrics> {
        self.http
            .get_or_init(|| self.registry.http_endpoint(self.labels.clone()))
    }
}

/// How often an endpoint set changed, told to all the rows that show it.
#[derive(Default)]
pub struct Updates(Mutex<Told>);

#[derive(Default)]
struct Told {
    so_far: [u64; 3],
    rows: Vec<Weak<Sums>>,
}

impl Updates {
    pub fn count(&self, update: Update, times: usize) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.so_far[update as usize] += times as u64;
        told.rows.retain(|row| {
            let row = row.upgrade();
            row.map(|row| row.updated(update, times as u64)).is_some()
        });
    }

    /// A row that begins is told what was before.
    pub fn tell(&self, row: &Arc<Sums>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for update in [Update::Reset, Update::Add, Update::Remove] {
            row.updated(update, told.so_far[update as usize]);
        }
        told.rows.push(Arc::downgrade(row));
    }
}
