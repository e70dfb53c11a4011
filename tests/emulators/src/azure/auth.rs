//! Tokens: for a secret, for a certificate, of the machine; and the challenge of the vault.

use std::collections::BTreeMap;

use keyfold::SystemRng;
use keyfold::sign::{KeySpec, SigningKey};
use parking_lot::Mutex;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;

use super::Refusal;
use crate::backend::Backend;
use crate::encoding::b64url;
use crate::jwt;
use crate::wire::{Parameters, Reply, Request};

pub(super) const TENANT: &str = "11111111-2222-3333-4444-555555555555";
pub(super) const CLIENT: &str = "66666666-7777-8888-9999-000000000000";
pub(super) const SECRET: &str = "EXAMPLE~client.secret-of-the-application";
pub(super) const IDENTITY_HEADER: &str = "EXAMPLE-identity-header";
/// What a token is for: at a vault, and at a Managed HSM.
const RESOURCES: [&str; 2] = ["https://vault.azure.net", "https://managedhsm.azure.net"];
/// How long a token lives, in seconds.
const LIFE: i64 = 3599;
/// How far a client's clock may be away, in seconds.
const SKEW: i64 = 300;

/// The endpoint that a request is for.
pub(super) fn endpoint(request: &Request) -> Option<&'static str> {
    let path = request.path.as_str();
    if path.ends_with("/oauth2/v2.0/token") {
        return Some("token");
    }
    match path {
        "/metadata/identity/oauth2/token" => Some("imds"),
        "/identity" => Some("identity"),
        path if path.ends_with("/.well-known/openid-configuration") => Some("discovery"),
        _ => None,
    }
}

pub(super) struct Auth {
    url: String,
    resource: &'static str,
    /// The private key and the certificate of the application, in PEM.
    pub(super) certificate: String,
    /// Those that no application has.
    pub(super) other_certificate: String,
    public: String,
    random: Backend,
    /// Those that were given out, each with its end.
    tokens: Mutex<BTreeMap<String, i64>>,
}

impl Auth {
    pub(super) fn new(url: &str, managed_hsm: bool) -> Self {
        let (certificate, public) = certificate();
        Auth {
            url: url.to_owned(),
            resource: RESOURCES[usize::from(managed_hsm)],
            certificate,
            other_certificate: self::certificate().0,
            public,
            random: Backend::new(),
            tokens: Mutex::default(),
        }
    }

    pub(super) fn expire(&self) {
        self.tokens.lock().clear();
    }

    /// Whether a request has a token that is valid; else the challenge.
    pub(super) fn check(&self, now: i64, request: &Request) -> Result<(), Reply> {
        let token = request.header("authorization").strip_prefix("Bearer ");
        let valid = |token| self.tokens.lock().get(token).is_some_and(|end| now < *end);
        if token.is_some_and(valid) {
            return Ok(());
        }
        let text = "AKV10000: Request is missing a Bearer or PoP token.";
        let wrong = "AKV10022: Invalid audience, or an invalid or expired token.";
        let text = if token.is_none() { text } else { wrong };
        let (url, resource) = (&self.url, self.resource);
        let challenge = format!("Bearer authorization=\"{url}/{TENANT}\", resource=\"{resource}\"");
        let refusal = Refusal::new(401, "Unauthorized", text);
        Err(refusal.reply().with("www-authenticate", challenge))
    }

    /// An endpoint's answer.
    pub(super) fn answer(&self, now: i64, request: &Request) -> Reply {
        match (endpoint(request), request.method.as_str()) {
            (Some("discovery"), "GET") => {
                let issuer = format!("{}/{TENANT}", self.url);
                Reply::json(
                    200,
                    &json!({
                        "token_endpoint": format!("{issuer}/oauth2/v2.0/token"),
                        "authorization_endpoint": format!("{issuer}/oauth2/v2.0/authorize"),
                        "issuer": format!("{issuer}/v2.0"),
                    }),
                )
            }
            (Some("token"), "POST") => self.token(now, request),
            (Some(kind @ ("imds" | "identity")), "GET") => self.machine(now, kind, request),
            _ => Reply::empty(404),
        }
    }

    fn token(&self, now: i64, request: &Request) -> Reply {
        let refused = |status, error: &str, code: u32, text: &str| {
            let text = format!("AADSTS{code}: {text}");
            let body = json!({
                "error": error, "error_description": text, "error_codes": [code],
                "timestamp": "2023-11-14 22:13:20Z",
            });
            Reply::json(status, &body)
        };
        let form = Parameters::from_pairs(request.form());
        if request.path != format!("/{TENANT}/oauth2/v2.0/token") {
            return refused(400, "invalid_request", 90002, "Tenant not found.");
        }
        if form.text("grant_type") != "client_credentials" {
            return refused(
                400,
                "unsupported_grant_type",
                70003,
                "The grant type is not supported.",
            );
        }
        if form.text("client_id") != CLIENT {
            let text = "Application was not found in the directory.";
            return refused(400, "unauthorized_client", 700_016, text);
        }
        let scopes: Vec<_> = form.text("scope").split(' ').collect();
        if !scopes.contains(&format!("{}/.default", self.resource).as_str()) {
            return refused(
                400,
                "invalid_scope",
                70011,
                "The provided value for scope is not valid.",
            );
        }
        let Some(assertion) = form.optional("client_assertion") else {
            if form.text("client_secret") != SECRET {
                let text = "Invalid client secret provided.";
                return refused(401, "invalid_client", 7_000_215, text);
            }
            return self.grant(now, "Bearer");
        };
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        if form.text("client_assertion_type") != kind {
            return refused(400, "invalid_request", 50027, "The assertion type is not supported.");
        }
        let Some((header, claims)) = jwt::verified(assertion, &self.public) else {
            let text = "The certificate used to sign the client assertion is not registered.";
            return refused(401, "invalid_client", 700_027, text);
        };
        // Which of its certificates the application has used.
        let named = !header["x5t"].is_null() || !header["x5t#S256"].is_null();
        let endpoint = format!("{}/{TENANT}/oauth2/v2.0/token", self.url);
        if !named || claims["iss"] != CLIENT || claims["sub"] != CLIENT || claims["aud"] != endpoint
        {
            return refused(
                401,
                "invalid_client",
                700_023,
                "The client assertion is not for this.",
            );
        }
        // The kit for Python writes fractions, and when it was made, not from when it is good.
        let [not_before, made, end] = ["nbf", "iat", "exp"].map(|name| claims[name].as_f64());
        #[expect(clippy::cast_precision_loss, reason = "seconds of this epoch are exact")]
        let (now_f, skew) = (now as f64, SKEW as f64);
        let begins = not_before.or(made).unwrap_or(0.0);
        if begins > now_f + skew || end.unwrap_or(0.0) < now_f - skew {
            let text = "Client assertion is not within its valid time range.";
            return refused(401, "invalid_client", 700_024, text);
        }
        self.grant(now, "Bearer")
    }

    /// What the machine gives to whatever runs on it.
    fn machine(&self, now: i64, kind: &str, request: &Request) -> Reply {
        let refused = |text: &str| {
            Reply::json(400, &json!({ "error": "invalid_request", "error_description": text }))
        };
        let allowed = match kind {
            "imds" => request.header("metadata") == "true",
            _ => request.header("x-identity-header") == IDENTITY_HEADER,
        };
        if !allowed {
            return refused("Required metadata header not specified");
        }
        let resource = request.parameter("resource").unwrap_or_default();
        if resource.trim_end_matches('/') != self.resource {
            return refused("The resource is not known.");
        }
        self.grant(now, "Bearer")
    }

    fn grant(&self, now: i64, kind: &str) -> Reply {
        let token = format!("eyJ0eXAi.{}", b64url(self.random.random(96).unwrap_or_default()));
        self.tokens.lock().insert(token.clone(), now + LIFE);
        Reply::json(
            200,
            &json!({
                "access_token": token, "token_type": kind, "expires_in": LIFE,
                "ext_expires_in": LIFE, "expires_on": (now + LIFE).to_string(),
                "resource": self.resource,
            }),
        )
    }
}

/// A private key with its certificate, and the public key, in PEM.
fn certificate() -> (String, String) {
    let key = SigningKey::generate(KeySpec::Rsa2048, &SystemRng).expect("randomness");
    let der = key.to_pkcs8_der().expect("every key has this form");
    let der = PrivatePkcs8KeyDer::from(der.expose().to_vec());
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256).expect("a key of RSA");
    let params = CertificateParams::new(vec!["application".to_owned()]).expect("a name");
    let certificate = params.self_signed(&pair).expect("it signs");
    let private = key.to_pkcs8_pem().expect("every key has this form");
    let both = format!("{}{}", String::from_utf8_lossy(private.expose()), certificate.pem());
    (both, key.public_key().to_spki_pem())
}
