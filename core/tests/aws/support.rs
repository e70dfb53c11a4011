//! A transport that answers as it is told, and the credentials of the examples.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyfold::credentials::{Credentials, StaticCredentials};
use keyfold::maybe_send::BoxFuture;
use keyfold::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use keyfold::{SecretBytes, WallClock};

pub(crate) const NOW: Duration = Duration::from_secs(1_700_000_000);
pub(crate) const DATE: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
pub(crate) const ARN: &str =
    "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

pub(crate) fn access_key() -> Credentials {
    let secret = SecretBytes::from(&b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"[..]);
    Credentials::access_key("AKIDEXAMPLE", &secret, None).expect("an access key")
}

pub(crate) fn bearer(text: &str) -> Credentials {
    Credentials::bearer(&SecretBytes::from(text.as_bytes())).expect("a token")
}

pub(crate) fn fixed() -> Arc<StaticCredentials> {
    Arc::new(StaticCredentials::new(access_key()))
}

pub(crate) fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse { status, headers: vec![], body: body.as_bytes().to_vec() }
}

pub(crate) fn with(mut response: HttpResponse, name: &str, value: &str) -> HttpResponse {
    response.headers.push((name.to_owned(), value.to_owned()));
    response
}

pub(crate) fn exception(name: &str) -> HttpResponse {
    answer(400, &format!(r#"{{"__type":"{name}","message":"in its own words"}}"#))
}

pub(crate) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// Stands still.
pub(crate) struct Noon;

impl WallClock for Noon {
    fn unix_time(&self) -> Duration {
        NOW
    }
}

/// Gives the answers in their order, and keeps what was sent.
#[derive(Clone, Default)]
pub(crate) struct Canned(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: VecDeque<Result<HttpResponse, TransportError>>,
    sent: Vec<HttpRequest>,
}

impl Canned {
    pub(crate) fn new(answers: impl IntoIterator<Item = HttpResponse>) -> Self {
        let answers = answers.into_iter().map(Ok).collect();
        Canned(Arc::new(Mutex::new(Script { answers, sent: Vec::new() })))
    }

    pub(crate) fn failing(error: TransportError) -> Self {
        let canned = Canned::default();
        canned.0.lock().expect("no panic").answers.push_back(Err(error));
        canned
    }

    pub(crate) fn sent(&self) -> Vec<HttpRequest> {
        self.0.lock().expect("no panic").sent.clone()
    }
}

impl Transport for Canned {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, TransportError>> {
        let mut script = self.0.lock().expect("no panic");
        script.sent.push(request);
        let answer = script.answers.pop_front().expect("one request more than was expected");
        Box::pin(std::future::ready(answer))
    }
}
