//! A long time under load while endpoints come and go: nothing fails, and memory stays where it is.
//!
//! Twenty seconds by default; `TULLE_SOAK_SECONDS`, `TULLE_SOAK_RATE` (requests/s), `TULLE_SOAK_OUT`
//! (a file for the figures) and `TULLE_PROXY_BIN` make it the long run of `make soak`.

mod judge;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use judge::{Samples, sample};
use tulle_testkit::control::{ControlPlane, Service};
use tulle_testkit::echo;
use tulle_testkit::load::{self, Plan};
use tulle_testkit::pods::{Node, Pod, PodProxy};
use tulle_testkit::policies::Endpoint;
use tulle_testkit::shop::{CLIENT, SERVER, WEB, cluster_ip};

const BACKENDS: u8 = 4;
const PORT: u16 = 8080;

/// A removed endpoint must have been forgotten by then.
const FORGOTTEN_AFTER: Duration = Duration::from_millis(500);

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().expect("it is a whole number"))
}

fn program() -> PathBuf {
    let given = std::env::var_os("TULLE_PROXY_BIN").map(PathBuf::from);
    given.unwrap_or_else(|| env!("CARGO_BIN_EXE_tulle-proxy").into())
}

/// A workload: its pod, its application and its proxy.
struct Backend {
    application: echo::Http,
    proxy: PodProxy,
    endpoint: Endpoint,
    _pod: Pod,
}

impl Backend {
    async fn start(plane: &ControlPlane, node: &Node, number: u8, program: &Path) -> Self {
        let pod = node.pod(10 + number);
        pod.redirect();
        let application = echo::Http::start_on(pod.application(PORT), "web");
        let proxy = PodProxy::start(plane, &pod, program, SERVER, &[]).await;
        Self {
            application,
            proxy,
            endpoint: Endpoint::meshed(pod.address(PORT), SERVER),
            _pod: pod,
        }
    }
}

#[tokio::test]
#[ignore = "needs root: network namespaces"]
async fn endpoints_change_every_second_and_nothing_fails() {
    let length = Duration::from_secs(number("TULLE_SOAK_SECONDS", 20));
    let rate = number("TULLE_SOAK_RATE", 200);
    let program = program();
    let node = Node::new("soak", 1);
    let plane = ControlPlane::start().await;
    let mut backends = Vec::new();
    for number in 0..BACKENDS {
        backends.push(Backend::start(&plane, &node, number, &program).await);
    }
    let service = plane.service(WEB, cluster_ip());
    service.set(backends.iter().map(|b| b.endpoint.clone()).collect());
    let pod = node.pod(2);
    pod.redirect();
    let client = PodProxy::start(&plane, &pod, &program, CLIENT, &[]).await;

    let proxies: Vec<_> = std::iter::once(&client)
        .chain(backends.iter().map(|b| &b.proxy))
        .map(PodProxy::pid)
        .collect();
    let mut samples = Samples::new(&proxies);
    let load = load::start(
        &pod,
        Plan {
            to: cluster_ip(),
            authority: WEB.to_string(),
            rate,
            length,
        },
    );
    let begun = Instant::now();
    let mut churn = Churn::new(&service, &backends);
    while begun.elapsed() < length {
        churn.change();
        tokio::time::sleep(FORGOTTEN_AFTER).await;
        churn.note();
        samples.add(&proxies);
        tokio::time::sleep(Duration::from_secs(1) - FORGOTTEN_AFTER).await;
        churn.check();
    }
    let outcome = tokio::task::spawn_blocking(move || load.join()).await;
    let outcome = outcome.expect("the task lives").expect("it does not panic");
    let seconds = begun.elapsed().as_secs_f64();
    let report = samples.report(&proxies, seconds, &outcome, &churn.counts());
    eprintln!("{report:#}");
    if let Some(path) = std::env::var_os("TULLE_SOAK_OUT") {
        std::fs::write(path, format!("{report:#}\n")).expect("it can be written");
    }
    assert!(outcome.requests > 0);
    assert_eq!(outcome.failures, 0, "{:#?}", outcome.told);
    assert_eq!(churn.late, 0, "requests to endpoints that had gone");
    let is_grown = samples.grown(length);
    assert!(is_grown.is_empty(), "{is_grown:?}");
    assert!(proxies.iter().all(|&pid| sample(pid).is_some()), "all live");
}

/// Which of the backends discovery tells of, and what those got that it did not tell of.
struct Churn<'a> {
    service: &'a Service,
    backends: &'a [Backend],
    told: u8,
    chance: u32,
    changes: u64,
    counted: Vec<u64>,
    late: u64,
}

impl<'a> Churn<'a> {
    fn new(service: &'a Service, backends: &'a [Backend]) -> Self {
        Self {
            service,
            backends,
            told: (1 << BACKENDS) - 1,
            chance: 0x9e37_79b9,
            changes: 0,
            counted: Vec::new(),
            late: 0,
        }
    }

    /// Another set that is not empty.
    fn change(&mut self) {
        let before = self.told;
        while self.told == before || self.told == 0 {
            self.chance ^= self.chance << 13;
            self.chance ^= self.chance >> 17;
            self.chance ^= self.chance << 5;
            self.told = (self.chance >> 8) as u8 & ((1 << BACKENDS) - 1);
        }
        let told = self.told;
        let is_told = |(index, _): &(usize, &Backend)| told & (1 << index) != 0;
        let all = self.backends.iter().enumerate().filter(is_told);
        self.service
            .set(all.map(|(_, b)| b.endpoint.clone()).collect());
        self.changes += 1;
    }

    fn counts_now(&self) -> Vec<u64> {
        self.backends
            .iter()
            .map(|b| b.application.requests())
            .collect()
    }

    fn note(&mut self) {
        self.counted = self.counts_now();
    }

    fn check(&mut self) {
        for (index, now) in self.counts_now().into_iter().enumerate() {
            if self.told & (1 << index) == 0 {
                self.late += now - self.counted[index];
            }
        }
    }

    fn counts(&self) -> judge::Churned {
        judge::Churned {
            changes: self.changes,
            late: self.late,
            by_backend: self.counts_now(),
        }
    }
}
