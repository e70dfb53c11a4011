//! Tokens, and the logins that give them out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Refusal, Result, State};
use crate::wire::{Parameters, Request};

/// The token that does not end.
pub(super) const ROOT: &str = "hvs.EXAMPLErootTOKENexampleEX";
/// Role id and secret id.
pub(super) const ROLE: (&str, &str) =
    ("59d6d1ca-47bb-4e7e-a40b-8be3bc5a0ba8", "84896a0c-1347-aa90-a4f6-aca8b7558780");
/// Role, and the token of its service account. Kubernetes itself is not asked.
pub(super) const KUBERNETES: (&str, &str) =
    ("keyfold", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ.RVhBTVBMRQ");
/// How long a token lives, in seconds.
const LEASE: i64 = 1200;

/// Those that logins have given out, each with its end.
pub(super) struct Tokens(BTreeMap<String, i64>);

impl Tokens {
    pub(super) fn new() -> Self {
        Tokens(BTreeMap::new())
    }

    pub(super) fn expire(&mut self) {
        self.0.clear();
    }

    /// Whether the request has a token that is valid.
    pub(super) fn check(&self, request: &Request, now: i64) -> Result<()> {
        let token = presented(request);
        if token.is_empty() {
            return Err(Refusal::new(403, "permission denied"));
        }
        if token == ROOT || self.0.get(token).is_some_and(|end| now < *end) {
            return Ok(());
        }
        let text = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n";
        Err(Refusal::new(403, text))
    }

    /// What a token may do with itself.
    pub(super) fn operation(&mut self, request: &Request, now: i64, what: &str) -> Result<Answer> {
        let token = presented(request).to_owned();
        let rest = self.0.get(&token).map_or(0, |end| end - now);
        match (request.method.as_str(), what) {
            ("GET", "lookup-self") => Ok(Answer::Data(json!({
                "id": token, "ttl": rest, "renewable": token != ROOT, "policies": ["default"],
            }))),
            ("POST" | "PUT", "renew-self") if token != ROOT => {
                self.0.insert(token.clone(), now + LEASE);
                Ok(Answer::Auth(granted(&token)))
            }
            ("POST" | "PUT", "renew-self") => Err(Refusal::new(400, "lease is not renewable")),
            ("POST" | "PUT", "revoke-self") => {
                self.0.remove(&token);
                Ok(Answer::Empty)
            }
            _ => Err(Refusal::new(405, "unsupported operation")),
        }
    }
}

impl State {
    /// Gives out a token.
    pub(super) fn login(&mut self, now: i64, kind: &str, given: &Parameters) -> Result<Answer> {
        let known = match kind {
            "approle" => (given.text("role_id"), given.text("secret_id")) == ROLE,
            "kubernetes" | "jwt" => (given.text("role"), given.text("jwt")) == KUBERNETES,
            _ => return Err(Refusal::new(404, "no handler for route")),
        };
        if !known {
            return Err(match kind {
                "approle" => Refusal::new(400, "invalid role or secret ID"),
                _ => Refusal::new(403, "permission denied"),
            });
        }
        let token = format!("hvs.{}", self.world.backend.hex_id());
        self.tokens.0.insert(token.clone(), now + LEASE);
        Ok(Answer::Auth(granted(&token)))
    }
}

fn granted(token: &str) -> Value {
    json!({
        "client_token": token, "accessor": "EXAMPLEaccessor", "policies": ["default"],
        "token_policies": ["default"], "metadata": {}, "lease_duration": LEASE, "renewable": true,
        "token_type": "service",
    })
}

fn presented(request: &Request) -> &str {
    match request.header("x-vault-token") {
        "" => request.header("authorization").strip_prefix("Bearer ").unwrap_or_default(),
        token => token,
    }
}
