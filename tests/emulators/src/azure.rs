//! Azure: Key Vault and Managed HSM (keys, secrets), and the endpoints of tokens.

mod auth;
mod crypto;
mod keys;
mod secrets;

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::backend::Failure;
use crate::clock::Clock;
use crate::keys::{Key, World};
use crate::secrets::Secret;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

/// What is accepted in the query.
const VERSIONS: [&str; 10] =
    ["2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"];

/// A vault and its tenant.
pub(crate) struct Azure {
    url: String,
    managed_hsm: bool,
    state: Mutex<State>,
    auth: auth::Auth,
}

struct State {
    world: World,
    /// What was deleted and may be recovered.
    deleted_keys: Vec<Key>,
    deleted_secrets: Vec<Secret>,
    /// What keys and secrets have beside: what may be done with them, tags, types of content.
    notes: BTreeMap<String, Value>,
    /// Backups, by what they are called in a blob.
    backups: BTreeMap<String, (Key, Value)>,
    secret_backups: BTreeMap<String, (Secret, Value)>,
}

/// A failure: status, code, inner code, text.
struct Refusal {
    status: u16,
    code: &'static str,
    inner: Option<&'static str>,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Refusal { status, code, inner: None, message: message.into() }
    }

    fn parameter(message: impl Into<String>) -> Self {
        Refusal::new(400, "BadParameter", message)
    }

    fn inner(self, inner: &'static str) -> Self {
        Refusal { inner: Some(inner), ..self }
    }

    fn reply(&self) -> Reply {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(inner) = self.inner {
            error["innererror"] = json!({ "code": inner });
        }
        Reply::json(self.status, &json!({ "error": error }))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => Refusal::new(
                404,
                "KeyNotFound",
                "A key with this name or version was not found in this key vault.",
            ),
            F::SecretNotFound => Refusal::new(
                404,
                "SecretNotFound",
                "A secret with this name or version was not found in this key vault.",
            ),
            F::Disabled => {
                Refusal::new(403, "Forbidden", "Operation is not allowed on a disabled key.")
                    .inner("KeyDisabled")
            }
            F::SecretDisabled => {
                Refusal::new(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
                    .inner("SecretDisabled")
            }
            F::Ciphertext => Refusal::parameter("The parameter is incorrect."),
            F::Missing(name) => Refusal::parameter(format!("The property {name} is missing.")),
            F::Invalid(what) | F::State(what) | F::Unsupported(what) => Refusal::parameter(what),
            F::Exists(what) => Refusal::new(409, "Conflict", what),
            F::UnknownOperation => Refusal::new(404, "NotFound", "The resource is not found."),
            F::Internal(what) => Refusal::new(500, "InternalServerError", what),
            other => Refusal::new(409, "Conflict", format!("{other:?}")),
        }
    }
}

type Answer = Result<Value, Refusal>;

/// What is asked.
struct Call<'a> {
    url: &'a str,
    now: i64,
    method: String,
    path: Vec<String>,
    body: Parameters,
    skip: usize,
    limit: usize,
}

impl Call<'_> {
    /// A page of a list, and where it goes on.
    fn paged(&self, items: Vec<Value>) -> Value {
        let total = items.len();
        let page: Vec<_> = items.into_iter().skip(self.skip).take(self.limit).collect();
        let next = self.skip + page.len();
        let link = (next < total).then(|| {
            let path = self.path.join("/");
            let query = format!("api-version=7.6&$skiptoken={next}&maxresults={}", self.limit);
            format!("{}/{path}?{query}", self.url)
        });
        json!({ "value": page, "nextLink": link })
    }
}

impl Azure {
    pub(crate) fn new(url: &str, managed_hsm: bool) -> Self {
        let state = State {
            world: World::new(),
            deleted_keys: Vec::new(),
            deleted_secrets: Vec::new(),
            notes: BTreeMap::new(),
            backups: BTreeMap::new(),
            secret_backups: BTreeMap::new(),
        };
        let auth = auth::Auth::new(url, managed_hsm);
        Azure { url: url.to_owned(), managed_hsm, state: Mutex::new(state), auth }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Result<Reply, Reply> {
        self.auth.check(clock.seconds(), request)?;
        let version = request.parameter("api-version").unwrap_or_default();
        if !VERSIONS.contains(&version.as_str()) {
            let text = format!("The specified version ({version}) is not recognized.");
            return Err(Refusal::parameter(text).reply());
        }
        let body = request.json().filter(Value::is_object);
        let body = body.ok_or_else(|| Refusal::parameter("The body is not JSON.").reply())?;
        let number = |name: &str| request.parameter(name).and_then(|text| text.parse().ok());
        let limit = number("maxresults").unwrap_or(25);
        if !(1..=25).contains(&limit) {
            return Err(Refusal::parameter("maxresults is from 1 to 25.").reply());
        }
        let call = Call {
            url: &self.url,
            now: clock.seconds(),
            method: request.method.to_string(),
            path: request.segments(),
            body: Parameters(body),
            skip: number("$skiptoken").unwrap_or(0),
            limit,
        };
        let mut state = self.state.lock();
        let words: Vec<_> = call.path.iter().map(String::as_str).collect();
        let method = call.method.as_str();
        let answer = match words[..] {
            ["rng"] if method == "POST" => crypto::random(&state, &call),
            ["keys", name, version, verb] if method == "POST" => {
                crypto::perform(&mut state, &call, name, version, verb)
            }
            ["keys" | "deletedkeys", ..] => keys::perform(&mut state, &call, &words),
            ["secrets" | "deletedsecrets", ..] if !self.managed_hsm => {
                secrets::perform(&mut state, &call, &words)
            }
            _ => Err(Failure::UnknownOperation.into()),
        };
        match answer {
            // Whatever is gone for good has nothing to say.
            Ok(Value::Null) => Ok(Reply::empty(204)),
            Ok(body) => Ok(Reply::json(200, &body)),
            Err(refusal) => Err(refusal.reply()),
        }
    }
}

const OPERATIONS: &[&str] = &[
    "DELETE deletedkeys/{name}",
    "DELETE deletedsecrets/{name}",
    "DELETE keys/{name}",
    "DELETE secrets/{name}",
    "GET deletedkeys",
    "GET deletedkeys/{name}",
    "GET deletedsecrets",
    "GET deletedsecrets/{name}",
    "GET keys",
    "GET keys/{name}/rotationpolicy",
    "GET keys/{name}/versions",
    "GET keys/{name}/{version}",
    "GET secrets",
    "GET secrets/{name}/versions",
    "GET secrets/{name}/{version}",
    "PATCH keys/{name}/{version}",
    "PATCH secrets/{name}/{version}",
    "POST deletedkeys/{name}/recover",
    "POST deletedsecrets/{name}/recover",
    "POST keys/restore",
    "POST keys/{name}/backup",
    "POST keys/{name}/create",
    "POST keys/{name}/rotate",
    "POST keys/{name}/{version}/decrypt",
    "POST keys/{name}/{version}/encrypt",
    "POST keys/{name}/{version}/sign",
    "POST keys/{name}/{version}/unwrapkey",
    "POST keys/{name}/{version}/verify",
    "POST keys/{name}/{version}/wrapkey",
    "POST rng",
    "POST secrets/restore",
    "POST secrets/{name}/backup",
    "PUT keys/{name}",
    "PUT keys/{name}/rotationpolicy",
    "PUT secrets/{name}",
    "challenge",
    "identity",
    "imds",
    "token",
];

impl Protocol for Azure {
    fn operation(&self, request: &Request) -> String {
        if let Some(name) = auth::endpoint(request) {
            return name.to_owned();
        }
        if request.header("authorization").is_empty() {
            return "challenge".to_owned();
        }
        let path = request.segments();
        let words: Vec<_> = path.iter().map(String::as_str).collect();
        let fixed = ["versions", "rotationpolicy", "create", "rotate", "backup"];
        let path = match words[..] {
            [kind, "restore"] => format!("{kind}/restore"),
            // Without a version: the newest.
            [kind @ ("keys" | "secrets"), _] if request.method == "GET" => {
                format!("{kind}/{{name}}/{{version}}")
            }
            [kind, _] => format!("{kind}/{{name}}"),
            [kind, _, what] if fixed.contains(&what) || kind.starts_with("deleted") => {
                format!("{kind}/{{name}}/{what}")
            }
            [kind, _, _] => format!("{kind}/{{name}}/{{version}}"),
            [kind, _, _, verb] => format!("{kind}/{{name}}/{{version}}/{verb}"),
            _ => words.join("/"),
        };
        format!("{} {path}", request.method)
    }

    fn operations(&self) -> Vec<String> {
        OPERATIONS.iter().map(|name| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        if auth::endpoint(request).is_some() {
            return self.auth.answer(clock.seconds(), request);
        }
        match self.perform(clock, request) {
            Ok(reply) | Err(reply) => {
                reply.with("x-ms-request-id", self.state.lock().world.backend.uuid())
            }
        }
    }

    fn throttled(&self) -> Reply {
        Refusal::new(
            429,
            "Throttled",
            "Request was not processed because too many requests were received.",
        )
        .reply()
        .with("retry-after", "1")
    }

    fn unavailable(&self) -> Reply {
        Refusal::new(503, "ServiceUnavailable", "The service is unavailable.").reply()
    }

    fn environment(&self, url: &str) -> BTreeMap<String, String> {
        let metadata = format!("{url}/identity");
        variables([
            ("AZURE_TENANT_ID", auth::TENANT),
            ("AZURE_CLIENT_ID", auth::CLIENT),
            ("AZURE_CLIENT_SECRET", auth::SECRET),
            ("AZURE_AUTHORITY_HOST", url),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url),
            ("EMULATOR_IDENTITY_ENDPOINT", &metadata),
            ("EMULATOR_IDENTITY_HEADER", auth::IDENTITY_HEADER),
            ("EMULATOR_CLIENT_CERTIFICATE", &self.auth.certificate),
            ("EMULATOR_OTHER_CERTIFICATE", &self.auth.other_certificate),
            ("EMULATOR_VAULT_URL", url),
        ])
    }

    fn expire_tokens(&self) {
        self.auth.expire();
    }
}
