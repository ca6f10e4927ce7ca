use super::*;

fn network(annotations: Value) -> String {
    json!({
        "cniVersion": "1.0.0",
        "name": "pods",
        "type": TYPE,
        "runtimeConfig": {ANNOTATIONS: annotations},
        "prevResult": {"cniVersion": "1.0.0", "ips": [{"address": "10.1.0.5/24"}]},
    })
    .to_string()
}

#[test]
fn a_pod_without_proxy_passes_on_what_came_before() {
    let passed = answer("ADD", &network(json!({"other": "note"})), None).unwrap();
    let passed: Value = serde_json::from_str(&passed).unwrap();
    assert_eq!(passed["ips"][0]["address"], "10.1.0.5/24");
    let old_runtime = json!({"prevResult": {"ips": []}}).to_string();
    assert_eq!(answer("ADD", &old_runtime, None).unwrap(), r#"{"ips":[]}"#);
}

#[test]
fn what_is_wrong_is_said_in_the_specification_s_form() {
    let meshed = network(json!({REDIRECT: "--incoming-proxy-port 4143"}));
    let cases = [
        ("ADD", "no JSON".to_owned(), "is not JSON", 6),
        ("ADD", "{}".to_owned(), "stands first", 7),
        ("ADD", meshed.clone(), "CNI_NETNS is not set", 4),
        ("MOVE", "{}".to_owned(), "`MOVE`", 4),
    ];
    for (command, input, said, code) in cases {
        let error = answer(command, &input, None).unwrap_err();
        assert!(error.to_string().contains(said), "{command}: {error}");
        assert_eq!(error.code(), code, "{error}");
    }
    let error = answer("ADD", &meshed, Some("/nowhere".into())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("--outgoing-proxy-port is missing"),
        "{error}"
    );
}

#[test]
fn an_annotation_cannot_name_another_task_or_namespace() {
    for flags in ["--help", "--version --netns=/run/netns/other"] {
        let input = network(json!({REDIRECT: flags}));
        let error = answer("ADD", &input, Some("/nowhere".into())).unwrap_err();
        assert_eq!(error.code(), 100, "{error}");
    }
    let flags = "--incoming-proxy-port 1 --outgoing-proxy-port 2 --netns /run/netns/other";
    let error = answer(
        "ADD",
        &network(json!({REDIRECT: flags})),
        Some("/nowhere".into()),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("/nowhere cannot be entered"), "{error}");
}

#[test]
fn a_gate_that_cannot_be_closed_starts_no_pod() {
    let input = network(json!({REDIRECT: "--incoming-proxy-port 4143", GATE: "closed"}));
    let error = answer("ADD", &input, Some("/nowhere".into())).unwrap_err();
    assert!(
        error.to_string().contains("volume tulle-gate is not among"),
        "{error}"
    );
    assert_eq!(error.code(), 100);
}

#[test]
fn versions_are_told_and_an_end_needs_nothing() {
    let told: Value = serde_json::from_str(&answer("VERSION", "", None).unwrap()).unwrap();
    assert_eq!(told["supportedVersions"][3], "1.0.0");
    assert_eq!(answer("DEL", "", None).unwrap(), "");
}
