//! `GET /env.json`: the process's variables, all or those that the query names.

use http::header::{ACCEPT, HeaderMap};
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::body;
use crate::exchange::body::Body;

const JSON: &str = "application/json";

pub fn answer(
    variables: &[(String, String)],
    query: Option<&str>,
    headers: &HeaderMap,
) -> Response<Body> {
    if let Err(status) = accepts_json(headers) {
        let error = "this is application/json only; say so in the accept header or leave it out";
        return reply(status, &json!({ "error": error }));
    }
    match selected(variables, query.unwrap_or_default()) {
        Ok(values) => reply(StatusCode::OK, &Value::Object(values)),
        Err(error) => reply(StatusCode::BAD_REQUEST, &json!({ "error": error })),
    }
}

fn reply(status: StatusCode, value: &Value) -> Response<Body> {
    body(status, JSON, format!("{value}\n"))
}

fn accepts_json(headers: &HeaderMap) -> Result<(), StatusCode> {
    let mut is_named = false;
    for value in headers.get_all(ACCEPT) {
        is_named = true;
        let value = value.to_str().map_err(|_| StatusCode::BAD_REQUEST)?;
        for range in value.split(',') {
            let range = range.split(';').next().unwrap_or_default().trim();
            if !range.contains('/') {
                return Err(StatusCode::BAD_REQUEST);
            }
            if matches!(range, "application/json" | "application/*" | "*/*") {
                return Ok(());
            }
        }
    }
    match is_named {
        true => Err(StatusCode::NOT_ACCEPTABLE),
        false => Ok(()),
    }
}

/// A named variable that is not set is null.
fn selected(variables: &[(String, String)], query: &str) -> Result<Map<String, Value>, String> {
    let all = || {
        variables
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
    };
    if query.is_empty() {
        return Ok(all().collect());
    }
    let mut values = Map::new();
    for name in query.split('&').filter(|name| !name.is_empty()) {
        if name.contains('=') {
            return Err(format!("{name} is not a name; ask as /env.json?NAME&OTHER"));
        }
        let known = variables.iter().find(|(n, _)| n == name);
        values.insert(
            name.to_string(),
            known.map_or(Value::Null, |(_, v)| json!(v)),
        );
    }
    Ok(values)
}
