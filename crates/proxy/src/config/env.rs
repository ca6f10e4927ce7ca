//! Looks variables up by their name without the prefix, and words what is wrong with one.

use std::fmt::Display;

const PREFIX: &str = "LINKERD2_PROXY_";

/// A parser's complaint is what would have been allowed.
pub type Parse<T> = fn(&str) -> Result<T, &'static str>;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name} is not set; {hint}")]
    Missing { name: String, hint: &'static str },
    #[error("{name}={value:?} is not {allowed}")]
    Invalid {
        name: String,
        value: String,
        allowed: &'static str,
    },
    #[error("{left} ({left_value}) must not be greater than {right} ({right_value})")]
    Order {
        left: String,
        left_value: String,
        right: String,
        right_value: String,
    },
}

pub struct Env<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Env<'a> {
    pub fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }

    /// An empty value counts as unset: that is how Kubernetes templates say "nothing".
    pub fn text(&self, name: &str) -> Option<String> {
        let value = (self.variable)(&format!("{PREFIX}{name}"))?;
        Some(value).filter(|v| !v.trim().is_empty())
    }

    pub fn foreign(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|v| !v.trim().is_empty())
    }

    pub fn optional<T>(&self, name: &str, parse: Parse<T>) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.text(name) else {
            return Ok(None);
        };
        match parse(value.trim()) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(allowed) => Err(ConfigError::Invalid {
                name: format!("{PREFIX}{name}"),
                value: shortened(&value),
                allowed,
            }),
        }
    }

    pub fn or<T>(&self, name: &str, parse: Parse<T>, default: T) -> Result<T, ConfigError> {
        Ok(self.optional(name, parse)?.unwrap_or(default))
    }

    pub fn required<T>(
        &self,
        name: &str,
        parse: Parse<T>,
        hint: &'static str,
    ) -> Result<T, ConfigError> {
        self.optional(name, parse)?.ok_or(Self::missing(name, hint))
    }

    pub fn missing(name: &str, hint: &'static str) -> ConfigError {
        ConfigError::Missing {
            name: format!("{PREFIX}{name}"),
            hint,
        }
    }

    pub fn out_of_order(left: (&str, impl Display), right: (&str, impl Display)) -> ConfigError {
        ConfigError::Order {
            left: format!("{PREFIX}{}", left.0),
            left_value: left.1.to_string(),
            right: format!("{PREFIX}{}", right.0),
            right_value: right.1.to_string(),
        }
    }
}

/// Trust bundles are long; the beginning tells what was given.
fn shortened(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_string(),
    }
}
