//! Which events are logged: `warn,linkerd=info,hickory=error,[{headers}]=off`.
//! The longest target that begins an event's target decides.

use tracing::level_filters::LevelFilter;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a log directive; write a level (off, error, warn, info, debug, trace) or target=level, separated by commas"
)]
pub struct FilterError(String);

#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    /// Longest target first.
    directives: Vec<Directive>,
}

#[derive(Clone, Debug)]
struct Directive {
    target: String,
    level: LevelFilter,
    /// Said of Linkerd and taken to mean us; what is said of us itself comes first.
    is_alias: bool,
}

impl Filter {
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut directives = Vec::new();
        for item in split(text) {
            // Of the spans that these name, we have none.
            if item.contains('[') {
                continue;
            }
            let (target, level) = directive(item)?;
            if let Some(rest) = target.strip_prefix("linkerd") {
                let is_whole = rest.is_empty() || rest.starts_with("2_proxy");
                directives.extend(is_whole.then(|| Directive {
                    target: "tulle".to_string(),
                    level,
                    is_alias: true,
                }));
            }
            directives.push(Directive {
                target: target.to_string(),
                level,
                is_alias: false,
            });
        }
        // Of two for one target the later counts.
        directives.reverse();
        directives.sort_by_key(|d| (std::cmp::Reverse(d.target.len()), d.is_alias));
        let text = text.trim().to_string();
        Ok(Self { text, directives })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn level_of(&self, target: &str) -> LevelFilter {
        let decides = |d: &&Directive| target.starts_with(&d.target);
        let found = self.directives.iter().find(decides);
        found.map_or(LevelFilter::OFF, |d| d.level)
    }

    pub fn most_verbose(&self) -> LevelFilter {
        let levels = self.directives.iter().map(|d| d.level);
        levels.max().unwrap_or(LevelFilter::OFF)
    }
}

/// Commas inside brackets belong to a span directive.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let at_comma = move |c: char| {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    text.split(at_comma)
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn directive(item: &str) -> Result<(&str, LevelFilter), FilterError> {
    let wrong = || FilterError(item.to_string());
    let is_target = |t: &str| {
        t.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_:-.".contains(&b))
    };
    let (target, level) = match item.split_once('=') {
        Some((_, level)) if level.trim().is_empty() => return Err(wrong()),
        Some((target, level)) => (target.trim(), level.trim().parse().map_err(|_| wrong())?),
        None => match item.parse() {
            Ok(level) => ("", level),
            Err(_) => (item, LevelFilter::TRACE),
        },
    };
    match is_target(target) {
        true => Ok((target, level)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(filter: &str, target: &str) -> LevelFilter {
        Filter::parse(filter).unwrap().level_of(target)
    }

    #[test]
    fn the_longest_target_decides() {
        let filter = "warn,tulle=info,tulle_proxy::tls=debug,hickory=error,[{headers}]=off";
        assert_eq!(level(filter, "h2::client"), LevelFilter::WARN);
        assert_eq!(level(filter, "tulle_proxy::run"), LevelFilter::INFO);
        assert_eq!(level(filter, "tulle_proxy::tls::keys"), LevelFilter::DEBUG);
        assert_eq!(level(filter, "hickory_resolver"), LevelFilter::ERROR);
    }

    #[test]
    fn linkerd_means_us_unless_we_are_named() {
        assert_eq!(
            level("warn,linkerd=debug", "tulle_proxy"),
            LevelFilter::DEBUG
        );
        for filter in ["tulle=info,linkerd=debug", "linkerd=debug,tulle=info"] {
            assert_eq!(level(filter, "tulle_proxy"), LevelFilter::INFO);
        }
        assert_eq!(
            level("warn,linkerd_app=debug", "tulle_proxy"),
            LevelFilter::WARN
        );
    }

    #[test]
    fn levels_may_stand_alone_and_targets_too() {
        assert_eq!(level("INFO", "x"), LevelFilter::INFO);
        assert_eq!(level("info,warn", "x"), LevelFilter::WARN);
        assert_eq!(level("tulle", "tulle_proxy"), LevelFilter::TRACE);
        assert_eq!(level("", "x"), LevelFilter::OFF);
        assert_eq!(level("[s{a,b}]=trace,info", "x"), LevelFilter::INFO);
        assert_eq!(
            Filter::parse("warn,a=debug").unwrap().most_verbose(),
            LevelFilter::DEBUG
        );
    }

    #[test]
    fn what_is_no_directive_is_refused() {
        for text in ["tulle=loud", "a b", "info,=,", "a;b=info"] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
