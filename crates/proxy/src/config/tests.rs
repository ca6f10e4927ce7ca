mod reference;

use std::collections::HashMap;
use std::time::Duration;

use super::*;

fn complete() -> HashMap<String, String> {
    [
        (
            "DESTINATION_SVC_ADDR",
            "tulle-dst-headless.tulle.svc.cluster.local.:8086",
        ),
        (
            "DESTINATION_SVC_NAME",
            "dst.tulle.serviceaccount.identity.tulle.cluster.local",
        ),
        ("POLICY_SVC_ADDR", "127.0.0.1:8090"),
        ("POLICY_WORKLOAD", r#"{"ns":"shop","pod":"web-0"}"#),
        ("IDENTITY_SVC_ADDR", "localhost.:8080"),
        ("IDENTITY_DIR", "/var/run/linkerd/identity/end-entity"),
        ("IDENTITY_TRUST_ANCHORS", "-----BEGIN CERTIFICATE-----\nx"),
        ("IDENTITY_TOKEN_FILE", "/var/run/secrets/tokens/token"),
        (
            "IDENTITY_LOCAL_NAME",
            "web.shop.serviceaccount.identity.tulle.cluster.local",
        ),
    ]
    .map(|(k, v)| (format!("LINKERD2_PROXY_{k}"), v.to_string()))
    .into()
}

fn read(changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut variables = complete();
    for (name, value) in changes {
        variables.insert(format!("LINKERD2_PROXY_{name}"), value.to_string());
    }
    Config::from_env(|name| variables.get(name).cloned())
}

#[test]
fn defaults_are_the_documented_ones() {
    let config = read(&[]).unwrap();
    assert_eq!(config.outbound.listen, ["127.0.0.1:4140".parse().unwrap()]);
    assert_eq!(config.inbound.listen, "0.0.0.0:4143".parse().unwrap());
    assert_eq!(config.admin.listen, "127.0.0.1:4191".parse().unwrap());
    assert!(config.tap.is_none());
    assert_eq!(
        config.inbound.direction.connect_timeout,
        Duration::from_millis(300)
    );
    assert_eq!(
        config.outbound.direction.discovery_idle,
        Duration::from_secs(5)
    );
    assert_eq!(config.shutdown_grace, Duration::from_secs(120));
    assert_eq!(
        config.inbound.default_policy,
        DefaultPolicy::AllUnauthenticated
    );
    let server = config.outbound.direction.server;
    assert_eq!(server.connection_window, 64 << 20);
    assert_eq!(server.stream_window, 131_072);
    assert_eq!(server.max_frame_size, 49_143);
    assert_eq!(config.policy.service.name, None);
    assert_eq!(config.identity.service.name, None);
    assert_eq!(
        config.destination.service.host,
        "tulle-dst-headless.tulle.svc.cluster.local."
    );
}

#[test]
fn injected_values_are_understood() {
    let config = read(&[
        ("OUTBOUND_LISTEN_ADDRS", "127.0.0.1:4140,[::1]:4140"),
        (
            "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
            "25,587,4567-4568",
        ),
        ("POLICY_CLUSTER_NETWORKS", "10.0.0.0/8,fd00::/8"),
        ("DESTINATION_PROFILE_SUFFIXES", "."),
        ("INBOUND_DETECT_TIMEOUT", "365d"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
        ("CONTROL_STREAM_INITIAL_TIMEOUT", "3s"),
        ("CONTROL_STREAM_LIFETIME", "1h"),
        (
            "TAP_SVC_NAME",
            "tap.tulle-viz.serviceaccount.identity.tulle.cluster.local",
        ),
        ("INBOUND_METRICS_AUTHORITY_LABELS", "unsafe"),
        ("SOMETHING_NEW", "whatever"),
    ])
    .unwrap();
    assert_eq!(config.outbound.listen.len(), 2);
    assert!(config.inbound.opaque_ports.contains(4568));
    assert!(!config.inbound.opaque_ports.contains(80));
    assert_eq!(config.inbound.opaque_ports.iter().count(), 4);
    assert_eq!(config.policy.cluster_networks.len(), 2);
    assert_eq!(config.destination.suffixes, [""]);
    assert_eq!(
        config.inbound.direction.detect_timeout,
        Some(Duration::from_secs(365 * 86_400))
    );
    assert!(config.inbound.direction.server.keep_alive.is_some());
    assert_eq!(
        config.control_streams.lifetime,
        Some(Duration::from_secs(3600))
    );
    assert_eq!(config.tap.unwrap().listen, "0.0.0.0:4190".parse().unwrap());
    assert!(config.inbound.has_authority_labels);
}

#[test]
fn one_keep_alive_setting_takes_the_default_of_the_other() {
    let keep_alive = |settings: &[(&str, &str)]| {
        let config = read(settings).unwrap();
        config.inbound.direction.server.keep_alive
    };
    let seconds =
        |interval, timeout| Some((Duration::from_secs(interval), Duration::from_secs(timeout)));
    let interval = ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "30s");
    let timeout = ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "5s");
    assert_eq!(keep_alive(&[]), None);
    assert_eq!(keep_alive(&[interval]), seconds(30, 3));
    assert_eq!(keep_alive(&[timeout]), seconds(10, 5));
    assert_eq!(keep_alive(&[interval, timeout]), seconds(30, 5));
}

#[test]
fn a_bad_value_is_named_with_what_is_allowed() {
    let error = read(&[("OUTBOUND_CONNECT_TIMEOUT", "1 second")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT=\"1 second\" is not a duration: a whole number \
         and ms, s, m, h or d, such as 500ms or 10s"
    );
    for (name, value) in [
        ("INBOUND_PORTS", "80-"),
        ("INBOUND_PORTS", "90-80"),
        ("POLICY_CLUSTER_NETWORKS", "10.0.0.0"),
        ("INBOUND_DEFAULT_POLICY", "allow"),
        ("LOG_FORMAT", "xml"),
        ("CORES_MAX_RATIO", "1.5"),
        ("INBOUND_LISTEN_ADDR", "4143"),
        ("DESTINATION_SVC_ADDR", "dst"),
        ("IDENTITY_TRUST_ANCHORS", "none"),
        ("OUTBOUND_DETECT_TIMEOUT", "99999999999999999999d"),
    ] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(value), "{error}");
    }
}

#[test]
fn what_is_required_is_asked_for() {
    for name in complete().keys() {
        let mut variables = complete();
        variables.remove(name);
        let error = Config::from_env(|n| variables.get(n).cloned()).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{name} is not set")),
            "{error}"
        );
    }
}

#[test]
fn a_proxy_without_identity_is_refused() {
    let error = read(&[("IDENTITY_DISABLED", "disabled")]).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("IDENTITY_DISABLED=") && said.ends_with("unset it"),
        "{said}"
    );
}

#[test]
fn stream_limits_must_grow() {
    let error = read(&[
        ("CONTROL_STREAM_IDLE_TIMEOUT", "2h"),
        ("CONTROL_STREAM_LIFETIME", "1h"),
    ]);
    assert!(matches!(error, Err(ConfigError::Order { .. })));
}

#[test]
fn workers_follow_ratio_then_maximum_then_minimum() {
    let threads = |changes: &[(&str, &str)], cpus| read(changes).unwrap().workers.threads(cpus);
    assert_eq!(threads(&[], 8), 1);
    assert_eq!(threads(&[("CORES", "2")], 8), 2);
    assert_eq!(threads(&[("CORES_MAX", "4")], 8), 4);
    assert_eq!(threads(&[("CORES_MAX", "16")], 8), 8);
    assert_eq!(threads(&[("CORES_MAX_RATIO", "0.5")], 8), 4);
    assert_eq!(
        threads(&[("CORES_MIN", "2"), ("CORES_MAX_RATIO", "0.01")], 8),
        2
    );
}

#[test]
fn the_labels_to_drop_are_names_and_not_the_needed_ones() {
    let config = read(&[("METRICS_DROP_LABELS", "target_addr, authority")]).unwrap();
    assert_eq!(
        config.admin.metrics_dropped_labels,
        ["target_addr", "authority"]
    );
    for wrong in ["direction", "a-b", "target_addr,tls", "9"] {
        let error = read(&[("METRICS_DROP_LABELS", wrong)])
            .unwrap_err()
            .to_string();
        assert!(error.contains("METRICS_DROP_LABELS"), "{error}");
    }
    assert_eq!(
        read(&[]).unwrap().admin.metrics_max_series,
        Admin::MAX_SERIES
    );
}
