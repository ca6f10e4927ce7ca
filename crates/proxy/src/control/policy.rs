//! What the policy service says about ports and destinations, as our types. Pure.

pub mod inbound;
pub(super) mod limits;
pub mod outbound;
mod routes;

use std::collections::HashMap;
use std::sync::Arc;

use linkerd2_proxy_api::meta;

use crate::route::select::Reference;

/// All of them, in memory of their own. What is collected from a Vec would stay in that one's memory, and
/// the messages that policies come from are many times larger.
fn fitted<T>(
    items: impl Iterator<Item = Result<T, InvalidPolicy>>,
) -> Result<Vec<T>, InvalidPolicy> {
    let (_, most) = items.size_hint();
    let mut all = Vec::with_capacity(most.unwrap_or_default());
    for item in items {
        all.push(item?);
    }
    Ok(all)
}

pub fn reference(from: Option<meta::Metadata>) -> Arc<Reference> {
    Arc::new(match from.and_then(|m| m.kind) {
        Some(meta::metadata::Kind::Default(name)) => Reference::default_named(&name),
        Some(meta::metadata::Kind::Resource(resource)) => Reference {
            group: resource.group,
            kind: resource.kind,
            namespace: resource.namespace,
            name: resource.name,
            section: resource.section,
            port: u16::try_from(resource.port).ok().filter(|port| *port > 0),
        },
        None => Reference::default(),
    })
}

/// Older answers carry labels in place of metadata.
fn labelled(from: Option<meta::Metadata>, labels: &HashMap<String, String>) -> Arc<Reference> {
    if from.is_some() {
        return reference(from);
    }
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Arc::new(Reference {
        group: label("group"),
        kind: label("kind"),
        name: label("name"),
        ..Reference::default()
    })
}

/// A policy that cannot be obeyed. Requests under it fail; guessing would open doors.
#[derive(Debug, Clone, thiserror::Error)]
#[error("invalid policy: {0}")]
pub struct InvalidPolicy(pub &'static str);
