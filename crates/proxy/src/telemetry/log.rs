//! Our logs: one line per event on stdout, in Linkerd's plain form or as JSON, and a filter that
//! can be changed while the proxy runs.

mod filter;
mod lines;

use std::io::Write;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

pub use filter::{Filter, FilterError};
use lines::{Fields, Line, SpanFields};

use crate::config::{LogFormat, Logs};

/// Reads and changes what is logged.
#[derive(Clone)]
pub struct Handle(Arc<RwLock<Filter>>);

impl Handle {
    pub fn new(filter: Filter) -> Self {
        Self(Arc::new(RwLock::new(filter)))
    }

    /// The filter as it was written.
    pub fn text(&self) -> String {
        let filter = self.0.read().unwrap_or_else(PoisonError::into_inner);
        filter.text().to_string()
    }

    pub fn set(&self, text: &str) -> Result<(), FilterError> {
        let filter = Filter::parse(text)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = filter;
        // Call sites remember whether they are on.
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }

    fn is_on(&self, metadata: &Metadata<'_>) -> bool {
        let filter = self.0.read().unwrap_or_else(PoisonError::into_inner);
        *metadata.level() <= filter.level_of(metadata.target())
    }
}

/// Starts logging for the whole process; a second start changes nothing.
pub fn start(logs: &Logs) -> Result<Handle, FilterError> {
    let level = Handle::new(Filter::parse(&logs.filter)?);
    let log = Log {
        level: level.clone(),
        format: logs.format,
        started: Instant::now(),
        write: Box::new(|line| {
            // A closed stdout must not end the proxy.
            let _ = std::io::stdout().lock().write_all(line.as_bytes());
        }),
    };
    let _ = Registry::default().with(log).try_init();
    Ok(level)
}

struct Log {
    level: Handle,
    format: LogFormat,
    started: Instant,
    write: Box<dyn Fn(&str) + Send + Sync>,
}

impl<S> Layer<S> for Log
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.level.is_on(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.level.is_on(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let filter = self.level.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(filter.most_verbose())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(SpanFields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(SpanFields(fields)) = span.extensions_mut().get_mut() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut spans = Vec::new();
        for span in context
            .event_scope(event)
            .into_iter()
            .flat_map(|s| s.from_root())
        {
            let known = span.extensions();
            let fields = known.get::<SpanFields>().map(|f| f.0.clone());
            spans.push((span.name(), fields.unwrap_or_default()));
        }
        let line = Line {
            metadata: event.metadata(),
            fields,
            spans,
        };
        (self.write)(&match self.format {
            LogFormat::Plain => line.plain(self.started.elapsed()),
            LogFormat::Json => line.json(SystemTime::now()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    fn logged(format: LogFormat, f: impl FnOnce(&Handle)) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let level = Handle::new(Filter::parse("warn,linkerd=info,[{headers}]=off").unwrap());
        let log = Log {
            level: level.clone(),
            format,
            started: Instant::now(),
            write: Box::new(move |line| kept.lock().unwrap().push(line.to_string())),
        };
        tracing::subscriber::with_default(Registry::default().with(log), || f(&level));
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    fn story(_: &Handle) {
        let daemon = tracing::info_span!("daemon").entered();
        let _identity = tracing::info_span!("identity", server.addr = %"127.0.0.1:8080").entered();
        tracing::info!(id = %"web.shop", tries = 2, "Certified identity");
        tracing::debug!("not shown");
        drop(daemon);
    }

    #[test]
    fn plain_lines_look_like_linkerds() {
        let lines = logged(LogFormat::Plain, story);
        assert_eq!(lines.len(), 1);
        let (uptime, rest) = lines[0].split_at(16);
        assert!(
            uptime.starts_with("[     0.0") && uptime.ends_with("s]"),
            "{uptime}"
        );
        let (level, rest) = rest.split_once(") ").unwrap();
        assert!(level.starts_with("  INFO ThreadId("), "{level}");
        assert_eq!(
            rest,
            "daemon:identity{server.addr=127.0.0.1:8080}: tulle_proxy::telemetry::log::tests: \
             Certified identity id=web.shop tries=2\n"
        );
    }

    #[test]
    fn json_lines_are_objects() {
        let lines = logged(LogFormat::Json, story);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["fields"]["message"], "Certified identity");
        assert_eq!(line["fields"]["tries"], 2);
        assert_eq!(line["spans"][1]["name"], "identity");
        assert_eq!(line["spans"][1]["server.addr"], "127.0.0.1:8080");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_level_changes_while_running() {
        let lines = logged(LogFormat::Plain, |level| {
            for text in ["debug", "off", "linkerd=debug"] {
                level.set(text).unwrap();
                assert_eq!(level.text(), text);
                tracing::debug!(text, "now");
            }
            assert!(level.set("tulle=loud").is_err());
            assert_eq!(level.text(), "linkerd=debug");
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
    }
}
