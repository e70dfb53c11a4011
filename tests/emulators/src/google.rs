//! Google Cloud: KMS v1 and Secret Manager v1 over REST, and the endpoints of tokens.

mod auth;
mod keys;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::backend::Failure;
use crate::clock::Clock;
use crate::encoding::unb64;
use crate::keys::World;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

const PROJECT: &str = "example-project";
const LOCATIONS: [&str; 2] = ["global", "europe-west3"];

/// The services of Google Cloud.
pub(crate) struct Google {
    state: Mutex<State>,
    auth: auth::Auth,
}

struct State {
    world: World,
    rings: BTreeSet<String>,
    /// Which version of a key encrypts.
    primary: BTreeMap<String, String>,
    /// The engine's keys that unwrap what is imported, and how.
    jobs: BTreeMap<String, (String, String)>,
}

/// A failure: status of HTTP, status, text.
struct Refusal(u16, &'static str, String);

impl Refusal {
    fn new(status: u16, name: &'static str, text: impl Into<String>) -> Self {
        Refusal(status, name, text.into())
    }

    fn missing(what: &str) -> Self {
        Refusal::new(404, "NOT_FOUND", format!("{what} not found."))
    }

    fn invalid(text: impl Into<String>) -> Self {
        Refusal::new(400, "INVALID_ARGUMENT", text)
    }

    fn precondition(text: impl Into<String>) -> Self {
        Refusal::new(400, "FAILED_PRECONDITION", text)
    }

    fn reply(&self) -> Reply {
        let error = json!({ "code": self.0, "message": self.2, "status": self.1, "details": [] });
        let reply = Reply::json(self.0, &json!({ "error": error }));
        if self.0 == 401 {
            reply.with("www-authenticate", "Bearer realm=\"emulator\"")
        } else {
            reply
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => Refusal::missing("CryptoKey"),
            F::SecretNotFound => Refusal::missing("Secret"),
            // A wrong key, another context and a damaged text are one.
            F::Ciphertext => Refusal::invalid("Decryption failed: the ciphertext is invalid."),
            F::Missing(name) => Refusal::invalid(format!("Required field {name} not set.")),
            F::Invalid(what) | F::State(what) | F::Exists(what) => Refusal::invalid(what),
            F::Unsupported(what) => Refusal::new(501, "UNIMPLEMENTED", what),
            F::Internal(what) => Refusal::new(500, "INTERNAL", what),
            other => Refusal::precondition(format!("{other:?}")),
        }
    }
}

type Answer = Result<Value, Refusal>;

/// A method of the API: its resource and the words after the last colon.
struct Call {
    method: String,
    /// `projects/…`, without the verb.
    resource: Vec<String>,
    verb: String,
    query: Parameters,
    body: Parameters,
}

impl Call {
    fn read(request: &Request) -> Option<Self> {
        let mut resource = request.segments();
        if resource.first().map(String::as_str) != Some("v1") {
            return None;
        }
        resource.remove(0);
        let last = resource.pop()?;
        let (last, verb) = last.split_once(':').unwrap_or((last.as_str(), ""));
        resource.push(last.to_owned());
        Some(Call {
            method: request.method.to_string(),
            verb: verb.to_owned(),
            resource,
            query: Parameters::from_pairs(request.query()),
            body: Parameters(request.json()?),
        })
    }

    fn name(&self) -> String {
        self.resource.join("/")
    }

    /// The collections of the resource, and what it is of: `keyRings/cryptoKeys` of 4 or 5 words.
    fn operation(&self) -> String {
        let words = self.resource.iter().map(String::as_str);
        let collections: Vec<_> = words.step_by(2).skip(1).collect();
        let single = if self.resource.len().is_multiple_of(2) { "/*" } else { "" };
        let verb = if self.verb.is_empty() { &self.method } else { &self.verb };
        format!("{}{single}:{verb}", collections.join("/"))
    }
}

impl Google {
    pub(crate) fn new(url: &str) -> Self {
        let state = State {
            world: World::new(),
            rings: BTreeSet::new(),
            primary: BTreeMap::new(),
            jobs: BTreeMap::new(),
        };
        Google { state: Mutex::new(state), auth: auth::Auth::new(url) }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Option<Answer> {
        let call = Call::read(request)?;
        let words: Vec<_> = call.resource.iter().map(String::as_str).collect();
        let ["projects", project, ref rest @ ..] = words[..] else { return None };
        Some(self.auth.check(clock.seconds(), request).and_then(|()| {
            if project != PROJECT {
                let text = format!("Permission denied on resource project {project}.");
                return Err(Refusal::new(403, "PERMISSION_DENIED", text));
            }
            let mut state = self.state.lock();
            match rest {
                ["secrets", rest @ ..] => {
                    secrets::perform(&mut state.world, clock.seconds(), &call, rest)
                }
                ["locations", location, rest @ ..] if LOCATIONS.contains(location) => {
                    keys::perform(&mut state, clock.seconds(), &call, rest)
                }
                _ => Err(Refusal::missing(&call.name())),
            }
        }))
    }
}

/// Bytes in base64, of either alphabet; none where absent.
fn bytes(body: &Value, name: &'static str) -> Result<Vec<u8>, Refusal> {
    let text = body[name].as_str().unwrap_or_default().replace('-', "+").replace('_', "/");
    unb64(&text).ok_or_else(|| Refusal::invalid(format!("{name} is not base64.")))
}

/// Whether a checksum came with bytes and is theirs; refuses one of other bytes.
fn checked(body: &Value, name: &str, bytes: &[u8]) -> Result<bool, Refusal> {
    let given = match &body[name] {
        Value::Null => return Ok(false),
        Value::String(text) => text.parse().ok(),
        number => number.as_i64(),
    };
    if given == Some(i64::from(crc32c::crc32c(bytes))) {
        return Ok(true);
    }
    Err(Refusal::invalid(format!("The checksum in field {name} did not match the data.")))
}

/// A checksum as JSON has 64-bit numbers: as text.
fn checksum(bytes: &[u8]) -> Value {
    json!(crc32c::crc32c(bytes).to_string())
}

/// A page of a list, whose token is where it starts.
fn paged(call: &Call, member: &str, items: Vec<Value>) -> Answer {
    let size = match call.query.number("pageSize")?.unwrap_or(0) {
        0 => 100,
        size @ 1.. => size,
        _ => return Err(Refusal::invalid("pageSize is negative.")),
    };
    let start = call.query.number("pageToken")?.unwrap_or(0);
    let total = items.len();
    let page = crate::wire::page(items, start, size);
    let next = start + i64::try_from(page.len()).unwrap_or(0);
    let mut body = json!({ member: page, "totalSize": total });
    if next < i64::try_from(total).unwrap_or(0) {
        body["nextPageToken"] = json!(next.to_string());
    }
    Ok(body)
}

impl Protocol for Google {
    fn operation(&self, request: &Request) -> String {
        match auth::endpoint(request) {
            Some(name) => name.to_owned(),
            None => {
                Call::read(request).map_or_else(|| request.path.clone(), |call| call.operation())
            }
        }
    }

    fn operations(&self) -> Vec<String> {
        let all = auth::OPERATIONS.iter().chain(keys::OPERATIONS).chain(secrets::OPERATIONS);
        all.map(|name| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        if auth::endpoint(request).is_some() {
            return self.auth.answer(clock.seconds(), request);
        }
        match self.perform(clock, request) {
            Some(Ok(body)) => Reply::json(200, &body),
            Some(Err(refusal)) => refusal.reply(),
            // What is no path of the API at all.
            None => {
                let page = "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>";
                let headers = vec![("content-type", "text/html; charset=UTF-8".to_owned())];
                Reply { status: 404, headers, body: page.into() }
            }
        }
    }

    fn throttled(&self) -> Reply {
        Refusal::new(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric.").reply()
    }

    fn unavailable(&self) -> Reply {
        Refusal::new(503, "UNAVAILABLE", "The service is currently unavailable.").reply()
    }

    fn environment(&self, url: &str) -> BTreeMap<String, String> {
        let metadata = url.split_once("://").map(|(_, host)| host).unwrap_or_default();
        variables([
            ("GOOGLE_CLOUD_PROJECT", PROJECT),
            ("GCE_METADATA_HOST", metadata),
            ("EMULATOR_SERVICE_ACCOUNT", &self.auth.service_account),
            ("EMULATOR_SUBJECT_TOKEN", auth::SUBJECT_TOKEN),
        ])
    }

    fn expire_tokens(&self) {
        self.auth.expire();
    }
}
