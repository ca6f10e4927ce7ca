//! Settings: lines of `NUMBER=value`, laid over an environment that is right, never break the start
//! other than by one sentence that names the variable.
#![no_main]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tulle_proxy::config::Config;

const RIGHT: [(&str, &str); 10] = [
    ("DESTINATION_SVC_ADDR", "tulle-dst-headless.tulle.svc.cluster.local.:8086"),
    ("DESTINATION_SVC_NAME", "dst.tulle.serviceaccount.identity.tulle.cluster.local"),
    ("POLICY_SVC_ADDR", "127.0.0.1:8090"),
    ("POLICY_WORKLOAD", "{\"ns\":\"shop\",\"pod\":\"web-0\"}"),
    ("IDENTITY_SVC_ADDR", "localhost.:8080"),
    ("IDENTITY_DIR", "/var/run/linkerd/identity/end-entity"),
    ("IDENTITY_TRUST_ANCHORS", "-----BEGIN CERTIFICATE-----\nx"),
    ("IDENTITY_TOKEN_FILE", "/var/run/secrets/tokens/token"),
    ("IDENTITY_LOCAL_NAME", "web.shop.serviceaccount.identity.tulle.cluster.local"),
    ("TRACE_COLLECTOR_SVC_ADDR", "127.0.0.1:4317"),
];

fn right() -> HashMap<String, String> {
    RIGHT.map(|(name, value)| (format!("LINKERD2_PROXY_{name}"), value.to_string())).into()
}

/// Every variable that the proxy asks for, in its own order.
static ASKED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let asked = RefCell::new(Vec::new());
    let variables = right();
    let config = Config::from_env(|name| {
        asked.borrow_mut().push(name.to_string());
        variables.get(name).cloned()
    });
    config.expect("this environment is right");
    asked.into_inner()
});

fuzz_target!(|bytes: &[u8]| {
    let mut variables = right();
    for line in String::from_utf8_lossy(bytes).split('\n') {
        let Some((number, value)) = line.split_once('=') else { continue };
        let Ok(number) = number.trim().parse::<usize>() else { continue };
        variables.insert(ASKED[number % ASKED.len()].clone(), value.to_string());
    }
    if let Err(error) = Config::from_env(|name| variables.get(name).cloned()) {
        let words = error.to_string();
        assert!(words.starts_with("LINKERD2_PROXY_"), "{words}");
        assert!(!words.contains('\n'), "{words}");
        assert!(words.len() < 1_000, "{words}");
    }
});
