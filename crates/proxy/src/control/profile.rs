//! ServiceProfiles: older routes by method and path, with classes, time-outs and a retry budget. Pure.

use std::time::Duration;

use http::{Method, StatusCode};
use linkerd2_proxy_api::destination as pb;
use regex::Regex;

#[derive(Clone, Debug)]
pub enum RequestCondition {
    All(Vec<RequestCondition>),
    Any(Vec<RequestCondition>),
    Not(Box<RequestCondition>),
    Path(Regex),
    Method(Method),
    /// Something that we do not know, and so nothing matches it.
    Never,
}

#[derive(Clone, Debug)]
pub enum ResponseCondition {
    All(Vec<ResponseCondition>),
    Any(Vec<ResponseCondition>),
    Not(Box<ResponseCondition>),
    Status(u16, u16),
    Never,
}

#[derive(Clone, Debug)]
pub struct ProfileRoute {
    pub condition: RequestCondition,
    /// The first that matches says whether the response is a failure.
    pub classes: Vec<(ResponseCondition, bool)>,
    pub labels: Vec<(String, String)>,
    pub is_retryable: bool,
    pub timeout: Option<Duration>,
}

/// How many retries there may be besides `per_second`, as a share of requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    pub ratio: f64,
    pub per_second: u32,
    pub ttl: Duration,
}

#[derive(Clone, Debug)]
pub struct Profile {
    pub name: String,
    pub routes: Vec<ProfileRoute>,
    pub budget: RetryBudget,
}

pub fn profile(from: &pb::DestinationProfile) -> Option<Profile> {
    if from.fully_qualified_name.is_empty() || from.routes.is_empty() {
        return None;
    }
    let budget = from.retry_budget.unwrap_or_default();
    let ttl = budget.ttl.and_then(|ttl| Duration::try_from(ttl).ok());
    Some(Profile {
        name: from.fully_qualified_name.clone(),
        routes: from.routes.iter().map(route).collect(),
        budget: RetryBudget {
            ratio: f64::from(budget.retry_ratio),
            per_second: budget.min_retries_per_second,
            ttl: ttl
                .filter(|ttl| !ttl.is_zero())
                .unwrap_or(Duration::from_secs(10)),
        },
    })
}

fn route(from: &pb::Route) -> ProfileRoute {
    let mut labels: Vec<_> = from.metrics_labels.clone().into_iter().collect();
    labels.sort();
    ProfileRoute {
        condition: from
            .condition
            .as_ref()
            .map_or(RequestCondition::Never, request),
        classes: from
            .response_classes
            .iter()
            .map(|class| {
                let condition = class.condition.as_ref();
                let condition = condition.map_or(ResponseCondition::Never, response);
                (condition, class.is_failure)
            })
            .collect(),
        labels,
        is_retryable: from.is_retryable,
        timeout: from
            .timeout
            .and_then(|timeout| Duration::try_from(timeout).ok())
            .filter(|timeout| !timeout.is_zero()),
    }
}

fn request(from: &pb::RequestMatch) -> RequestCondition {
    use pb::request_match::Match;
    match &from.r#match {
        Some(Match::All(seq)) => RequestCondition::All(seq.matches.iter().map(request).collect()),
        Some(Match::Any(seq)) => RequestCondition::Any(seq.matches.iter().map(request).collect()),
        Some(Match::Not(inner)) => RequestCondition::Not(Box::new(request(inner))),
        Some(Match::Path(path)) => {
            // The whole path has to match.
            let whole = Regex::new(&format!("^(?:{})$", path.regex));
            whole.map_or(RequestCondition::Never, RequestCondition::Path)
        }
        Some(Match::Method(method)) => Method::try_from(method.clone())
            .map_or(RequestCondition::Never, RequestCondition::Method),
        None => RequestCondition::Never,
    }
}

fn response(from: &pb::ResponseMatch) -> ResponseCondition {
    use pb::response_match::Match;
    match &from.r#match {
        Some(Match::All(seq)) => ResponseCondition::All(seq.matches.iter().map(response).collect()),
        Some(Match::Any(seq)) => ResponseCondition::Any(seq.matches.iter().map(response).collect()),
        Some(Match::Not(inner)) => ResponseCondition::Not(Box::new(response(inner))),
        Some(Match::Status(range)) => {
            let bound = |status: u32| u16::try_from(status).unwrap_or(u16::MAX);
            let max = if range.max == 0 { range.min } else { range.max };
            ResponseCondition::Status(bound(range.min), bound(max))
        }
        None => ResponseCondition::Never,
    }
}

impl RequestCondition {
    pub fn matches(&self, method: &Method, path: &str) -> bool {
        match self {
            Self::All(all) => all.iter().all(|c| c.matches(method, path)),
            Self::Any(any) => any.iter().any(|c| c.matches(method, path)),
            Self::Not(inner) => !inner.matches(method, path),
            Self::Path(regex) => regex.is_match(path),
            Self::Method(wanted) => wanted == method,
            Self::Never => false,
        }
    }
}

impl ResponseCondition {
    fn matches(&self, status: StatusCode) -> bool {
        match self {
            Self::All(all) => all.iter().all(|c| c.matches(status)),
            Self::Any(any) => any.iter().any(|c| c.matches(status)),
            Self::Not(inner) => !inner.matches(status),
            Self::Status(min, max) => (*min..=*max).contains(&status.as_u16()),
            Self::Never => false,
        }
    }
}

impl ProfileRoute {
    /// None: the profile does not say.
    pub fn is_failure(&self, status: StatusCode) -> Option<bool> {
        let mut classes = self.classes.iter();
        classes
            .find(|(condition, _)| condition.matches(status))
            .map(|(_, is_failure)| *is_failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_path(regex: &str) -> pb::RequestMatch {
        let path = pb::PathMatch {
            regex: regex.to_string(),
        };
        pb::RequestMatch {
            r#match: Some(pb::request_match::Match::Path(path)),
        }
    }

    #[test]
    fn a_path_is_matched_as_a_whole() {
        let condition = request(&by_path("/books/[^/]+"));
        assert!(condition.matches(&Method::GET, "/books/1"));
        assert!(!condition.matches(&Method::GET, "/books/1/pages"));
    }

    #[test]
    fn the_first_class_that_matches_decides() {
        let route = ProfileRoute {
            condition: RequestCondition::Never,
            classes: vec![
                (ResponseCondition::Status(404, 404), false),
                (ResponseCondition::Status(400, 499), true),
            ],
            labels: Vec::new(),
            is_retryable: false,
            timeout: None,
        };
        assert_eq!(route.is_failure(StatusCode::NOT_FOUND), Some(false));
        assert_eq!(route.is_failure(StatusCode::BAD_REQUEST), Some(true));
        assert_eq!(route.is_failure(StatusCode::OK), None);
    }
}
