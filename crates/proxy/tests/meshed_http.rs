//! Two proxies, a control plane and an application: what a meshed request looks like.

use http::Request;
use tulle_testkit::client;
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::policies::{Clients, Endpoint, server};
use tulle_testkit::proxy::Proxy;
use tulle_testkit::shop::{CLIENT, SERVER, WEB, cluster_ip};

struct Mesh {
    plane: ControlPlane,
    client: Proxy,
    server: Proxy,
    application: echo::Http,
    service: Service,
}

impl Mesh {
    async fn start() -> Self {
        let plane = ControlPlane::start().await;
        let client = Proxy::start(&plane, CLIENT).await;
        let server = Proxy::start(&plane, SERVER).await;
        let application = echo::Http::start("web").await;
        let service = plane.service(WEB, cluster_ip());
        Self {
            plane,
            client,
            server,
            application,
            service,
        }
    }

    /// The endpoint's own port is redirected to its proxy.
    fn redirected(&self) -> Endpoint {
        Endpoint::meshed(self.server.inbound(self.application.address()), SERVER)
    }

    async fn get(&self, path: &str) -> client::Answer {
        let request = Request::get(path).header("host", WEB);
        let answer = client::send(self.client.outbound(cluster_ip()), request).await;
        answer.expect("the proxy answers")
    }
}

#[tokio::test]
async fn a_request_arrives_with_the_clients_identity() {
    let mesh = Mesh::start().await;
    mesh.service.add(mesh.redirected());
    let answer = mesh.get("/books?page=2").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.seen();
    assert_eq!(seen["server"], "web");
    assert_eq!(seen["uri"], "/books?page=2");
    assert_eq!(seen["version"], "HTTP/1.1");
    assert_eq!(seen["headers"]["l5d-client-id"], CLIENT);
    assert_eq!(seen["headers"]["host"], WEB);
    assert_eq!(seen["headers"].get("l5d-orig-proto"), None);
}

#[tokio::test]
async fn both_sides_count_it_as_mutual_tls() {
    let mesh = Mesh::start().await;
    mesh.service.add(mesh.redirected());
    assert_eq!(mesh.get("/").await.status, 200);
    let server_id = format!("server_id=\"{SERVER}\"");
    let client_id = format!("client_id=\"{CLIENT}\"");
    let ok = [
        "tls=\"true\"",
        "status_code=\"200\"",
        "classification=\"success\"",
    ];
    let sent = [&["direction=\"outbound\"", &server_id], &ok[..]].concat();
    assert_eq!(mesh.client.metric("response_total", &sent).await, 1.0);
    let received = [&["direction=\"inbound\"", &client_id], &ok[..]].concat();
    assert_eq!(mesh.server.metric("response_total", &received).await, 1.0);
}

#[tokio::test]
async fn routes_and_backends_are_counted_by_their_names() {
    let mesh = Mesh::start().await;
    mesh.service.add(mesh.redirected());
    for path in ["/", "/?status=503"] {
        mesh.get(path).await;
    }
    let parent = [
        "parent_kind=\"Service\"",
        "parent_name=\"web\"",
        "route_name=\"http\"",
    ];
    let backend = [
        &parent[..],
        &["backend_namespace=\"shop\"", "backend_port=\"80\""],
    ]
    .concat();
    let requests = "outbound_http_route_backend_requests_total";
    assert_eq!(mesh.client.metric(requests, &backend).await, 2.0);
    for (family, labels) in [
        ("outbound_http_route_request_statuses_total", &parent[..]),
        (
            "outbound_http_route_backend_response_statuses_total",
            &backend[..],
        ),
    ] {
        for status in ["http_status=\"200\"", "http_status=\"503\""] {
            let labels = [labels, &[status, "error=\"\""]].concat();
            assert_eq!(mesh.client.metric(family, &labels).await, 1.0, "{family}");
        }
    }
    let duration = "outbound_http_route_request_duration_seconds_count";
    assert_eq!(mesh.client.metric(duration, &parent).await, 2.0);
}

#[tokio::test]
async fn what_is_asked_of_the_control_plane_is_counted() {
    let mesh = Mesh::start().await;
    mesh.service.add(mesh.redirected());
    assert_eq!(mesh.get("/").await.status, 200);
    let local = ["addr=\"127.0.0.1:", "no_tls_reason=\"loopback\""];
    assert!(mesh.client.metric("control_request_total", &local).await >= 1.0);
    let ok = [&local[..], &["classification=\"success\""]].concat();
    assert!(mesh.client.metric("control_response_total", &ok).await >= 1.0);
}

#[tokio::test]
async fn a_transport_header_leads_to_the_port() {
    let mesh = Mesh::start().await;
    let proxy_port = mesh.server.addresses.inbound.port();
    let endpoint = Endpoint::meshed(mesh.application.address(), SERVER).via(proxy_port);
    mesh.service.add(endpoint);
    let answer = mesh.get("/").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.seen()["headers"]["l5d-client-id"], CLIENT);
    let header = "inbound_tcp_transport_header_connections_total";
    let client_id = format!("client_id=\"{CLIENT}\"");
    let labels = ["session_protocol=\"http/2\"", &client_id];
    assert_eq!(mesh.server.metric(header, &labels).await, 1.0);
}

#[tokio::test]
async fn an_endpoint_that_cannot_prove_its_name_gets_nothing() {
    let mesh = Mesh::start().await;
    let mut endpoint = mesh.redirected();
    endpoint.identity = Some("other.shop.serviceaccount.identity.tulle.cluster.local".to_string());
    mesh.service.add(endpoint);
    let answer = mesh.get("/").await;
    assert!(matches!(answer.status, 502..=504), "{answer:?}");
    assert_eq!(mesh.application.requests(), 0);
}

#[tokio::test]
async fn who_is_not_authorized_is_told_so() {
    let mesh = Mesh::start().await;
    mesh.service.add(mesh.redirected());
    let port = mesh.application.address().port();
    mesh.plane.inbound(port, server(&Clients::Nobody));
    let answer = mesh.get("/").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(mesh.application.requests(), 0);
    assert!(
        mesh.server
            .metric("inbound_http_authz_deny_total", &[])
            .await
            >= 1.0
    );
    let clients = Clients::Identities(vec![CLIENT.to_string()]);
    mesh.plane.inbound(port, server(&clients));
    client::until("the client is let in", async || {
        (mesh.get("/").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn endpoints_come_and_go() {
    let mesh = Mesh::start().await;
    let other = echo::Http::start("other").await;
    let first = Endpoint::plain(mesh.application.address());
    mesh.service.add(first);
    assert_eq!(mesh.get("/").await.seen()["server"], "web");
    mesh.service.add(Endpoint::plain(other.address()));
    mesh.service.remove(mesh.application.address());
    client::until("only the other is left", async || {
        (mesh.get("/").await.seen()["server"] == "other").then_some(())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(mesh.get("/").await.seen()["server"], "other");
    }
}

#[tokio::test]
async fn the_last_known_endpoints_outlive_the_control_plane() {
    let Mesh {
        plane,
        client: proxy,
        server,
        application,
        service,
    } = Mesh::start().await;
    service.add(Endpoint::meshed(
        server.inbound(application.address()),
        SERVER,
    ));
    let outbound = proxy.outbound(cluster_ip());
    assert_eq!(client::get(outbound, "/").await.unwrap().status, 200);
    drop(plane);
    for _ in 0..10 {
        assert_eq!(client::get(outbound, "/").await.unwrap().status, 200);
    }
}
