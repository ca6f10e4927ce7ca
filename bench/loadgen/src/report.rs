//! What was seen, added up over the connections and written as JSON.

use std::fmt::Write;
use std::time::Duration;

#[derive(Default)]
pub struct Seen {
    pub latencies: Vec<Duration>,
    pub from_due: Vec<Duration>,
    pub requests: u64,
    pub errors: u64,
}

impl Seen {
    pub fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.from_due.extend(other.from_due);
        self.requests += other.requests;
        self.errors += other.errors;
    }

    /// None: nothing succeeded, so there is nothing to tell.
    pub fn report(mut self, took: Duration) -> Option<String> {
        if self.latencies.is_empty() {
            return None;
        }
        let rate = self.requests as f64 / took.as_secs_f64();
        let (requests, errors) = (self.requests, self.errors);
        let latency = quantiles(&mut self.latencies);
        let from_due = quantiles(&mut self.from_due);
        Some(format!(
            r#"{{"requests":{requests},"errors":{errors},"rps":{rate:.1},"latency_ms":{latency},"from_due_ms":{from_due}}}"#
        ))
    }
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let mut out = String::from("{");
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        let millis = at(times, share).as_secs_f64() * 1e3;
        write!(out, r#""{name}":{millis:.4},"#).expect("writing to a string cannot fail");
    }
    let max = at(times, 1.0).as_secs_f64() * 1e3;
    write!(out, r#""max":{max:.4}}}"#).expect("writing to a string cannot fail");
    out
}

fn at(sorted: &[Duration], share: f64) -> Duration {
    let index = (share * sorted.len() as f64) as usize;
    sorted[index.min(sorted.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let mut times: Vec<Duration> = (1..=1000).rev().map(Duration::from_micros).collect();
        assert_eq!(
            quantiles(&mut times),
            r#"{"p50":0.5010,"p90":0.9010,"p99":0.9910,"p999":1.0000,"max":1.0000}"#
        );
    }

    #[test]
    fn without_a_success_there_is_no_report() {
        let seen = Seen {
            requests: 3,
            errors: 3,
            ..Seen::default()
        };
        assert_eq!(seen.report(Duration::from_secs(1)), None);
    }
}
