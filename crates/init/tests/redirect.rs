//! Real rules in real network namespaces: what is applied, and where connections then arrive.
//! Needs root, `ip` and both variants of iptables: `cargo test -p tulle-init -- --ignored`.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test may panic as the test may"
)]

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

const POD: [&str; 2] = ["10.201.0.1", "fd00:201::1"];
const PEER: [&str; 2] = ["10.201.0.2", "fd00:201::2"];
const FLAGS: &str = "--incoming-proxy-port 4143 --outgoing-proxy-port 4140 --proxy-uid 2102 \
    --inbound-ports-to-ignore 4190,4191 --outbound-ports-to-ignore 443,6443";

/// A pod's namespace and a peer's, joined by a veth pair; gone when dropped.
struct Network {
    pod: String,
    peer: String,
}

impl Network {
    fn new(name: &str) -> Self {
        let network = Network {
            pod: format!("ti-{name}-pod"),
            peer: format!("ti-{name}-peer"),
        };
        let (pod, peer) = (&network.pod, &network.peer);
        ip(&format!("netns add {pod}"));
        ip(&format!("netns add {peer}"));
        ip(&format!(
            "-n {pod} link add eth0 type veth peer name eth0 netns {peer}"
        ));
        for (space, addresses) in [(pod, POD), (peer, PEER)] {
            ip(&format!(
                "-n {space} address add {}/24 dev eth0",
                addresses[0]
            ));
            ip(&format!(
                "-n {space} -6 address add {}/64 dev eth0 nodad",
                addresses[1]
            ));
            ip(&format!("-n {space} link set eth0 up"));
            ip(&format!("-n {space} link set lo up"));
        }
        network
    }

    fn init(&self, more: &str) -> Output {
        let words = FLAGS.split_whitespace().chain(more.split_whitespace());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tulle-init"));
        let command = command.arg("iptables").args(words);
        command
            .arg(format!("--netns=/run/netns/{}", self.pod))
            .output()
            .unwrap()
    }

    /// What the container runtime does with the plugin; `annotation` is the pod's.
    fn plugin(&self, command: &str, annotation: &str) -> Output {
        let pod = format!(r#"{{"linkerd.io/redirect": "{annotation}"}}"#);
        let network = format!(
            r#"{{"cniVersion": "1.0.0", "name": "pods", "type": "tulle-cni", "prevResult": {{"dns": {{}}}},
            "runtimeConfig": {{"io.kubernetes.cri.pod-annotations": {pod}}}}}"#
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_tulle-init"))
            .env("CNI_COMMAND", command)
            .env("CNI_NETNS", format!("/run/netns/{}", self.pod))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(network.as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    fn rules(&self, save: &str) -> Vec<String> {
        let saved = Command::new("ip")
            .args(["netns", "exec", &self.pod, save, "-t", "nat"])
            .output();
        let saved = String::from_utf8(saved.unwrap().stdout).unwrap();
        saved
            .lines()
            .filter(|line| line.starts_with("-A "))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for space in [&self.pod, &self.peer] {
            ip(&format!("netns delete {space}"));
        }
    }
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split(' ')).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {line}: {complaint}");
}

/// Runs on a thread of that namespace; sockets stay where they were made.
fn within<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{space}")).unwrap();
    thread::scope(|scope| {
        let inside = || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        };
        scope.spawn(inside).join().unwrap()
    })
}

/// Answers each connection with the port it listens on.
fn listen(space: &str, address: IpAddr, port: u16) {
    let listener = within(space, || TcpListener::bind((address, port)).unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(port.to_string().as_bytes()));
        }
    });
}

fn arrives_at(space: &str, address: &str, port: u16) -> String {
    let to = SocketAddr::new(address.parse().unwrap(), port);
    within(space, || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    })
}

fn everywhere(family: usize) -> IpAddr {
    ["0.0.0.0", "::"][family].parse().unwrap()
}

fn both_variants(work: impl Fn(&str)) {
    for mode in ["nft", "legacy"] {
        work(mode);
    }
}

#[test]
#[ignore = "needs root"]
fn connections_are_redirected_both_ways_in_both_families() {
    both_variants(|mode| {
        let network = Network::new(&format!("way-{mode}"));
        let output = network.init(&format!("--iptables-mode {mode}"));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        for family in [0, 1] {
            for port in [4140, 4143, 4191, 8080] {
                let address = if family == 0 {
                    everywhere(0)
                } else {
                    POD[1].parse().unwrap()
                };
                if !(family == 1 && port == 4140) {
                    listen(&network.pod, address, port);
                }
            }
            // Outbound connections are redirected to the loopback address of their family.
            if family == 1 {
                listen(&network.pod, "::1".parse().unwrap(), 4140);
            }
            for port in [80, 443] {
                listen(&network.peer, PEER[family].parse().unwrap(), port);
            }
            assert_eq!(
                arrives_at(&network.peer, POD[family], 8080),
                "4143",
                "{mode} inbound"
            );
            assert_eq!(
                arrives_at(&network.peer, POD[family], 4191),
                "4191",
                "{mode} ignored inbound"
            );
            assert_eq!(
                arrives_at(&network.pod, PEER[family], 80),
                "4140",
                "{mode} outbound"
            );
            assert_eq!(
                arrives_at(&network.pod, PEER[family], 443),
                "443",
                "{mode} ignored outbound"
            );
            assert_eq!(
                arrives_at(&network.pod, POD[family], 8080),
                "8080",
                "{mode} to itself"
            );
        }
    });
}

#[test]
#[ignore = "needs root"]
fn the_proxys_own_connections_pass() {
    both_variants(|mode| {
        let network = Network::new(&format!("uid-{mode}"));
        assert!(
            network
                .init(&format!("--iptables-mode {mode}"))
                .status
                .success()
        );
        listen(&network.pod, everywhere(0), 4140);
        listen(&network.peer, everywhere(0), 80);
        let answer = |uid: &str| {
            let script = format!("exec 3<>/dev/tcp/{}/80; cat <&3", PEER[0]);
            let line = [
                "netns",
                "exec",
                &network.pod,
                "setpriv",
                "--reuid",
                uid,
                "--clear-groups",
                "bash",
                "-c",
            ];
            let output = Command::new("ip").args(line).arg(script).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(answer("2102"), "80");
        assert_eq!(answer("1000"), "4140");
    });
}

#[test]
#[ignore = "needs root"]
fn a_second_run_leaves_the_same_rules() {
    both_variants(|mode| {
        let network = Network::new(&format!("two-{mode}"));
        let saves = [
            format!("iptables-{mode}-save"),
            format!("ip6tables-{mode}-save"),
        ];
        let without_time = |save: &String| timeless(network.rules(save));
        let flags = format!("--iptables-mode {mode}");
        assert!(network.init(&flags).status.success());
        let first = saves.each_ref().map(without_time);
        assert_eq!(first[0].len(), 8);
        let output = network.init(&flags);
        assert!(output.status.success());
        assert_eq!(saves.each_ref().map(without_time), first);
        assert!(String::from_utf8_lossy(&output.stderr).contains(" -t nat -F PROXY_INIT_OUTPUT "));
    });
}

/// As two runs at different times have them: without the time at each comment's end.
fn timeless(rules: Vec<String>) -> Vec<String> {
    let cut = |rule: String| rule.split('/').take(2).collect::<Vec<_>>().join("/");
    rules.into_iter().map(cut).collect()
}

#[test]
#[ignore = "needs root"]
fn the_plugin_sets_the_init_container_s_rules_and_its_mark() {
    both_variants(|mode| {
        let [by_init, by_plugin] =
            ["a", "b"].map(|name| Network::new(&format!("cni-{mode}-{name}")));
        let more = format!("--iptables-mode {mode}");
        assert!(by_init.init(&more).status.success());
        let flags = format!(
            "{} {more}",
            FLAGS.split_whitespace().collect::<Vec<_>>().join(" ")
        );
        let unmarked = by_plugin.plugin("CHECK", &flags);
        assert!(!unmarked.status.success());
        assert!(String::from_utf8_lossy(&unmarked.stdout).contains("bears no mark"));
        let output = by_plugin.plugin("ADD", &flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert_eq!(output.stdout, br#"{"dns":{}}"#);
        for family in ["iptables", "ip6tables"] {
            let save = format!("{family}-{mode}-save");
            let rules = timeless(by_plugin.rules(&save));
            assert_eq!(rules.len(), 8, "{rules:?}");
            assert_eq!(rules, timeless(by_init.rules(&save)));
        }
        assert!(by_plugin.plugin("CHECK", &flags).status.success());
        let shown = [
            "netns",
            "exec",
            &by_plugin.pod,
            "cat",
            "/sys/class/net/lo/ifalias",
        ];
        let shown = Command::new("ip").args(shown).output().unwrap();
        assert_eq!(shown.stdout, b"tulle-redirect\n");
    });
}

#[test]
#[ignore = "needs root"]
fn without_the_capability_it_says_which_is_missing() {
    let network = Network::new("caps");
    let init = env!("CARGO_BIN_EXE_tulle-init");
    let bare = [
        "netns",
        "exec",
        &network.pod,
        "setpriv",
        "--bounding-set=-net_admin",
        init,
    ];
    let output = Command::new("ip")
        .args(bare)
        .args(FLAGS.split_whitespace())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(
        log.contains("level=error") && log.contains("NET_ADMIN and NET_RAW"),
        "{log}"
    );
}

#[test]
#[ignore = "needs root"]
fn a_variant_that_fails_half_way_is_cleared_and_the_next_is_used() {
    let network = Network::new("half");
    let folder = format!("{}/half", env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).unwrap();
    let broken = format!("{folder}/iptables-nft");
    let script = "#!/bin/sh\ncase \"$*\" in *uid-owner*) echo 'missing kernel module?' >&2; exit 4;; esac\n\
        exec /usr/sbin/iptables-nft \"$@\"\n";
    std::fs::write(&broken, script).unwrap();
    assert!(
        Command::new("chmod")
            .args(["755", &broken])
            .status()
            .unwrap()
            .success()
    );
    let mut command = Command::new("ip");
    let command = command.env("PATH", format!("{folder}:/usr/sbin:/usr/bin:/bin"));
    let line = [
        "netns",
        "exec",
        &network.pod,
        env!("CARGO_BIN_EXE_tulle-init"),
        "--iptables-mode=nft",
    ];
    let output = command
        .args(line)
        .arg("--ipv6=false")
        .args(FLAGS.split_whitespace())
        .output();
    let output = output.unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("missing kernel module?"));
    let sets = ["iptables-nft-save", "iptables-legacy-save"].map(|save| network.rules(save).len());
    assert_eq!(sets.iter().sum::<usize>(), 8, "{sets:?}");
}
