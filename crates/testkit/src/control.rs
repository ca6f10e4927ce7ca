//! The control plane: identity, destination and policy, each on a port of its own.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use linkerd2_proxy_api::{destination as dst, identity, inbound, net, outbound};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::certificates::Authority;
use crate::policies::{Clients, Endpoint, detected, server};
use crate::serve::{self, Running};

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What a proxy may be told, by what it asks for. None: not known (yet).
struct Told<K, V>(Mutex<HashMap<K, watch::Sender<Option<V>>>>);

impl<K, V> Default for Told<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: std::hash::Hash + Eq, V: Clone + Send + Sync + 'static> Told<K, V> {
    fn sender(&self, key: K) -> watch::Sender<Option<V>> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.entry(key)
            .or_insert_with(|| watch::Sender::new(None))
            .clone()
    }

    fn watch(&self, key: K) -> watch::Receiver<Option<V>> {
        self.sender(key).subscribe()
    }
}

#[derive(Default)]
struct State {
    authority: Authority,
    lifetime: Mutex<Duration>,
    certified: Mutex<Vec<String>>,
    endpoints: Told<String, Vec<Endpoint>>,
    profiles: Told<String, dst::DestinationProfile>,
    outbound: Told<String, outbound::OutboundPolicy>,
    inbound: Told<u32, inbound::Server>,
}

/// The three services, listening; dropping it takes them away.
pub struct Doors {
    identity: Running,
    destination: Running,
    policy: Running,
}

/// Running services on loopback; dropping it takes them away.
pub struct ControlPlane {
    state: Arc<State>,
    doors: Doors,
}

impl ControlPlane {
    pub async fn start() -> Self {
        let state = Arc::new(State::default());
        let doors = doors(&state, serve::loopback);
        *state
            .lifetime
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Duration::from_secs(86_400);
        Self { state, doors }
    }

    /// More doors to the same services, on listeners that are not this network's.
    pub fn doors(&self, listener: impl Fn() -> std::net::TcpListener) -> Doors {
        doors(&self.state, listener)
    }

    pub fn authority(&self) -> &Authority {
        &self.state.authority
    }

    /// Leaves issued from now on live this long.
    pub fn set_lifetime(&self, lifetime: Duration) {
        let mut current = self
            .state
            .lifetime
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *current = lifetime;
    }

    /// The names certified so far, once per certification.
    pub fn certified(&self) -> Vec<String> {
        let certified = self
            .state
            .certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        certified.clone()
    }

    /// A service reached at `cluster_ip`, with no endpoints yet.
    pub fn service(&self, authority: &str, cluster_ip: SocketAddr) -> Service {
        self.outbound(cluster_ip, detected(authority));
        let endpoints = self.state.endpoints.sender(authority.to_string());
        endpoints.send_replace(Some(Vec::new()));
        let profile = dst::DestinationProfile {
            fully_qualified_name: authority.split(':').next().unwrap_or_default().to_string(),
            ..dst::DestinationProfile::default()
        };
        self.profile(cluster_ip, profile);
        Service { endpoints }
    }

    pub fn outbound(&self, target: SocketAddr, policy: outbound::OutboundPolicy) {
        self.state
            .outbound
            .sender(target.to_string())
            .send_replace(Some(policy));
    }

    pub fn profile(&self, target: SocketAddr, profile: dst::DestinationProfile) {
        self.state
            .profiles
            .sender(target.to_string())
            .send_replace(Some(profile));
    }

    /// Ports that nobody set admit anyone.
    pub fn inbound(&self, port: u16, policy: inbound::Server) {
        self.state
            .inbound
            .sender(port.into())
            .send_replace(Some(policy));
    }

    /// The variables that lead a proxy here, with its identity in `directory`.
    pub fn environment(&self, name: &str, directory: &std::path::Path) -> Vec<(String, String)> {
        self.environment_by(&self.doors, name, directory)
    }

    /// The same, by these doors.
    pub fn environment_by(
        &self,
        doors: &Doors,
        name: &str,
        directory: &std::path::Path,
    ) -> Vec<(String, String)> {
        let path = |file: &str| directory.join(file).display().to_string();
        [
            ("IDENTITY_SVC_ADDR", doors.identity.address.to_string()),
            (
                "DESTINATION_SVC_ADDR",
                doors.destination.address.to_string(),
            ),
            ("POLICY_SVC_ADDR", doors.policy.address.to_string()),
            (
                "POLICY_WORKLOAD",
                "{\"ns\":\"test\",\"pod\":\"test\"}".to_string(),
            ),
            ("IDENTITY_DIR", directory.display().to_string()),
            (
                "IDENTITY_TRUST_ANCHORS",
                self.authority().anchors_pem().to_string(),
            ),
            ("IDENTITY_TOKEN_FILE", path("token")),
            ("IDENTITY_LOCAL_NAME", name.to_string()),
            ("LOG", "error".to_string()),
            ("INBOUND_LISTEN_ADDR", "0.0.0.0:0".to_string()),
            ("OUTBOUND_LISTEN_ADDR", "0.0.0.0:0".to_string()),
            ("ADMIN_LISTEN_ADDR", "127.0.0.1:0".to_string()),
            ("CONTROL_LISTEN_ADDR", "127.0.0.1:0".to_string()),
        ]
        .map(|(key, value)| (format!("LINKERD2_PROXY_{key}"), value))
        .into()
    }
}

fn doors(state: &Arc<State>, listener: impl Fn() -> std::net::TcpListener) -> Doors {
    let shared = || Served(Arc::clone(state));
    let policies = Policies {
        outbound: outbound::outbound_policies_server::OutboundPoliciesServer::new(shared()),
        inbound: inbound::inbound_server_policies_server::InboundServerPoliciesServer::new(shared()),
    };
    let identity = identity::identity_server::IdentityServer::new(shared());
    let destination = dst::destination_server::DestinationServer::new(shared());
    Doors {
        identity: serve::http_on(listener(), TowerToHyperService::new(identity)),
        destination: serve::http_on(listener(), TowerToHyperService::new(destination)),
        policy: serve::http_on(listener(), TowerToHyperService::new(policies)),
    }
}

/// The endpoints of one authority, changed while proxies watch.
pub struct Service {
    endpoints: watch::Sender<Option<Vec<Endpoint>>>,
}

impl Service {
    pub fn add(&self, endpoint: Endpoint) {
        self.change(|endpoints| endpoints.push(endpoint));
    }

    pub fn remove(&self, address: SocketAddr) {
        self.change(|endpoints| endpoints.retain(|e| e.address != address));
    }

    pub fn set(&self, all: Vec<Endpoint>) {
        self.change(|endpoints| *endpoints = all);
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Endpoint>)) {
        self.endpoints
            .send_modify(|endpoints| change(endpoints.get_or_insert_default()));
    }
}

/// The state as the generated server traits see it.
#[derive(Clone)]
struct Served(Arc<State>);

/// Everything that comes to be known, from now on: `messages` tells what a new value is worth.
fn stream<V, T, M>(values: watch::Receiver<Option<V>>, messages: M) -> Response<Streaming<T>>
where
    V: Clone + Send + Sync + 'static,
    T: Send + 'static,
    M: FnMut(V) -> Vec<T> + Send + 'static,
{
    type Progress<V, T, M> = (watch::Receiver<Option<V>>, M, VecDeque<T>);
    let next = |(mut values, mut messages, mut queue): Progress<V, T, M>| async move {
        loop {
            if let Some(message) = queue.pop_front() {
                return Some((Ok(message), (values, messages, queue)));
            }
            let value = values.borrow_and_update().clone();
            queue.extend(value.into_iter().flat_map(&mut messages));
            if queue.is_empty() {
                values.changed().await.ok()?;
            }
        }
    };
    Response::new(Box::pin(unfold((values, messages, VecDeque::new()), next)))
}

/// A stream of whole states: the same state is not told twice.
fn whole<V>(values: watch::Receiver<Option<V>>) -> Response<Streaming<V>>
where
    V: Clone + PartialEq + Send + Sync + 'static,
{
    let mut last = None;
    stream(values, move |value: V| {
        if last.as_ref() == Some(&value) {
            return Vec::new();
        }
        last = Some(value.clone());
        vec![value]
    })
}

#[tonic::async_trait]
impl identity::identity_server::Identity for Served {
    async fn certify(
        &self,
        request: Request<identity::CertifyRequest>,
    ) -> Result<Response<identity::CertifyResponse>, Status> {
        let request = request.into_inner();
        if request.token.is_empty() {
            return Err(Status::invalid_argument("no token"));
        }
        let lifetime = *self
            .0
            .lifetime
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (leaf, expires) = self
            .0
            .authority
            .sign(&request.certificate_signing_request, lifetime)
            .ok_or_else(|| Status::failed_precondition("not a CSR"))?;
        let mut certified = self
            .0
            .certified
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        certified.push(request.identity);
        Ok(Response::new(identity::CertifyResponse {
            leaf_certificate: leaf,
            intermediate_certificates: Vec::new(),
            valid_until: Some(expires.into()),
        }))
    }
}

#[tonic::async_trait]
impl dst::destination_server::Destination for Served {
    type GetStream = Streaming<dst::Update>;
    type GetProfileStream = Streaming<dst::DestinationProfile>;

    async fn get(
        &self,
        request: Request<dst::GetDestination>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let path = request.into_inner().path;
        let mut told: Option<Vec<Endpoint>> = None;
        let values = self.0.endpoints.watch(path);
        Ok(stream(values, move |now: Vec<Endpoint>| {
            let updates = difference(told.as_deref(), &now);
            told = Some(now);
            let update = |update| dst::Update {
                update: Some(update),
            };
            updates.into_iter().map(update).collect()
        }))
    }

    async fn get_profile(
        &self,
        request: Request<dst::GetDestination>,
    ) -> Result<Response<Self::GetProfileStream>, Status> {
        let sender = self.0.profiles.sender(request.into_inner().path);
        sender.send_if_modified(|profile| {
            let is_new = profile.is_none();
            profile.get_or_insert_default();
            is_new
        });
        Ok(whole(sender.subscribe()))
    }
}

/// What to say to one who was told `before`.
fn difference(before: Option<&[Endpoint]>, now: &[Endpoint]) -> Vec<dst::update::Update> {
    use dst::update::Update;
    let known = before.unwrap_or_default();
    let added: Vec<_> = now.iter().filter(|e| !known.contains(e)).collect();
    let is_gone = |e: &&Endpoint| !now.iter().any(|n| n.address == e.address);
    let removed: Vec<_> = known.iter().filter(is_gone).collect();
    let mut updates = Vec::new();
    if now.is_empty() && (before.is_none() || !removed.is_empty()) {
        return vec![Update::NoEndpoints(dst::NoEndpoints { exists: true })];
    }
    if !added.is_empty() {
        updates.push(Update::Add(dst::WeightedAddrSet {
            addrs: added.into_iter().map(Endpoint::message).collect(),
            metric_labels: HashMap::new(),
        }));
    }
    if !removed.is_empty() {
        updates.push(Update::Remove(dst::AddrSet {
            addrs: removed.into_iter().map(|e| e.address.into()).collect(),
        }));
    }
    updates
}

#[tonic::async_trait]
impl outbound::outbound_policies_server::OutboundPolicies for Served {
    type WatchStream = Streaming<outbound::OutboundPolicy>;

    async fn get(
        &self,
        request: Request<outbound::TrafficSpec>,
    ) -> Result<Response<outbound::OutboundPolicy>, Status> {
        let known = self.0.outbound.watch(target(request.into_inner()));
        let policy = known.borrow().clone();
        policy
            .map(Response::new)
            .ok_or_else(|| Status::not_found("no such target"))
    }

    async fn watch(
        &self,
        request: Request<outbound::TrafficSpec>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.0.outbound.watch(target(request.into_inner()));
        if known.borrow().is_none() {
            return Err(Status::not_found("no such target"));
        }
        Ok(whole(known))
    }
}

fn target(spec: outbound::TrafficSpec) -> String {
    match spec.target {
        Some(outbound::traffic_spec::Target::Addr(address)) => socket_address(address),
        Some(outbound::traffic_spec::Target::Authority(authority)) => authority,
        None => String::new(),
    }
}

fn socket_address(address: net::TcpAddress) -> String {
    let address = SocketAddr::try_from(address);
    address.map_or_else(|_| String::new(), |a| a.to_string())
}

#[tonic::async_trait]
impl inbound::inbound_server_policies_server::InboundServerPolicies for Served {
    type WatchPortStream = Streaming<inbound::Server>;

    async fn get_port(
        &self,
        request: Request<inbound::PortSpec>,
    ) -> Result<Response<inbound::Server>, Status> {
        let known = self.port(request.into_inner().port);
        let policy = known.borrow().clone();
        policy
            .map(Response::new)
            .ok_or_else(|| Status::not_found("no such port"))
    }

    async fn watch_port(
        &self,
        request: Request<inbound::PortSpec>,
    ) -> Result<Response<Self::WatchPortStream>, Status> {
        Ok(whole(self.port(request.into_inner().port)))
    }
}

impl Served {
    fn port(&self, port: u32) -> watch::Receiver<Option<inbound::Server>> {
        let sender = self.0.inbound.sender(port);
        sender.send_if_modified(|policy| {
            let is_new = policy.is_none();
            policy.get_or_insert_with(|| server(&Clients::Anyone));
            is_new
        });
        sender.subscribe()
    }
}

/// Both policy services on one port, as a control plane has them.
#[derive(Clone)]
struct Policies {
    outbound: outbound::outbound_policies_server::OutboundPoliciesServer<Served>,
    inbound: inbound::inbound_server_policies_server::InboundServerPoliciesServer<Served>,
}

impl tower_service::Service<http::Request<Incoming>> for Policies {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        match request.uri().path().contains(".inbound.") {
            true => tower_service::Service::call(&mut self.inbound, request),
            false => tower_service::Service::call(&mut self.outbound, request),
        }
    }
}
