//! One line per inbound request on stderr, when its response has been sent.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, USER_AGENT};
use http::{Request, Response};
use serde_json::json;

use super::clock::rfc3339;
use crate::config::AccessLogFormat;
use crate::exchange::body::Observer;

/// The first of these that a request has names its trace.
const TRACE_HEADERS: [&str; 3] = ["x-b3-traceid", "x-request-id", "x-amzn-trace-id"];

#[derive(Clone)]
pub struct AccessLog {
    format: AccessLogFormat,
    write: Arc<dyn Fn(&str) + Send + Sync>,
}

impl AccessLog {
    pub fn to_stderr(format: AccessLogFormat) -> Self {
        Self::new(format, |line| {
            // A closed stderr must not end the proxy.
            let _ = std::io::stderr().lock().write_all(line.as_bytes());
        })
    }

    pub fn new(format: AccessLogFormat, write: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            format,
            write: Arc::new(write),
        }
    }

    /// Begins an entry; it is written when the result is dropped, so drop it with the response.
    pub fn begin<B>(
        &self,
        client: SocketAddr,
        client_id: Option<&str>,
        request: &Request<B>,
    ) -> Entry {
        let header = |name: &str| text(request.headers(), name);
        Entry {
            log: self.clone(),
            started: Instant::now(),
            timestamp: SystemTime::now(),
            client,
            client_id: client_id.unwrap_or("-").to_string(),
            method: request.method().to_string(),
            uri: request.uri().to_string(),
            version: format!("{:?}", request.version()),
            trace_id: TRACE_HEADERS
                .iter()
                .map(|n| header(n))
                .find(|v| !v.is_empty()),
            request_bytes: header(CONTENT_LENGTH.as_str()),
            user_agent: header(USER_AGENT.as_str()),
            host: header(HOST.as_str()),
            response: None,
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| value.as_bytes());
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

struct Answered {
    status: u16,
    bytes: String,
    after: Duration,
}

pub struct Entry {
    log: AccessLog,
    started: Instant,
    timestamp: SystemTime,
    client: SocketAddr,
    client_id: String,
    method: String,
    uri: String,
    version: String,
    trace_id: Option<String>,
    request_bytes: String,
    user_agent: String,
    host: String,
    response: Option<Answered>,
}

impl Entry {
    /// When the response's headers are there.
    pub fn answered<B>(&mut self, response: &Response<B>) {
        self.response = Some(Answered {
            status: response.status().as_u16(),
            bytes: text(response.headers(), CONTENT_LENGTH.as_str()),
            after: self.started.elapsed(),
        });
    }

    fn status(&self) -> String {
        let answered = self.response.as_ref();
        answered.map_or(String::new(), |r| r.status.to_string())
    }

    fn apache(&self) -> String {
        // What a peer wrote must not look like the end of a field or line.
        let plain = |text: &str| text.replace(['"', '\n', '\r'], "_");
        format!(
            "{} {} - [{}] \"{} {} {}\" {}\n",
            self.client,
            self.client_id,
            rfc3339(self.timestamp),
            self.method,
            plain(&self.uri),
            self.version,
            self.status(),
        )
    }

    fn json(&self) -> String {
        let answered = self.response.as_ref();
        let nanos = |time: Duration| time.as_nanos().to_string();
        let line = json!({
            "client.addr": self.client.to_string(),
            "client.id": self.client_id,
            "timestamp": rfc3339(self.timestamp),
            "method": self.method,
            "uri": self.uri,
            "version": self.version,
            "trace_id": self.trace_id.as_deref().unwrap_or_default(),
            "request_bytes": self.request_bytes,
            "status": self.status(),
            "response_bytes": answered.map_or("", |r| &r.bytes),
            "total_ns": nanos(self.started.elapsed()),
            "processing_ns": answered.map_or(String::new(), |r| nanos(r.after)),
            "user_agent": self.user_agent,
            "host": self.host,
        });
        format!("{line}\n")
    }
}

/// Held by the response's body, so that it is written when the body is through.
impl Observer for Entry {}

impl Drop for Entry {
    fn drop(&mut self) {
        (self.log.write)(&match self.log.format {
            AccessLogFormat::Apache => self.apache(),
            AccessLogFormat::Json => self.json(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn line(format: AccessLogFormat, uri: &str) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let log = AccessLog::new(format, move |line| {
            kept.lock().unwrap().push(line.to_string());
        });
        let request = Request::get(uri)
            .header("host", "books")
            .header("x-request-id", "r1")
            .body(());
        let request = request.unwrap();
        let client = "10.1.2.3:50412".parse().unwrap();
        let mut entry = log.begin(client, Some("web.shop"), &request);
        assert!(lines.lock().unwrap().is_empty());
        let response = Response::builder().header("content-length", 7).body(());
        entry.answered(&response.unwrap());
        drop(entry);
        lines.lock().unwrap().concat()
    }

    #[test]
    fn apache_lines() {
        let line = line(AccessLogFormat::Apache, "http://books/");
        let (before, rest) = line.split_once('[').unwrap();
        let (time, rest) = rest.split_once(']').unwrap();
        assert_eq!(before, "10.1.2.3:50412 web.shop - ");
        assert!(time.ends_with('Z'));
        assert_eq!(rest, " \"GET http://books/ HTTP/1.1\" 200\n");
    }

    #[test]
    fn json_lines() {
        let line = line(AccessLogFormat::Json, "/a");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (key, value) in [
            ("client.id", "web.shop"),
            ("trace_id", "r1"),
            ("status", "200"),
            ("response_bytes", "7"),
            ("host", "books"),
            ("uri", "/a"),
        ] {
            assert_eq!(line[key], value, "{key}");
        }
        let total: u64 = line["total_ns"].as_str().unwrap().parse().unwrap();
        let processing: u64 = line["processing_ns"].as_str().unwrap().parse().unwrap();
        assert!(processing <= total);
    }

    #[test]
    fn what_was_not_answered_has_no_status() {
        let lines = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&lines);
        let log = AccessLog::new(AccessLogFormat::Apache, move |line| {
            kept.lock().unwrap().push_str(line);
        });
        let request = Request::get("/").body(()).unwrap();
        drop(log.begin("10.1.2.3:1".parse().unwrap(), None, &request));
        assert!(lines.lock().unwrap().ends_with("\"GET / HTTP/1.1\" \n"));
    }
}
