//! The init container's log: one line per event on stderr, in the form that operators know from
//! `kubectl logs POD tulle-init`, or as JSON.

use std::time::SystemTime;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Plain,
    Json,
}

/// Ordered by how much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    #[default]
    Info,
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Log {
    pub format: Format,
    pub most: Level,
}

impl Log {
    pub fn write(&self, level: Level, message: &str) {
        if level <= self.most {
            eprintln!("{}", line(self.format, level, message, SystemTime::now()));
        }
    }

    pub fn info(&self, message: &str) {
        self.write(Level::Info, message);
    }

    pub fn warning(&self, message: &str) {
        self.write(Level::Warning, message);
    }

    pub fn debug(&self, message: &str) {
        self.write(Level::Debug, message);
    }
}

fn line(format: Format, level: Level, message: &str, now: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(now).to_string();
    let level = level.name();
    match format {
        Format::Plain => format!("time=\"{time}\" level={level} msg={message:?}"),
        Format::Json => {
            serde_json::json!({"level": level, "msg": message, "time": time}).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_plain_line_has_time_level_and_quoted_message() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_676_965_892);
        assert_eq!(
            line(Format::Plain, Level::Info, "a \"b\"", now),
            r#"time="2023-02-21T07:51:32Z" level=info msg="a \"b\"""#
        );
    }

    #[test]
    fn a_json_line_can_be_read_back() {
        let text = line(Format::Json, Level::Warning, "a\n\u{1}", SystemTime::now());
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["msg"], "a\n\u{1}");
        assert_eq!(read["level"], "warning");
    }
}
