//! Known answers of signatures (`data/signatures.json`), made by the vendors' own kits.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;

use crate::wire::Request;

pub(crate) struct Case {
    pub(crate) id: String,
    value: Value,
}

/// The cases of one provider.
pub(crate) fn of(provider: &str) -> Vec<Case> {
    let all: Value = serde_json::from_str(include_str!("../data/signatures.json")).expect("JSON");
    let all = all["cases"].as_array().expect("a list");
    all.iter()
        .filter(|case| case["provider"] == provider)
        .map(|case| Case {
            id: case["id"].as_str().expect("a name").to_owned(),
            value: case.clone(),
        })
        .collect()
}

impl Case {
    /// A text by its pointer; empty where it is null.
    pub(crate) fn text(&self, pointer: &str) -> String {
        self.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub(crate) fn time(&self) -> i64 {
        self.value["timestamp_unix"].as_i64().expect("a number")
    }

    /// A header that the kit made.
    pub(crate) fn header(&self, name: &str) -> String {
        self.value["expected_headers"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The request with the headers that were there before it was signed, and those that the kit
    /// added.
    pub(crate) fn request(&self) -> Request {
        let url = self.text("/url");
        let (_, rest) = url.split_once("://").expect("a URL");
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = path.find('/').map_or("/", |start| &path[start..]);
        let mut headers = HeaderMap::new();
        for group in ["headers_in", "expected_headers"] {
            for (name, value) in self.value[group].as_object().into_iter().flatten() {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
                headers.insert(name, value.expect("a value"));
            }
        }
        Request {
            method: Method::from_bytes(self.text("/method").as_bytes()).expect("a method"),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body: self.text("/body").into_bytes(),
        }
    }
}

/// Changes that a signature must not survive.
impl Request {
    pub(crate) fn grow_body(&mut self) {
        self.body.push(b' ');
    }

    pub(crate) fn grow_path(&mut self) {
        self.path.push('x');
    }

    pub(crate) fn grow_query(&mut self) {
        self.query.push_str(if self.query.is_empty() { "x=y" } else { "&x=y" });
    }
}
