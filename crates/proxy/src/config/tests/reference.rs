//! The reference page against what is asked of the environment.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;

/// What Linkerd's injector writes into a pod of today.
const INJECTED: &[&str] = &[
    "ACCESS_LOG",
    "ADMIN_LISTEN_ADDR",
    "CONTROL_LISTEN_ADDR",
    "CONTROL_STREAM_IDLE_TIMEOUT",
    "CONTROL_STREAM_INITIAL_TIMEOUT",
    "CONTROL_STREAM_LIFETIME",
    "CORES",
    "CORES_MAX",
    "CORES_MAX_RATIO",
    "CORES_MIN",
    "DESTINATION_CONTEXT",
    "DESTINATION_PROFILE_NETWORKS",
    "DESTINATION_PROFILE_SUFFIXES",
    "DESTINATION_SVC_ADDR",
    "DESTINATION_SVC_NAME",
    "IDENTITY_DIR",
    "IDENTITY_LOCAL_NAME",
    "IDENTITY_SVC_ADDR",
    "IDENTITY_SVC_NAME",
    "IDENTITY_TOKEN_FILE",
    "IDENTITY_TRUST_ANCHORS",
    "INBOUND_ACCEPT_KEEPALIVE",
    "INBOUND_ACCEPT_USER_TIMEOUT",
    "INBOUND_CONNECT_TIMEOUT",
    "INBOUND_DEFAULT_POLICY",
    "INBOUND_DETECT_TIMEOUT",
    "INBOUND_DISCOVERY_IDLE_TIMEOUT",
    "INBOUND_GATEWAY_SUFFIXES",
    "INBOUND_IPS",
    "INBOUND_LISTEN_ADDR",
    "INBOUND_PORTS",
    "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
    "INBOUND_PORTS_REQUIRE_IDENTITY",
    "INBOUND_PORTS_REQUIRE_TLS",
    "INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL",
    "INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT",
    "INGRESS_MODE",
    "LOG",
    "LOG_FORMAT",
    "OUTBOUND_CONNECT_KEEPALIVE",
    "OUTBOUND_CONNECT_TIMEOUT",
    "OUTBOUND_CONNECT_USER_TIMEOUT",
    "OUTBOUND_DETECT_TIMEOUT",
    "OUTBOUND_DISCOVERY_IDLE_TIMEOUT",
    "OUTBOUND_LISTEN_ADDR",
    "OUTBOUND_LISTEN_ADDRS",
    "OUTBOUND_METRICS_HOSTNAME_LABELS",
    "OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL",
    "OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT",
    "POLICY_CLUSTER_NETWORKS",
    "POLICY_SVC_ADDR",
    "POLICY_SVC_NAME",
    "POLICY_WORKLOAD",
    "SHUTDOWN_ENDPOINT_ENABLED",
    "SHUTDOWN_GRACE_PERIOD",
    "TRACE_ANNOTATIONS_PATH",
    "TRACE_ATTRIBUTES_PATH",
    "TRACE_COLLECTOR_SVC_ADDR",
    "TRACE_COLLECTOR_SVC_NAME",
    "TRACE_EXTRA_ATTRIBUTES",
    "TRACE_PROTOCOL",
    "TRACE_SERVICE_NAME",
];

/// Every variable that is asked for when all services are far away, and so must have names.
fn asked() -> BTreeSet<String> {
    let asked = RefCell::new(BTreeSet::new());
    let variables = complete();
    let read = Config::from_env(|name| {
        let short = name.strip_prefix("LINKERD2_PROXY_")?;
        asked.borrow_mut().insert(short.to_string());
        match short {
            "IDENTITY_SVC_ADDR" | "POLICY_SVC_ADDR" | "TRACE_COLLECTOR_SVC_ADDR" => {
                Some("away.test:80".to_string())
            }
            short if short.ends_with("_SVC_NAME") => Some("away.test".to_string()),
            _ => variables.get(name).cloned(),
        }
    });
    read.unwrap();
    asked.into_inner()
}

/// The names of the page's rows that are variables.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../../../../docs/reference/proxy.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.filter_map(|row| Some(row.split_once('`')?.0));
    let is_variable = |name: &&str| !name.bytes().any(|b| b.is_ascii_lowercase());
    names.filter(is_variable).map(str::to_string).collect()
}

#[test]
fn the_page_names_what_is_asked_for() {
    assert_eq!(asked(), documented());
}

#[test]
fn the_page_names_what_linkerds_injector_sets() {
    let documented = documented();
    let missing = INJECTED.iter().filter(|name| !documented.contains(**name));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn what_is_not_obeyed_is_said() {
    assert_eq!(read(&[]).unwrap().unheeded(), Vec::<String>::new());
    let set = read(&[("INGRESS_MODE", "true"), ("INBOUND_GATEWAY_SUFFIXES", ".")]);
    let said = set.unwrap().unheeded();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("LINKERD2_PROXY_INGRESS_MODE is not obeyed: "));
    for (name, value) in [
        ("INBOUND_CONNECT_EXP_BACKOFF_MAX", "20s"),
        ("INBOUND_HTTP_QUEUE_CAPACITY", "5"),
        ("INBOUND_HTTP_FAILFAST_TIMEOUT", "5s"),
        ("DESTINATION_PROFILE_INITIAL_TIMEOUT", "5s"),
    ] {
        let said = read(&[(name, value)]).unwrap().unheeded();
        assert_eq!(said.len(), 1, "{name}: {said:?}");
    }
}
