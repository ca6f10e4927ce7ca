use super::*;
use crate::rules::{Existing, Family, redirecting};

fn parsed(line: &str) -> Result<Command, ArgsError> {
    parse(line.split_whitespace().map(OsString::from))
}

fn options(line: &str) -> IptablesOptions {
    match parsed(line).unwrap() {
        Command::Iptables(options) => *options,
        other => panic!("{other:?}"),
    }
}

fn refusal(line: &str) -> String {
    parsed(line).unwrap_err().to_string()
}

const PORTS_ONLY: &str = "--incoming-proxy-port 4143 --outgoing-proxy-port 4140";

#[test]
fn flags_alone_are_the_init_containers() {
    let line = "--ipv6=false --incoming-proxy-port 4143 --outgoing-proxy-port 4140 --proxy-uid 2102 \
        --inbound-ports-to-ignore 4190,4191,4567-4568 --outbound-ports-to-ignore 443 --subnets-to-ignore 10.0.0.0/8 \
        --log-format json --log-level debug --firewall-bin-path iptables-nft --firewall-save-bin-path iptables-nft-save \
        --timeout-close-wait-secs 3600";
    let options = options(line);
    assert!(!options.ipv6);
    assert_eq!(options.mode, Mode::Nft);
    assert_eq!(options.log_format, Format::Json);
    assert_eq!(options.log_level, Level::Debug);
    assert_eq!(options.close_wait_seconds, 3600);
    let rules = redirecting(&options.settings, Family::V4, Existing::default(), 0);
    assert!(
        rules
            .iter()
            .any(|rule| rule.0.contains(&"4190,4191,4567:4568".to_owned()))
    );
}

#[test]
fn short_flags_and_the_named_task_mean_the_same() {
    let options = options("iptables -p 4143 -o 4140 -u 2102 -g 0 -r 80,81 -w --simulate");
    assert_eq!(options.settings.proxy_uid, Some(2102));
    assert_eq!(options.settings.proxy_gid, None);
    assert_eq!(options.settings.redirect, Redirect::Listed(vec![80, 81]));
    assert!(options.is_simulated && options.ipv6);
}

#[test]
fn the_mode_beats_the_binarys_name() {
    let line = format!("{PORTS_ONLY} --firewall-bin-path iptables-nft --iptables-mode legacy");
    assert_eq!(options(&line).mode, Mode::Legacy);
    assert_eq!(
        options(&format!("{PORTS_ONLY} --firewall-bin-path iptables")).mode,
        Mode::Plain
    );
}

#[test]
fn empty_lists_are_no_rules() {
    let options = options(&format!(
        "{PORTS_ONLY} --inbound-ports-to-ignore= --subnets-to-ignore="
    ));
    assert!(options.settings.inbound_ignored.is_empty());
}

#[test]
fn refusals_name_flag_and_value() {
    assert!(refusal("--outgoing-proxy-port 4140").contains("--incoming-proxy-port is missing"));
    let line = format!("{PORTS_ONLY} --inbound-ports-to-ignore 80,x");
    assert!(refusal(&line).contains("--inbound-ports-to-ignore: `x` is not a port or a range"));
    assert!(refusal(&format!("{PORTS_ONLY} --subnets-to-ignore 1.2.3.4")).contains("10.0.0.0/8"));
    assert!(
        refusal(&format!("{PORTS_ONLY} --iptables-mode ebpf")).contains("legacy, nft or plain")
    );
    assert!(refusal(&format!("{PORTS_ONLY} --nonsense")).contains("nonsense"));
    assert!(refusal("dance").contains("`dance` is not a task"));
    assert!(refusal("run --").contains("name the program"));
    assert!(refusal("sleep soon").contains("seconds"));
}

#[test]
fn the_other_tasks_take_their_settings() {
    match parsed("await --port 5191 --timeout 2m").unwrap() {
        Command::Await { port, timeout } => {
            assert_eq!((port, timeout), (5191, Duration::from_secs(120)));
        }
        other => panic!("{other:?}"),
    }
    match parsed("run -- /proxy --flag").unwrap() {
        Command::Run(words) => assert_eq!(words, ["/proxy", "--flag"]),
        other => panic!("{other:?}"),
    }
}
