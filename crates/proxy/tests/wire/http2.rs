//! HTTP/2 by h2spec, every case, on both sides. What does not pass is a row of docs/reference/http2.md.

use std::collections::BTreeSet;

use tulle_proxy::exchange::serve::FRAME_SIZE;
use tulle_testkit::echo;

use super::peers::{program, run};
use super::raw::{Path, Way};

/// `section: case` of each case that failed, out of so many.
struct Report {
    failed: BTreeSet<String>,
    cases: usize,
}

fn read(report: &str) -> Report {
    let mut failed = BTreeSet::new();
    let cases = report.split("<testcase ").skip(1);
    let count = cases.clone().count();
    for case in cases {
        let attribute = |name: &str| {
            let (_, rest) = case.split_once(&format!("{name}=\"")).unwrap_or_default();
            let value = rest.split('"').next().unwrap_or_default();
            value.replace("&#34;", "\"").replace("&#39;", "'")
        };
        if case.contains("<failure") || case.contains("<error") {
            failed.insert(format!(
                "{}: {}",
                attribute("package"),
                attribute("classname")
            ));
        }
    }
    Report {
        failed,
        cases: count,
    }
}

/// The rows `| side | section: case | why |` of one side.
fn explained(side: &str) -> BTreeSet<String> {
    let page = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/http2.md"
    ));
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (row_side, case) = (cells.next()?, cells.next()?);
        (row_side == side || row_side == "both").then(|| case.to_string())
    });
    rows.collect()
}

async fn judge(way: Way, side: &str) {
    let application = echo::Http::start("web").await;
    let path = Path::open(way, application.address()).await;
    let report = std::env::temp_dir().join(format!("h2spec-{side}-{}.xml", std::process::id()));
    let mut h2spec = program("h2spec");
    h2spec
        .args([
            "--strict",
            "--timeout",
            "5",
            "--host",
            &path.address.ip().to_string(),
        ])
        .args(["--port", &path.address.port().to_string(), "--junit-report"])
        .arg(&report);
    // Five headers of this length are what it takes for a frame that is too large: h2spec's own
    // length fits into ours, and would try nothing.
    h2spec.args(["--max-header-length", &(FRAME_SIZE / 4).to_string()]);
    // It exits 1 if any case failed; the report says which.
    let said = run(h2spec).await;
    let text = std::fs::read_to_string(&report).unwrap_or_default();
    let _ = std::fs::remove_file(&report);
    let report = read(&text);
    assert!(report.cases > 140, "{} cases ran: {said:?}", report.cases);
    assert_eq!(
        report.failed,
        explained(side),
        "of {} cases on {side}",
        report.cases
    );
}

#[tokio::test]
#[ignore = "needs h2spec"]
async fn inbound_obeys_the_rfc() {
    judge(Way::Inbound, "inbound").await;
}

#[tokio::test]
#[ignore = "needs h2spec"]
async fn outbound_obeys_the_rfc() {
    judge(Way::Outbound, "outbound").await;
}
