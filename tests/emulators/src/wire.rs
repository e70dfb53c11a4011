//! Requests and replies of HTTP, and what an emulated service is.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};
use serde_json::Value;

use crate::backend::{Failure, Result};
use crate::clock::Clock;
use crate::encoding;

/// What arrived, as it was sent.
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Still percent-encoded.
    pub(crate) path: String,
    /// Still percent-encoded, without the `?`.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Headers as most vendors sign them: one on each line.
    pub(crate) fn header_lines(&self, names: &[&str]) -> String {
        let line = |name: &&str| format!("{name}:{}\n", self.header(name).trim());
        names.iter().map(line).collect::<Vec<_>>().concat()
    }

    /// The decoded pairs of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        encoding::pairs(&self.query)
    }

    /// The first value of a name in the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query().into_iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// The decoded pairs of a form in the body; none where it is none.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        if self.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return encoding::pairs(&String::from_utf8_lossy(&self.body));
        }
        Vec::new()
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.body.is_empty() {
            return Some(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// The decoded segments of the path.
    pub(crate) fn segments(&self) -> Vec<String> {
        let segments = self.path.split('/').filter(|segment| !segment.is_empty());
        segments.map(encoding::unpercent).collect()
    }
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Reply { status, headers, body: body.to_string().into_bytes() }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Reply { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A service: what it makes of a request.
pub(crate) trait Protocol: Send + Sync {
    /// The vendor's name of the operation that is asked for, by which calls are counted.
    fn operation(&self, request: &Request) -> String;

    /// Every name that [`Protocol::operation`] answers for what is offered.
    fn operations(&self) -> Vec<String>;

    /// Checks who asks, performs what is asked, answers.
    fn answer(&self, clock: &Clock, request: &Request) -> Reply;

    /// The answer to whoever asks too often.
    fn throttled(&self) -> Reply;

    /// The answer where the service cannot work.
    fn unavailable(&self) -> Reply;

    /// Credentials and places, under the names of the vendor's environment variables.
    fn environment(&self, url: &str) -> BTreeMap<String, String>;

    /// Ends all tokens that were given out.
    fn expire_tokens(&self) {}
}

/// Environment variables.
pub(crate) fn variables<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// The parameters of a call, as members of an object.
pub(crate) struct Parameters(pub(crate) Value);

impl Parameters {
    /// From names and values; of a name that stands twice the last value counts.
    pub(crate) fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Parameters(pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect())
    }

    /// A text, where it is there and not empty.
    pub(crate) fn optional(&self, name: &str) -> Option<&str> {
        self.0[name].as_str().filter(|text| !text.is_empty())
    }

    /// A text, which is empty where it is absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub(crate) fn required(&self, name: &'static str) -> Result<&str> {
        self.optional(name).ok_or(Failure::Missing(name))
    }

    /// A number, which may be written as text.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<i64>> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::Number(number) => number.as_i64().map(Some).ok_or(Failure::Invalid(name)),
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => text.parse().map(Some).map_err(|_| Failure::Invalid(name)),
            _ => Err(Failure::Invalid(name)),
        }
    }

    /// A number between two bounds.
    pub(crate) fn number_in(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>> {
        match self.number(name)? {
            Some(number) if !bounds.contains(&number) => Err(Failure::Invalid(name)),
            number => Ok(number),
        }
    }

    /// A number that must be there, between two bounds.
    pub(crate) fn required_in(
        &self,
        name: &'static str,
        bounds: std::ops::RangeInclusive<i64>,
    ) -> Result<i64> {
        self.number_in(name, bounds)?.ok_or(Failure::Missing(name))
    }

    /// Bytes in base64 that must be there.
    pub(crate) fn bytes(&self, name: &'static str) -> Result<Vec<u8>> {
        encoding::unb64(self.required(name)?).ok_or(Failure::Invalid(name))
    }

    /// Texts, none where absent.
    pub(crate) fn texts(&self, name: &'static str) -> Vec<String> {
        let items = self.0[name].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }

    /// The first name that is not one of these.
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        let names = self.0.as_object()?.keys();
        names.map(String::as_str).find(|name| !known.contains(name))
    }
}

/// What one page has of a list.
pub(crate) fn page<T>(items: Vec<T>, offset: i64, limit: i64) -> Vec<T> {
    let (skip, take) = (usize::try_from(offset), usize::try_from(limit));
    items.into_iter().skip(skip.unwrap_or(usize::MAX)).take(take.unwrap_or(0)).collect()
}
