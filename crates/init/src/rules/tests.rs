use super::*;

const NOW: u64 = 1_676_965_892;

fn settings() -> Settings {
    Settings {
        inbound_port: 4143,
        outbound_port: 4140,
        proxy_uid: Some(2102),
        proxy_gid: None,
        redirect: Redirect::All,
        inbound_ignored: ports("4190,4191"),
        outbound_ignored: ports("443,6443"),
        subnets_ignored: Vec::new(),
    }
}

fn ports(text: &str) -> Vec<Ports> {
    text.split(',').map(|word| word.parse().unwrap()).collect()
}

fn lines(settings: &Settings, family: Family, existing: Existing) -> Vec<String> {
    let rules = redirecting(settings, family, existing, NOW);
    rules.iter().map(|rule| rule.0.join(" ")).collect()
}

fn fresh(settings: &Settings) -> Vec<String> {
    lines(settings, Family::V4, Existing::default())
}

#[test]
fn a_fresh_pod_gets_every_rule_in_order() {
    let wanted = [
        "-N PROXY_INIT_REDIRECT # redirect-common-chain",
        "-A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 4190,4191 -j RETURN # ignore-port-4190,4191",
        "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143 # redirect-all-incoming-to-proxy-port",
        "-A PREROUTING -j PROXY_INIT_REDIRECT # install-proxy-init-prerouting",
        "-N PROXY_INIT_OUTPUT # redirect-common-chain",
        "-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN # ignore-proxy-user-id",
        "-A PROXY_INIT_OUTPUT -o lo -j RETURN # ignore-loopback",
        "-A PROXY_INIT_OUTPUT -p tcp --match multiport --dports 443,6443 -j RETURN # ignore-port-443,6443",
        "-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140 # redirect-all-outgoing-to-proxy-port",
        "-A OUTPUT -j PROXY_INIT_OUTPUT # install-proxy-init-output",
    ];
    let expand = |line: &str| {
        let (arguments, name) = line.split_once(" # ").unwrap();
        format!("-t nat {arguments} -m comment --comment proxy-init/{name}/{NOW} -w")
    };
    assert_eq!(fresh(&settings()), wanted.map(expand));
}

#[test]
fn what_exists_is_flushed_and_no_jump_is_doubled() {
    let listing = "-P OUTPUT ACCEPT\n-N PROXY_INIT_OUTPUT\n-N PROXY_INIT_REDIRECT\n\
        -A PREROUTING -m comment --comment \"proxy-init/install-proxy-init-prerouting/1\" -j PROXY_INIT_REDIRECT\n\
        -A OUTPUT -j PROXY_INIT_OUTPUT\n";
    let existing = Existing::parse(listing);
    assert!(existing.is_complete());
    let lines = lines(&settings(), Family::V4, existing);
    assert!(lines[0].starts_with("-t nat -F PROXY_INIT_REDIRECT "));
    assert!(
        !lines
            .iter()
            .any(|line| line.contains("-N ") || line.contains("-A PREROUTING"))
    );
    assert!(!lines.iter().any(|line| line.contains("-A OUTPUT")));
}

#[test]
fn a_chain_without_its_jump_gets_the_jump() {
    let existing = Existing::parse("-N PROXY_INIT_REDIRECT\n-N PROXY_INIT_OUTPUT\n");
    assert!(!existing.is_complete());
    let lines = lines(&settings(), Family::V4, existing);
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("-A PREROUTING"))
            .count(),
        1
    );
}

#[test]
fn a_jump_of_another_chain_is_not_ours() {
    let listing = "-A PROXY_INIT_X -j PROXY_INIT_OUTPUT\n-A OUTPUT -j PROXY_INIT_OUTPUT_OTHER\n";
    assert_eq!(Existing::parse(listing), Existing::default());
}

#[test]
fn removing_takes_jumps_before_chains() {
    let listing =
        "-N PROXY_INIT_OUTPUT\n-A OUTPUT -m comment --comment \"a/b\" -j PROXY_INIT_OUTPUT\n";
    let rules = removing(Existing::parse(listing), &jumps(listing));
    let lines: Vec<String> = rules.iter().map(|rule| rule.0.join(" ")).collect();
    assert_eq!(
        lines,
        [
            "-t nat -D OUTPUT -m comment --comment a/b -j PROXY_INIT_OUTPUT -w",
            "-t nat -F PROXY_INIT_OUTPUT -w",
            "-t nat -X PROXY_INIT_OUTPUT -w",
        ]
    );
}

#[test]
fn a_multiport_match_holds_fifteen_ports_and_ranges_count_twice() {
    let fifteen: Vec<String> = (1..=15).map(|port| port.to_string()).collect();
    let cases = [
        (fifteen.join(","), vec![fifteen.join(",")]),
        (
            format!("{},16", fifteen.join(",")),
            vec![fifteen.join(","), "16".into()],
        ),
        (
            format!("{},20-30", fifteen[..14].join(",")),
            vec![fifteen[..14].join(","), "20:30".into()],
        ),
        ("7-7".into(), vec!["7".into()]),
    ];
    for (given, wanted) in cases {
        assert_eq!(multiports(&ports(&given)), wanted, "{given}");
    }
    assert!(multiports(&[]).is_empty());
}

#[test]
fn listed_ports_replace_the_catch_all() {
    let mut settings = settings();
    settings.redirect = Redirect::Listed(vec![80, 8080]);
    let lines = fresh(&settings);
    let redirects: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("--to-port 4143"))
        .collect();
    assert_eq!(redirects.len(), 2);
    assert!(redirects[1].contains("-p tcp --destination-port 8080 -j REDIRECT"));
    assert!(redirects[1].contains("redirect-port-8080-to-proxy-port/"));
}

#[test]
fn subnets_go_to_the_family_that_knows_them() {
    let mut settings = settings();
    settings.subnets_ignored = ["10.1.0.0/16", "fd00::/8"]
        .map(|text| text.parse().unwrap())
        .to_vec();
    let of = |family| {
        let lines = lines(&settings, family, Existing::default());
        lines
            .into_iter()
            .filter(|line| line.contains(" -s "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(of(Family::V4).contains("-p all -j RETURN -s 10.1.0.0/16 -m comment"));
    assert!(!of(Family::V4).contains("fd00"));
    assert!(of(Family::V6).contains("-s fd00::/8") && !of(Family::V6).contains("10.1"));
}

#[test]
fn the_group_has_a_rule_of_its_own() {
    let mut settings = settings();
    settings.proxy_gid = Some(2103);
    assert!(
        fresh(&settings)
            .iter()
            .any(|line| line.contains("-m owner --gid-owner 2103 -j RETURN"))
    );
}

#[test]
fn malformed_ports_and_subnets_are_refused() {
    for text in ["", "a", "70000", "10-5", "1-", "-1"] {
        assert_eq!(text.parse::<Ports>(), Err(Malformed), "{text:?}");
    }
    for text in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "a/8"] {
        assert_eq!(text.parse::<Subnet>(), Err(Malformed), "{text:?}");
    }
}
