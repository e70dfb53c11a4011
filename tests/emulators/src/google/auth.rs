//! Tokens: of a service account, by its own signature or in exchange for it; of the metadata server;
//! of a workload that another identity provider vouches for.

use std::collections::BTreeMap;

use keyfold::SystemRng;
use keyfold::sign::{KeySpec, SigningKey};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::Refusal;
use crate::backend::Backend;
use crate::encoding::b64url;
use crate::jwt;
use crate::wire::{Parameters, Reply, Request};

const EMAIL: &str = "keyfold-test@example-project.iam.gserviceaccount.com";
/// What another identity provider would have signed.
pub(super) const SUBJECT_TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ3b3JrbG9hZCJ9.RVhBTVBMRQ";
const AUDIENCES: [&str; 2] =
    ["https://cloudkms.googleapis.com/", "https://secretmanager.googleapis.com/"];
const SCOPES: [&str; 2] =
    ["https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/cloudkms"];
/// How long a token lives, and the longest that an assertion may ask for, in seconds.
const LIFE: i64 = 3600;
/// How far ahead a client's clock may be, in seconds.
const SKEW: i64 = 300;

pub(super) const OPERATIONS: &[&str] = &["token", "sts", "metadata"];

/// The endpoint that a request is for.
pub(super) fn endpoint(request: &Request) -> Option<&'static str> {
    match request.path.as_str() {
        "/token" => Some("token"),
        "/v1/token" => Some("sts"),
        path if path.starts_with("/computeMetadata/") || path == "/" => Some("metadata"),
        _ => None,
    }
}

pub(super) struct Auth {
    /// The key file of the service account, as the console gives it.
    pub(super) service_account: String,
    public: String,
    token_uri: String,
    random: Backend,
    /// Those that were given out, each with its end.
    tokens: Mutex<BTreeMap<String, i64>>,
    /// When all that were made before ended.
    expired: Mutex<Option<i64>>,
}

impl Auth {
    pub(super) fn new(url: &str) -> Self {
        let key = SigningKey::generate(KeySpec::Rsa2048, &SystemRng).expect("randomness");
        let pem = key.to_pkcs8_pem().expect("every key has this form");
        let token_uri = format!("{url}/token");
        let service_account = json!({
            "type": "service_account", "project_id": super::PROJECT, "private_key_id": "testkeyid01",
            "private_key": String::from_utf8_lossy(pem.expose()), "client_email": EMAIL,
            "client_id": "100000000000000000001", "token_uri": token_uri,
        });
        Auth {
            service_account: service_account.to_string(),
            public: key.public_key().to_spki_pem(),
            token_uri,
            random: Backend::new(),
            tokens: Mutex::default(),
            expired: Mutex::default(),
        }
    }

    pub(super) fn expire(&self) {
        self.tokens.lock().clear();
        *self.expired.lock() = Some(i64::MAX);
    }

    /// Whether a request has a token that is valid.
    pub(super) fn check(&self, now: i64, request: &Request) -> Result<(), Refusal> {
        let refused = |text: &str| Err(Refusal::new(401, "UNAUTHENTICATED", text));
        let Some(token) = request.header("authorization").strip_prefix("Bearer ") else {
            return refused("Request is missing required authentication credential.");
        };
        if self.tokens.lock().get(token).is_some_and(|end| now < *end) {
            return Ok(());
        }
        let wrong = "Request had invalid authentication credentials.";
        let Some((_, claims)) = jwt::verified(token, &self.public) else { return refused(wrong) };
        let own = claims["iss"] == EMAIL && claims["sub"] == EMAIL;
        let audience = claims["aud"].as_str().unwrap_or_default();
        let for_us = AUDIENCES.contains(&audience) || scoped(&claims);
        if !own || !for_us || !timely(&claims, now) || self.expired.lock().is_some() {
            return refused(wrong);
        }
        Ok(())
    }

    /// An endpoint's answer.
    pub(super) fn answer(&self, now: i64, request: &Request) -> Reply {
        let refused = |error: &str, text: &str| {
            Reply::json(400, &json!({ "error": error, "error_description": text }))
        };
        match (endpoint(request), request.method.as_str()) {
            (Some("token"), "POST") => {
                let form = Parameters::from_pairs(request.form());
                if form.text("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
                    return refused("unsupported_grant_type", "Invalid grant_type");
                }
                let found = jwt::verified(form.text("assertion"), &self.public);
                let Some((_, claims)) = found else {
                    return refused("invalid_grant", "Invalid JWT Signature.");
                };
                if claims["iss"] != EMAIL {
                    return refused("invalid_grant", "Invalid grant: account not found");
                }
                if !timely(&claims, now) {
                    let text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in \
                                a reasonable timeframe. Check your iat and exp values in the JWT \
                                claim.";
                    return refused("invalid_grant", text);
                }
                // The address of the real endpoint, or of this one.
                let audience = claims["aud"].as_str().unwrap_or_default();
                if audience != self.token_uri && audience != "https://oauth2.googleapis.com/token" {
                    return refused("invalid_grant", "Invalid JWT: Failed audience check.");
                }
                if !scoped(&claims) {
                    return refused("invalid_scope", "Invalid OAuth scope or ID token audience");
                }
                self.grant(now)
            }
            (Some("sts"), "POST") => {
                let form = Parameters::from_pairs(request.form());
                let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
                if form.text("grant_type") != exchange || form.text("audience").is_empty() {
                    return refused("invalid_request", "Invalid value for grant_type or audience.");
                }
                if form.text("subject_token") != SUBJECT_TOKEN {
                    return refused("invalid_grant", "The subject token is not valid.");
                }
                self.grant(now)
            }
            (Some("metadata"), "GET") => self.metadata(now, request),
            _ => Reply::empty(404),
        }
    }

    fn metadata(&self, now: i64, request: &Request) -> Reply {
        if request.header("metadata-flavor") != "Google" {
            return Reply::empty(403);
        }
        let text = |text: &str| {
            let headers = vec![("content-type", "application/text".to_owned())];
            Reply { status: 200, headers, body: text.into() }
        };
        let account = "/computeMetadata/v1/instance/service-accounts/default/";
        let reply = match request.path.as_str() {
            "/" => text("computeMetadata/"),
            "/computeMetadata/v1/project/project-id" => text(super::PROJECT),
            "/computeMetadata/v1/universe/universe-domain" => text("googleapis.com"),
            path if path.strip_prefix(account) == Some("token") => self.grant(now),
            path if path.strip_prefix(account) == Some("email") => text(EMAIL),
            path if path.strip_prefix(account) == Some("") => Reply::json(
                200,
                &json!({ "aliases": ["default"], "email": EMAIL, "scopes": SCOPES }),
            ),
            _ => Reply::empty(404),
        };
        reply.with("metadata-flavor", "Google")
    }

    fn grant(&self, now: i64) -> Reply {
        let random = self.random.random(48).unwrap_or_default();
        let token = format!("ya29.{}", b64url(random));
        self.tokens.lock().insert(token.clone(), now + LIFE);
        Reply::json(
            200,
            &json!({
                "access_token": token, "expires_in": LIFE - 1, "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }),
        )
    }
}

fn scoped(claims: &Value) -> bool {
    let asked = claims["scope"].as_str().unwrap_or_default();
    asked.split(' ').any(|scope| SCOPES.contains(&scope))
}

fn timely(claims: &Value, now: i64) -> bool {
    let (Some(from), Some(to)) = (claims["iat"].as_i64(), claims["exp"].as_i64()) else {
        return false;
    };
    from <= now + SKEW && now < to && (0..=LIFE).contains(&(to - from))
}

#[cfg(test)]
mod tests {
    use keyfold::sign::SigningKey;

    use crate::encoding::unb64;
    use crate::{jwt, vectors};

    #[test]
    fn signatures_are_the_vendors() {
        let cases = vectors::of("google");
        assert_eq!(cases.len(), 2);
        for case in cases {
            let key = unb64(&case.text("/credentials/test_private_key_pkcs8_der_b64"));
            let key = SigningKey::from_pkcs8_der(&key.expect("base64")).expect("a key");
            let public = key.public_key().to_spki_pem();
            let token = case.text("/expected_jwt");
            let (_, claims) = jwt::verified(&token, &public).expect("it holds");
            assert_eq!(claims["iat"], case.time());
            let mut broken = token.clone().into_bytes();
            let middle = token.find('.').expect("parts") + 5;
            broken[middle] ^= 1;
            assert_eq!(jwt::verified(&String::from_utf8(broken).expect("text"), &public), None);
        }
    }
}
