use std::time::{Duration, Instant};

use super::super::labels::{Direction, Labels, Side};
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn endpoint(port: u16) -> Labels {
    let target = std::net::SocketAddr::from(([10, 1, 0, 2], port));
    Labels::new().direction(Direction::Outbound).target(target)
}

#[test]
fn a_request_and_its_response_are_counted() {
    let metrics = Metrics::new(MINUTE);
    let handle = metrics.http_endpoint(endpoint(80));
    handle.request();
    handle.response(
        Some(200),
        Class::Success,
        None,
        None,
        Duration::from_millis(3),
    );
    handle.response(
        Some(200),
        Class::Failure,
        Some(13),
        None,
        Duration::from_millis(30),
    );
    handle.response(
        None,
        Class::Failure,
        None,
        Some("timeout"),
        Duration::from_secs(60),
    );
    let text = metrics.exposition();
    let labels = endpoint(80).as_str().to_string();
    for line in [
        format!("request_total{{{labels}}} 1\n"),
        format!("response_total{{{labels},status_code=\"200\",classification=\"success\"}} 1\n"),
        format!(
            "response_total{{{labels},status_code=\"200\",classification=\"failure\",grpc_status=\"13\"}} 1\n"
        ),
        format!("response_total{{{labels},classification=\"failure\",error=\"timeout\"}} 1\n"),
        format!("response_latency_ms_bucket{{{labels},status_code=\"200\",le=\"2\"}} 0\n"),
        format!("response_latency_ms_bucket{{{labels},status_code=\"200\",le=\"3\"}} 1\n"),
        format!("response_latency_ms_bucket{{{labels},status_code=\"200\",le=\"+Inf\"}} 2\n"),
        format!("response_latency_ms_sum{{{labels},status_code=\"200\"}} 33\n"),
        format!("response_latency_ms_bucket{{{labels},le=\"50000\"}} 0\n"),
        format!("response_latency_ms_count{{{labels}}} 1\n"),
    ] {
        assert!(text.contains(&line), "{line} is not in:\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn the_same_labels_are_the_same_series() {
    let metrics = Metrics::new(MINUTE);
    metrics.http_endpoint(endpoint(80)).request();
    metrics.http_endpoint(endpoint(80)).request();
    assert_eq!(metrics.http_endpoint(endpoint(80)).requests(), 2);
}

#[test]
fn idle_series_leave_and_come_back_when_touched() {
    let metrics = Metrics::new(MINUTE);
    let held = metrics.http_endpoint(endpoint(80));
    held.request();
    metrics.http_endpoint(endpoint(81)).request();
    let start = Instant::now();
    assert!(metrics.exposition_at(start).contains("target_port=\"81\""));
    let later = metrics.exposition_at(start + 2 * MINUTE);
    assert!(!later.contains("request_total"));
    held.request();
    let text = metrics.exposition_at(start + 3 * MINUTE);
    assert!(text.contains(&format!("request_total{{{}}} 2", endpoint(80).as_str())));
    assert!(!text.contains("target_port=\"81\""));
}

#[test]
fn open_connections_do_not_expire() {
    let metrics = Metrics::new(MINUTE);
    let labels = endpoint(80).peer(Side::Destination);
    let transport = metrics.transport(labels.clone());
    transport.open();
    transport.read(7);
    let start = Instant::now();
    metrics.exposition_at(start);
    let text = metrics.exposition_at(start + 10 * MINUTE);
    assert!(text.contains(&format!("tcp_open_connections{{{}}} 1", labels.as_str())));
    assert!(text.contains(&format!("tcp_read_bytes_total{{{}}} 7", labels.as_str())));
    transport.close(Some(104));
    let text = metrics.exposition_at(start + 11 * MINUTE);
    assert!(text.contains("errno=\"ECONNRESET\"} 1"));
    assert!(
        !metrics
            .exposition_at(start + 20 * MINUTE)
            .contains("tcp_open")
    );
}

#[test]
fn both_names_of_the_certificate_are_printed() {
    let metrics = Metrics::new(MINUTE);
    let expires = std::time::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let certificate = &metrics.control.certificate;
    certificate.attempt(Some(expires), std::time::SystemTime::now());
    certificate.attempt(None, std::time::SystemTime::now());
    let text = metrics.exposition();
    for line in [
        "control_identity_cert_expiration_timestamp_seconds 1900000000\n",
        "\nidentity_cert_expiration_timestamp_seconds 1900000000\n",
        "control_identity_cert_refreshes_total{result=\"error\"} 1\n",
        "\nidentity_cert_refresh_count 1\n",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn every_line_is_well_formed() {
    let metrics = Metrics::new(MINUTE);
    metrics
        .outbound
        .http
        .request_duration
        .get(&Labels::new())
        .observe_time(MINUTE);
    metrics.inbound.http_allow.get(&endpoint(1)).increment();
    let source: Arc<dyn Balancing> = limit_tests::balancing();
    let balancers = &metrics.outbound.http_balancer;
    let _row = balancers.row(endpoint(2), Arc::downgrade(&source));
    let text = metrics.exposition();
    let mut typed = std::collections::HashSet::new();
    for line in text.lines().filter(|l| *l != "# EOF") {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            assert!(
                typed.insert(head.split(' ').next().unwrap().to_string()),
                "twice: {line}"
            );
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap();
            let name = series.split('{').next().unwrap();
            let is_known = ["", "_bucket", "_sum", "_count"].iter().any(|end| {
                name.strip_suffix(end)
                    .is_some_and(|family| typed.contains(family))
            });
            assert!(is_known, "{line}");
        }
    }
}

#[test]
fn ten_thousand_series_are_written_quickly() {
    let metrics = Metrics::new(MINUTE);
    for port in 0..400 {
        let handle = metrics.http_endpoint(endpoint(port));
        handle.request();
        handle.response(Some(200), Class::Success, None, None, MINUTE);
    }
    let start = Instant::now();
    let text = metrics.exposition();
    let series = text.lines().filter(|l| !l.starts_with('#')).count();
    assert!(series > 10_000, "{series}");
    // 30 ms is the aim of a release build; this bound only catches a wrong order of growth.
    assert!(
        start.elapsed() < Duration::from_millis(600),
        "{:?}",
        start.elapsed()
    );
}
