use super::*;

fn parts(method: &str, uri: &str) -> Parts {
    let request = http::Request::builder().method(method).uri(uri);
    request.body(()).unwrap().into_parts().0
}

fn rule(path: PathMatch, policy: &'static str) -> Rule<&'static str> {
    let matches = vec![RequestMatch {
        path: Some(path),
        ..RequestMatch::default()
    }];
    Rule { matches, policy }
}

fn routes(rules: Vec<Rule<&'static str>>) -> Routes<&'static str> {
    Routes(vec![Route {
        reference: Arc::default(),
        hosts: Vec::new(),
        rules,
    }])
}

fn selected(routes: &Routes<&'static str>, request: &Parts, host: &str) -> Option<&'static str> {
    routes.select(request, host).map(|s| *s.policy)
}

#[test]
fn an_exact_path_beats_the_longest_prefix_and_that_a_shorter_one() {
    let routes = routes(vec![
        rule(PathMatch::Prefix(String::new()), "any"),
        rule(PathMatch::Prefix("/a/b".into()), "long"),
        rule(PathMatch::Exact("/a/b/c".into()), "exact"),
    ]);
    assert_eq!(
        selected(&routes, &parts("GET", "/a/b/c"), ""),
        Some("exact")
    );
    assert_eq!(selected(&routes, &parts("GET", "/a/b/d"), ""), Some("long"));
    assert_eq!(selected(&routes, &parts("GET", "/a/bc"), ""), Some("any"));
}

#[test]
fn of_equal_rules_the_first_wins() {
    let routes = routes(vec![
        rule(PathMatch::Prefix("/a".into()), "first"),
        rule(PathMatch::Prefix("/a".into()), "second"),
    ]);
    assert_eq!(selected(&routes, &parts("GET", "/a"), ""), Some("first"));
}

#[test]
fn a_query_value_is_compared_decoded() {
    let mut one = rule(PathMatch::Prefix(String::new()), "query");
    one.matches[0].query = vec![("q".into(), ValueMatch::Exact(b"a b".to_vec()))];
    let routes = routes(vec![one]);
    assert_eq!(
        selected(&routes, &parts("GET", "/?x=1&q=a%20b"), ""),
        Some("query")
    );
    assert_eq!(
        selected(&routes, &parts("GET", "/?q=a+b"), ""),
        Some("query")
    );
    assert_eq!(selected(&routes, &parts("GET", "/?q=ab"), ""), None);
}

#[test]
fn a_host_suffix_needs_a_label_before_it() {
    let mut routes = routes(vec![rule(PathMatch::Prefix(String::new()), "host")]);
    routes.0[0].hosts = vec![HostMatch::Suffix(".example.com".into())];
    let request = parts("GET", "/");
    assert_eq!(
        selected(&routes, &request, "a.example.com:80"),
        Some("host")
    );
    assert_eq!(selected(&routes, &request, "example.com"), None);
}

#[test]
fn an_rpc_matches_by_service_and_method() {
    let rpc = |service: &str, method: &str| PathMatch::Rpc {
        service: service.into(),
        method: method.into(),
    };
    let routes = routes(vec![
        rule(rpc("a.B", ""), "service"),
        rule(rpc("a.B", "C"), "method"),
    ]);
    assert_eq!(
        selected(&routes, &parts("POST", "/a.B/C"), ""),
        Some("method")
    );
    assert_eq!(
        selected(&routes, &parts("POST", "/a.B/D"), ""),
        Some("service")
    );
    assert_eq!(selected(&routes, &parts("POST", "/x.Y/C"), ""), None);
}
