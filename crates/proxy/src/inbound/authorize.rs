//! Whether a client may do what it asks: network and proven identity against authorizations. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use crate::control::policy::inbound::{Authentication, Authorization, Network};
use crate::route::select::Reference;
use crate::tls::name::Identity;

/// The TLS of a connection as far as authorization asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientTls {
    /// Ours; None: without a client certificate.
    Mesh(Option<Identity>),
    /// Somebody else's, passed through.
    PassedThrough(String),
    /// Not looked for, by policy.
    Skipped,
    None,
    Loopback,
}

impl ClientTls {
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Mesh(identity) => identity.as_ref(),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub enum Decision {
    Allow(Arc<Reference>),
    Deny,
}

/// The first authorization that fits allows.
pub fn authorize(authorizations: &[Authorization], client: IpAddr, tls: &ClientTls) -> Decision {
    let client = client.to_canonical();
    let fits = |authorization: &&Authorization| {
        let networks = &authorization.networks;
        networks.iter().any(|network| contains(network, client))
            && is_authentic(&authorization.authentication, tls)
    };
    match authorizations.iter().find(fits) {
        Some(authorization) => Decision::Allow(Arc::clone(&authorization.reference)),
        None => Decision::Deny,
    }
}

fn contains(network: &Network, client: IpAddr) -> bool {
    network.net.contains(&client) && !network.except.iter().any(|n| n.contains(&client))
}

fn is_authentic(wanted: &Authentication, tls: &ClientTls) -> bool {
    match wanted {
        Authentication::None => true,
        Authentication::AnyTls => matches!(tls, ClientTls::Mesh(_)),
        Authentication::Identities { names, suffixes } => {
            let Some(identity) = tls.identity() else {
                return false;
            };
            let name = identity.as_str();
            names.contains(identity)
                || suffixes
                    .iter()
                    .any(|s| s.is_empty() || (name.len() > s.len() && name.ends_with(s.as_str())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(net: &str, authentication: Authentication) -> Authorization {
        Authorization {
            reference: Arc::default(),
            networks: vec![Network {
                net: net.parse().unwrap(),
                except: vec!["10.0.0.9/32".parse().unwrap()],
            }],
            authentication,
        }
    }

    fn is_allowed(authorization: &Authorization, client: &str, tls: &ClientTls) -> bool {
        let client = client.parse().unwrap();
        let decision = authorize(std::slice::from_ref(authorization), client, tls);
        matches!(decision, Decision::Allow(_))
    }

    #[test]
    fn a_network_admits_its_own_but_for_the_exceptions() {
        let anyone = authorization("10.0.0.0/8", Authentication::None);
        assert!(is_allowed(&anyone, "10.0.0.1", &ClientTls::None));
        assert!(is_allowed(&anyone, "::ffff:10.0.0.1", &ClientTls::None));
        assert!(!is_allowed(&anyone, "10.0.0.9", &ClientTls::None));
        assert!(!is_allowed(&anyone, "192.168.0.1", &ClientTls::None));
    }

    #[test]
    fn identities_match_by_name_or_suffix() {
        let web = Identity::new("web.shop.serviceaccount.identity.tulle.cluster.local");
        let mesh = ClientTls::Mesh(Some(web.clone()));
        let by = |names, suffixes| {
            authorization("0.0.0.0/0", Authentication::Identities { names, suffixes })
        };
        assert!(is_allowed(&by(vec![web], vec![]), "1.2.3.4", &mesh));
        let suffix = by(
            vec![],
            vec![".shop.serviceaccount.identity.tulle.cluster.local".into()],
        );
        assert!(is_allowed(&suffix, "1.2.3.4", &mesh));
        let any = by(vec![], vec![String::new()]);
        assert!(is_allowed(&any, "1.2.3.4", &mesh));
        assert!(!is_allowed(&any, "1.2.3.4", &ClientTls::Mesh(None)));
        assert!(!is_allowed(&any, "1.2.3.4", &ClientTls::None));
    }
}
