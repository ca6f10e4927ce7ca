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
fn a_gauge_has_no_overflow() {
    let metrics = limited(1, &[]);
    let endpoints = &metrics.outbound.http_balancer.endpoints;
    endpoints.get(&endpoint(1)).set(1);
    endpoints.get(&endpoint(2)).set(2);
    let text = metrics.exposition();
    assert!(text.contains("target_port=\"1\"} 1\n"));
    assert!(!text.contains("overflow"));
    endpoints.remove(&endpoint(1));
    endpoints.get(&endpoint(2)).set(2);
    assert!(metrics.exposition().contains("target_port=\"2\"} 2\n"));
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
