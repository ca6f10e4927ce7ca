//! One event -> one line.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tracing::Metadata;
use tracing::field::{Field, Visit};

use super::super::clock::rfc3339;

/// The values of an event or a span, as they were recorded.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

/// Kept with a span while it lives.
pub struct SpanFields(pub Fields);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.others.retain(|(name, _)| *name != field.name());
        self.others.push((field.name(), value));
    }

    /// `key=value`, separated by spaces.
    fn write(&self, out: &mut String) {
        for (index, (name, value)) in self.others.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            let written = match value {
                Value::String(text) => write!(out, "{space}{name}={text}"),
                value => write!(out, "{space}{name}={value}"),
            };
            written.expect("writing to a string cannot fail");
        }
    }

    fn json(self) -> Map<String, Value> {
        let named = self
            .others
            .into_iter()
            .map(|(name, value)| (name.to_string(), value));
        named.collect()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            _ => self.put(field, Value::String(text)),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_string(),
            _ => self.put(field, Value::String(value.to_string())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

pub struct Line<'a> {
    pub metadata: &'a Metadata<'a>,
    pub fields: Fields,
    /// Outermost first.
    pub spans: Vec<(&'static str, Fields)>,
}

impl Line<'_> {
    pub fn plain(self, uptime: Duration) -> String {
        let mut out = String::with_capacity(160);
        let (seconds, micros) = (uptime.as_secs(), uptime.subsec_micros());
        let (level, thread) = (self.metadata.level(), thread_id());
        write!(out, "[{seconds:>6}.{micros:06}s] {level:>5} {thread} ")
            .expect("writing to a string cannot fail");
        for (name, fields) in &self.spans {
            out.push_str(name);
            if !fields.others.is_empty() {
                out.push('{');
                fields.write(&mut out);
                out.push('}');
            }
            out.push(':');
        }
        if !self.spans.is_empty() {
            out.push(' ');
        }
        out.push_str(self.metadata.target());
        out.push_str(": ");
        let start = out.len();
        out.push_str(&self.fields.message);
        if out.len() > start && !self.fields.others.is_empty() {
            out.push(' ');
        }
        self.fields.write(&mut out);
        one_line(out)
    }

    pub fn json(self, now: SystemTime) -> String {
        let mut fields = Map::new();
        fields.insert("message".into(), self.fields.message.clone().into());
        fields.extend(self.fields.json());
        let span = |(name, values): (&str, Fields)| {
            let mut span = values.json();
            span.insert("name".into(), name.into());
            Value::Object(span)
        };
        let line = serde_json::json!({
            "timestamp": rfc3339(now),
            "level": self.metadata.level().as_str(),
            "fields": fields,
            "target": self.metadata.target(),
            "spans": self.spans.into_iter().map(span).collect::<Vec<_>>(),
            "threadId": thread_id(),
        });
        format!("{line}\n")
    }
}

/// `ThreadId(01)`.
fn thread_id() -> String {
    format!("{:0>2?}", std::thread::current().id())
}

/// A peer's text cannot begin a line of its own.
fn one_line(mut line: String) -> String {
    if line.contains(['\n', '\r']) {
        line = line.replace('\n', "\\n").replace('\r', "\\r");
    }
    line.push('\n');
    line
}
