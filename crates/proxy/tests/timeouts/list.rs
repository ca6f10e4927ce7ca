//! Which waits there are, and what shows their end: held against the source.

use std::path::Path;

/// File, how many of its lines wait by the clock, and what shows that they end: a test beside this, or, in
/// brackets, why there is none.
const WAITS: [(&str, usize, &str); 22] = [
    ("connect/pool.rs", 1, "idle_connections_end"),
    ("connect/http2.rs", 2, "a_silent_http2_server_is_given_up"),
    (
        "connect/tcp.rs",
        2,
        "a_server_that_does_not_answer a_server_that_does_not_shake_hands",
    ),
    ("control/cache.rs", 1, "what_nobody_uses_is_forgotten"),
    ("control/identity.rs", 1, "a_leaf_is_renewed_before_it_ends"),
    (
        "control/stream.rs",
        2,
        "waits_between_attempts_double a_silent_control_plane_is_asked_again",
    ),
    (
        "exchange/first.rs",
        2,
        "a_server_that_speaks_first_waits_a_tenth_of_a_second half_a_first_line_is_not_waited_for",
    ),
    // The third gives a resting connection's buffers back, of which serve.rs has tests itself.
    (
        "exchange/serve.rs",
        3,
        "a_client_must_send_its_head a_silent_http2_server_is_given_up",
    ),
    ("inbound/accept.rs", 3, "a_client_must_finish_its_handshake"),
    (
        "inbound/policies.rs",
        1,
        "without_a_policy_service_the_default_holds_after_three_seconds",
    ),
    (
        "outbound/discover.rs",
        1,
        "a_connection_waits_ten_seconds_for_discovery",
    ),
    ("outbound/within.rs", 1, "a_route_s_time_is_up"),
    (
        "exchange/limits.rs",
        2,
        "a_silent_stream_is_given_up a_response_s_time_includes_its_body",
    ),
    (
        "outbound/pick.rs",
        1,
        "without_endpoints_a_request_fails_after_three_seconds",
    ),
    ("outbound/retry.rs", 1, "each_try_has_a_time_of_its_own"),
    ("run.rs", 2, "a_drain_ends_with_its_grace"),
    (
        "run/listen.rs",
        1,
        "[a pause after a failed accept, not a time-out]",
    ),
    ("tap/server.rs", 1, "a_tap_must_finish_its_handshake"),
    (
        "tap.rs",
        1,
        "[gathers events for one write, not a time-out]",
    ),
    (
        "balance/breaker.rs",
        0,
        "[has a clock handed in, and tests of its own]",
    ),
    (
        "inbound/rate_limit.rs",
        0,
        "[has a clock handed in, and tests of its own]",
    ),
    (
        "route/budget.rs",
        0,
        "[has a clock handed in, and tests of its own]",
    ),
];

const CLOCKED: [&str; 6] = [
    "time::timeout(",
    "time::timeout_at(",
    "time::sleep(",
    "time::sleep_until(",
    "time::interval(",
    ".keep_alive_timeout(",
];

/// Lines outside tests that wait by the clock, by file.
fn waits_in(folder: &Path, root: &Path, found: &mut Vec<(String, usize)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if path.is_dir() {
            waits_in(&path, root, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let is_wait = |line: &&str| CLOCKED.iter().any(|call| line.contains(call));
            let count = code.lines().filter(is_wait).count();
            if count > 0 {
                found.push((name, count));
            }
        }
    }
}

#[test]
fn every_wait_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    waits_in(&root, &root, &mut found);
    for (name, count) in &found {
        let listed = WAITS.iter().find(|(file, _, _)| file == name);
        let (_, listed, _) =
            listed.unwrap_or_else(|| panic!("{name} waits, and no test is listed"));
        assert_eq!(
            count, listed,
            "{name} has another number of waits than are listed"
        );
    }
    let source = [include_str!("main.rs"), include_str!("first_line.rs")].concat();
    for (file, count, tests) in WAITS {
        let is_there = count == 0 || found.iter().any(|(name, _)| name == file);
        assert!(is_there, "{file} no longer waits");
        for test in tests.split(' ').filter(|_| !tests.starts_with('[')) {
            assert!(
                source.contains(&format!("async fn {test}()")),
                "{test} is not there"
            );
        }
    }
}
