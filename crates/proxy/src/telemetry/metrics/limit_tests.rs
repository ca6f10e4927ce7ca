use std::time::{Duration, Instant};

use super::super::labels::{Direction, Labels};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn limited(most: usize, dropped: &[&str]) -> Arc<Metrics> {
    let dropped = dropped.iter().map(ToString::to_string).collect();
    Metrics::with_limit(MINUTE, SeriesLimit::new(most, dropped))
}

fn endpoint(port: u16) -> Labels {
    let target = std::net::SocketAddr::from(([10, 1, 0, 2], port));
    Labels::new().direction(Direction::Outbound).target(target)
}

fn ask(metrics: &Metrics, port: u16, status: u16) {
    let row = metrics.http_endpoint(endpoint(port));
    row.request();
    row.response(Some(status), Class::Success, None, None, MINUTE);
}

/// Two endpoints to pick, one that is left alone, five requests that wait.
struct Full;

impl Balancing for Full {
    fn now(&self) -> Option<Now> {
        Some(Now {
            ready: 2,
            pending: 1,
            waiting: 5,
            is_shut: false,
            since: 0.0,
            timeout: MINUTE,
        })
    }
}

pub fn balancing() -> Arc<dyn Balancing> {
    Arc::new(Full)
}

/// Lines with a sample, without those of the process and of families that always print.
fn samples(text: &str) -> usize {
    let empty = limited(0, &[]).exposition();
    let count = |text: &str| text.lines().filter(|l| !l.starts_with('#')).count();
    count(text) - count(&empty)
}

#[test]
fn what_is_over_the_limit_is_counted_together() {
    let metrics = limited(100, &[]);
    for port in 1..=50 {
        ask(&metrics, port, 200);
    }
    let text = metrics.exposition();
    let value = |name: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .map(|l| l.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    };
    assert_eq!(value("request_total{"), 50, "no request is lost");
    assert_eq!(value("response_total{"), 50);
    assert_eq!(value("response_latency_ms_count{"), 50);
    assert!(
        text.contains("\nrequest_total{overflow=\"true\"} "),
        "{text}"
    );
    assert!(value("proxy_metrics_series ") <= 100);
    assert_eq!(value("proxy_metrics_series_limit "), 100);
    assert!(value("proxy_metrics_series_refused_total ") > 0);
}

#[test]
fn the_limit_holds_for_lines_and_not_only_for_label_sets() {
    let metrics = limited(200, &[]);
    for status in 100..900 {
        ask(&metrics, 80, status);
    }
    let text = metrics.exposition();
    // The coarse rows of the one endpoint come on top: a count and a histogram.
    assert!(samples(&text) <= 200 + 1 + 28, "{}", samples(&text));
    assert!(
        text.contains("status_code=\"other\",classification=\"success\"} "),
        "{text}"
    );
}

#[test]
fn what_leaves_makes_room() {
    let metrics = limited(30, &[]);
    ask(&metrics, 1, 200);
    ask(&metrics, 2, 200);
    let start = Instant::now();
    assert!(metrics.exposition_at(start).contains("overflow"));
    metrics.exposition_at(start + 2 * MINUTE);
    assert_eq!(metrics.limit.now(), 0);
    ask(&metrics, 3, 200);
    let text = metrics.exposition_at(start + 2 * MINUTE);
    assert!(
        text.contains("target_port=\"3\",status_code=\"200\""),
        "{text}"
    );
    assert!(!text.contains("overflow"), "{text}");
}

#[test]
fn a_balancer_s_gauges_have_no_overflow_and_its_counts_have() {
    let metrics = limited(25, &[]);
    let balancers = &metrics.outbound.http_balancer;
    let source = balancing();
    let row = |port| balancers.row(endpoint(port), Arc::downgrade(&source));
    let (first, second) = (row(1), row(2));
    for row in [&first, &second] {
        row.sums().passed();
    }
    let text = metrics.exposition();
    let has = |line: &str| text.contains(&format!("outbound_http_balancer_{line}\n"));
    let labels = endpoint(1);
    let labels = labels.as_str();
    assert!(has(&format!("p2c_endpoints{{{labels}}} 3")), "{text}");
    assert!(
        has(&format!("queue_requests_total{{{labels}}} 1")),
        "{text}"
    );
    assert!(has("queue_requests_total{overflow=\"true\"} 1"), "{text}");
    assert!(!has("p2c_endpoints{overflow=\"true\"} 3"), "{text}");
    drop(first);
    let third = row(3);
    third.sums().passed();
    let text = metrics.exposition();
    assert!(!text.contains("target_port=\"1\""), "{text}");
    assert!(text.contains("target_port=\"3\"} 3\n"), "{text}");
    drop((second, third));
    assert_eq!(metrics.limit.now(), 0);
}

#[test]
fn balancers_with_the_same_labels_count_together() {
    let metrics = limited(100, &["target_addr", "target_port"]);
    let balancers = &metrics.outbound.http_balancer;
    let source = balancing();
    let rows = [1, 2, 2].map(|port| balancers.row(endpoint(port), Arc::downgrade(&source)));
    for row in &rows {
        row.sums().passed();
    }
    let text = metrics.exposition();
    let value = |name: &str| -> Vec<_> {
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(|l| l.rsplit_once(' ').unwrap().1).collect()
    };
    assert_eq!(value("outbound_http_balancer_queue_requests_total"), ["3"]);
    assert_eq!(
        value("outbound_http_balancer_queue_latency_seconds_count"),
        ["3"]
    );
    assert_eq!(value("outbound_http_balancer_queue_length"), ["5", "10"]);
    assert_eq!(value("outbound_http_balancer_p2c_endpoints"), ["3", "3"]);
}

#[test]
fn dropped_labels_make_one_series_of_many() {
    let metrics = limited(100, &["target_addr", "target_port"]);
    for port in 1..=50 {
        ask(&metrics, port, 200);
        metrics.inbound.http_allow.get(&endpoint(port)).increment();
    }
    let text = metrics.exposition();
    let labels = "direction=\"outbound\",target_ip=\"10.1.0.2\"";
    assert!(
        text.contains(&format!("\nrequest_total{{{labels}}} 50\n")),
        "{text}"
    );
    assert!(text.contains(&format!("inbound_http_authz_allow_total{{{labels}}} 50\n")));
    assert!(!text.contains("overflow"));
}
