//! Who proves what to whom, with the proxy's own TLS at both ends.

use std::time::{Duration, SystemTime};

use tokio::net::{TcpListener, TcpStream};
use tulle_proxy::tls::client::{Peer, connect};
use tulle_proxy::tls::keys::{Keys, anchors};
use tulle_proxy::tls::name::Identity;
use tulle_proxy::tls::server;
use tulle_testkit::certificates::{Authority, Leaf};
use tulle_testkit::shop::{CLIENT, SERVER};

fn keys(authority: &Authority, name: &str, is_certified: bool) -> Keys {
    let Leaf {
        certificate_der,
        key_pkcs8,
    } = authority.leaf(name);
    let roots = anchors(authority.anchors_pem()).expect("the anchors are PEM");
    let keys = Keys::new(key_pkcs8, Vec::new(), roots, Identity::new(name));
    let keys = keys.expect("the key is ours");
    if is_certified {
        let expires = SystemTime::now() + Duration::from_secs(60);
        let renewed = keys.renew(vec![certificate_der], expires);
        renewed.expect("the leaf proves the name");
    }
    keys
}

/// What the server learns of the client; an error is the client's.
async fn handshake(
    client: &Keys,
    server: &Keys,
    expected: &str,
    is_transport: bool,
) -> Result<(Option<Identity>, bool), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port on loopback");
    let address = listener.local_addr().expect("it is bound");
    let serving = async {
        let (tcp, _) = listener.accept().await.ok()?;
        server::accept(server, tcp).await.ok()
    };
    let connecting = async {
        let tcp = TcpStream::connect(address)
            .await
            .map_err(|e| e.to_string())?;
        let peer = Peer {
            identity: Identity::new(expected),
            server_name: Identity::new(SERVER),
        };
        let connected = connect(client, &peer, is_transport, tcp).await;
        connected.map_err(|e| e.to_string())
    };
    let (accepted, connected) = tokio::join!(serving, connecting);
    connected?;
    let accepted = accepted.ok_or("the server refused")?;
    Ok((accepted.client, accepted.is_transport))
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is() {
    let authority = Authority::new();
    let (client, server) = (
        keys(&authority, CLIENT, true),
        keys(&authority, SERVER, true),
    );
    let seen = handshake(&client, &server, SERVER, false).await;
    assert_eq!(seen, Ok((Some(Identity::new(CLIENT)), false)));
    let seen = handshake(&client, &server, SERVER, true).await;
    assert_eq!(seen, Ok((Some(Identity::new(CLIENT)), true)));
}

#[tokio::test]
async fn before_it_is_certified_a_client_proves_nothing_but_demands_proof() {
    let authority = Authority::new();
    let (client, server) = (
        keys(&authority, CLIENT, false),
        keys(&authority, SERVER, true),
    );
    assert_eq!(
        handshake(&client, &server, SERVER, false).await,
        Ok((None, false))
    );
    assert!(handshake(&client, &server, CLIENT, false).await.is_err());
}

#[tokio::test]
async fn another_trust_domain_is_refused() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (client, server) = (keys(&ours, CLIENT, true), keys(&theirs, SERVER, true));
    assert!(handshake(&client, &server, SERVER, false).await.is_err());
}

#[tokio::test]
async fn another_name_is_refused() {
    let authority = Authority::new();
    let (client, server) = (
        keys(&authority, CLIENT, true),
        keys(&authority, SERVER, true),
    );
    let other = "other.shop.serviceaccount.identity.tulle.cluster.local";
    let refused = handshake(&client, &server, other, false).await;
    assert!(refused.is_err_and(|why| why.contains(other)));
}
