//! HashiCorp Vault and OpenBao: Transit, KV version 2, and the logins that give out tokens.

mod auth;
mod kv;
mod transit;

use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::backend::Failure;
use crate::clock::Clock;
use crate::keys::World;
use crate::wire::{Parameters, Protocol, Reply, Request, variables};

/// Where Transit and KV version 2 are mounted.
const TRANSIT: &str = "transit";
const KV: &str = "secret";

/// A server that is unsealed.
pub(crate) struct Vault {
    state: Mutex<State>,
}

struct State {
    world: World,
    transit: BTreeMap<String, transit::Config>,
    tokens: auth::Tokens,
}

/// A failure: status and texts.
struct Refusal(u16, Vec<String>);

impl Refusal {
    fn new(status: u16, text: impl Into<String>) -> Self {
        Refusal(status, vec![text.into()])
    }

    fn reply(&self) -> Reply {
        Reply::json(self.0, &json!({ "errors": self.1 }))
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use Failure as F;
        match failure {
            F::KeyNotFound => Refusal::new(400, "encryption key not found"),
            F::Disabled => Refusal::new(400, "key has been soft deleted"),
            // An internal error, though it is the caller's.
            F::Ciphertext => Refusal::new(500, "cipher: message authentication failed"),
            F::Missing(name) => Refusal::new(400, format!("missing {name:?}")),
            F::Invalid(what) | F::Unsupported(what) | F::State(what) | F::Exists(what) => {
                Refusal::new(400, what)
            }
            F::SecretNotFound => Refusal(404, Vec::new()),
            F::UnknownOperation => Refusal::new(405, "unsupported operation"),
            F::Internal(what) => Refusal::new(500, what),
            other => Refusal::new(400, format!("{other:?}")),
        }
    }
}

/// The members `data` and `auth` of an answer; none of both is status 204.
enum Answer {
    Data(Value),
    Auth(Value),
    Empty,
    Whole(Reply),
}

type Result<T> = std::result::Result<T, Refusal>;

/// A path's first words, and its method in Vault's words.
fn route(request: &Request) -> (String, &'static str) {
    let method = match request.method.as_str() {
        "GET" if request.parameter("list").as_deref() == Some("true") => "list",
        "LIST" => "list",
        "GET" => "read",
        "POST" | "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    };
    let path = request.segments();
    let words: Vec<_> = path.iter().map(String::as_str).collect();
    let name = match words[..] {
        ["v1", TRANSIT, "keys", _] => "transit/keys".to_owned(),
        ["v1", TRANSIT, "keys", _, what] => format!("transit/keys/{what}"),
        ["v1", TRANSIT, "datakey" | "export", what, ..] => format!("transit/{}/{what}", words[2]),
        ["v1", TRANSIT, what, ..] => format!("transit/{what}"),
        ["v1", KV, what, ..] => format!("kv/{what}"),
        ["v1", ref rest @ ..] => rest.join("/"),
        _ => request.path.clone(),
    };
    (name, method)
}

const OPERATIONS: &[&str] = &[
    "auth/approle/login:update",
    "auth/kubernetes/login:update",
    "auth/token/lookup-self:read",
    "auth/token/renew-self:update",
    "auth/token/revoke-self:update",
    "kv/data:delete",
    "kv/data:patch",
    "kv/data:read",
    "kv/data:update",
    "kv/delete:update",
    "kv/destroy:update",
    "kv/metadata:delete",
    "kv/metadata:list",
    "kv/metadata:read",
    "kv/undelete:update",
    "sys/health:read",
    "transit/datakey/plaintext:update",
    "transit/datakey/wrapped:update",
    "transit/decrypt:update",
    "transit/encrypt:update",
    "transit/export/public-key:read",
    "transit/keys/config:update",
    "transit/keys/rotate:update",
    "transit/keys/soft-delete-restore:update",
    "transit/keys/soft-delete:delete",
    "transit/keys/trim:update",
    "transit/keys:delete",
    "transit/keys:list",
    "transit/keys:read",
    "transit/keys:update",
    "transit/random:update",
    "transit/rewrap:update",
    "transit/sign:update",
    "transit/verify:update",
];

impl Vault {
    pub(crate) fn new() -> Self {
        let state =
            State { world: World::new(), transit: BTreeMap::new(), tokens: auth::Tokens::new() };
        Vault { state: Mutex::new(state) }
    }

    fn perform(&self, clock: &Clock, request: &Request) -> Result<Answer> {
        let (_, method) = route(request);
        let path = request.segments();
        let words: Vec<_> = path.iter().map(String::as_str).collect();
        let now = clock.seconds();
        let mut state = self.state.lock();
        let body = match request.json() {
            Some(body) if body.is_object() => body,
            _ => return Err(Refusal::new(400, "error parsing JSON")),
        };
        let given = Parameters(body);
        match words[..] {
            ["v1", "sys", "health"] => Ok(Answer::Whole(Reply::json(
                200,
                &json!({ "initialized": true, "sealed": false, "standby": false }),
            ))),
            ["v1", "auth", kind, "login"] if method == "update" => state.login(now, kind, &given),
            ["v1", ref rest @ ..] => {
                state.tokens.check(request, now)?;
                match *rest {
                    ["auth", "token", what] => state.tokens.operation(request, now, what),
                    [TRANSIT, ref rest @ ..] => {
                        transit::perform(&mut state, now, method, rest, &given)
                    }
                    [KV, what, ref path @ ..] => {
                        let version = request.parameter("version");
                        let call = kv::Call { now, method, what, version };
                        kv::perform(&mut state.world, &call, &path.join("/"), &given)
                    }
                    _ => {
                        let text = format!("no handler for route {:?}", rest.join("/"));
                        Err(Refusal::new(404, text))
                    }
                }
            }
            _ => Err(Refusal(404, Vec::new())),
        }
    }
}

impl Protocol for Vault {
    fn operation(&self, request: &Request) -> String {
        let (name, method) = route(request);
        format!("{name}:{method}")
    }

    fn operations(&self) -> Vec<String> {
        OPERATIONS.iter().map(|name| (*name).to_owned()).collect()
    }

    fn answer(&self, clock: &Clock, request: &Request) -> Reply {
        let answer = self.perform(clock, request);
        let id = self.state.lock().world.backend.uuid();
        let whole = |data: Value, auth: Value| {
            Reply::json(
                200,
                &json!({
                    "request_id": id, "lease_id": "", "renewable": false, "lease_duration": 0,
                    "data": data, "wrap_info": null, "warnings": null, "auth": auth,
                }),
            )
        };
        match answer {
            Ok(Answer::Data(data)) => whole(data, Value::Null),
            Ok(Answer::Auth(auth)) => whole(Value::Null, auth),
            Ok(Answer::Empty) => Reply::empty(204),
            Ok(Answer::Whole(reply)) => reply,
            Err(refusal) => refusal.reply(),
        }
    }

    fn throttled(&self) -> Reply {
        Refusal::new(429, "request path \"v1/transit\": rate limit quota exceeded")
            .reply()
            .with("retry-after", "1")
    }

    fn unavailable(&self) -> Reply {
        Refusal::new(503, "Vault is sealed").reply()
    }

    fn environment(&self, url: &str) -> BTreeMap<String, String> {
        variables([
            ("VAULT_ADDR", url),
            ("VAULT_TOKEN", auth::ROOT),
            ("EMULATOR_ROLE_ID", auth::ROLE.0),
            ("EMULATOR_SECRET_ID", auth::ROLE.1),
            ("EMULATOR_KUBERNETES_ROLE", auth::KUBERNETES.0),
            ("EMULATOR_KUBERNETES_JWT", auth::KUBERNETES.1),
            ("EMULATOR_TRANSIT_MOUNT", TRANSIT),
            ("EMULATOR_KV_MOUNT", KV),
        ])
    }

    fn expire_tokens(&self) {
        self.state.lock().tokens.expire();
    }
}
