//! The configuration of who may call.

use std::fmt;
use std::path::PathBuf;

use serde::Deserialize;

use crate::engine::{permissions, tokens};

const MAX_ISSUERS: usize = 16;
const MAX_RULES: usize = 256;
const MAX_LEEWAY: u32 = 60;
/// How long a configured issuer's token may live at most: a week.
const MAX_LIFETIME: u32 = 7 * 86_400;

/// How callers are told: the part `[auth]` of the server's configuration. Everything has a
/// default; a member that is not known is an error.
///
/// ```
/// use keyfold_kms::server::auth::AuthConfig;
///
/// // The same in TOML.
/// let config: AuthConfig = serde_json::from_str(
///     r#"{
///         "sigv4": { "hosts": ["kms.example.com"] },
///         "tokens": { "issuers": [{
///             "name": "corp",
///             "issuer": "https://login.example.com/",
///             "audiences": ["keyfold"],
///             "jwks_url": "https://login.example.com/keys",
///             "rules": [{ "claim": "groups", "value": "kms-admins", "allow": ["kms:*"] }]
///         }] },
///         "mtls": { "rules": [
///             { "san": "spiffe://example.com/backup/*", "allow": ["kms:Decrypt"] }
///         ] }
///     }"#,
/// )?;
/// assert_eq!(config.tokens.issuers[0].max_lifetime_seconds, 86_400);
/// assert!(serde_json::from_str::<AuthConfig>(r#"{ "sigv5": {} }"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// AWS signatures.
    pub sigv4: SigV4Config,
    /// Bearer tokens.
    pub tokens: TokensConfig,
    /// Client certificates. They are asked for where the listener has authorities for them.
    pub mtls: MtlsConfig,
}

/// AWS signatures, version 4.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigV4Config {
    /// Whether signatures are taken; yes unless told otherwise.
    pub enabled: bool,
    /// How far the clock of a client may be off, in seconds: 300, at most 900.
    pub max_skew_seconds: u32,
    /// The names under which clients know this server where a proxy in between changes the `Host`
    /// header: each is tried after the one that was sent. At most 8, with the port unless it is
    /// the scheme's own.
    pub hosts: Vec<String>,
}

impl Default for SigV4Config {
    fn default() -> Self {
        SigV4Config { enabled: true, max_skew_seconds: 300, hosts: Vec::new() }
    }
}

/// Bearer tokens: JSON web tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokensConfig {
    /// Whether the store's own tokens (`keyfold token`) are taken; yes unless told otherwise.
    pub local: bool,
    /// Whom they must be for: `keyfold`.
    pub audience: String,
    /// Who else issues tokens; at most 16.
    pub issuers: Vec<IssuerConfig>,
}

impl Default for TokensConfig {
    fn default() -> Self {
        TokensConfig { local: true, audience: tokens::AUDIENCE.into(), issuers: Vec::new() }
    }
}

/// An algorithm of tokens. There are no others: no `none`, no shared secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TokenAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSA (PKCS #1 v1.5) with SHA-256, 2048, 3072 or 4096 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

/// Somebody who issues tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// What it is called in principals, `arn:aws:iam::ACCOUNT:oidc/NAME/SUBJECT`: 1 to 64 lowercase
    /// letters, digits, `.`, `_` and `-`; not `local`.
    pub name: String,
    /// The claim `iss`, exactly.
    pub issuer: String,
    /// Whom tokens must be for: one of these must be in `aud`.
    pub audiences: Vec<String>,
    /// Where its keys are (RFC 7517): an `https` address; `http` only for this machine.
    #[serde(default)]
    pub jwks_url: Option<String>,
    /// A file with its keys, instead.
    #[serde(default)]
    pub jwks_file: Option<PathBuf>,
    /// The algorithms that it uses; all three unless told otherwise.
    #[serde(default = "all_algorithms")]
    pub algorithms: Vec<TokenAlgorithm>,
    /// How long a token may live from `iat` to `exp`: 86,400 seconds, at most 604,800.
    #[serde(default = "default_lifetime")]
    pub max_lifetime_seconds: u32,
    /// How far its clock may be off: 60 seconds, which is the most too.
    #[serde(default = "default_leeway")]
    pub leeway_seconds: u32,
    /// How old its keys get before they are asked for again: 300 seconds.
    #[serde(default = "default_refresh")]
    pub refresh_seconds: u32,
    /// How often its keys are asked for at most, whatever tokens name: every 30 seconds.
    #[serde(default = "default_min_refresh")]
    pub min_refresh_seconds: u32,
    /// What every bearer may do where a key's policy leaves it to the account; nothing.
    #[serde(default)]
    pub allow: Vec<String>,
    /// What those may do beyond that whose token has a claim; at most 256.
    #[serde(default)]
    pub rules: Vec<ClaimRule>,
    /// Whether the claim `keyfold_allow` of its tokens counts: whoever can make it put that claim
    /// in can do everything. No unless told otherwise; a token that has it is then refused.
    #[serde(default)]
    pub may_allow: bool,
}

fn all_algorithms() -> Vec<TokenAlgorithm> {
    vec![TokenAlgorithm::Es256, TokenAlgorithm::EdDsa, TokenAlgorithm::Rs256]
}

fn default_lifetime() -> u32 {
    86_400
}

fn default_leeway() -> u32 {
    60
}

fn default_refresh() -> u32 {
    300
}

fn default_min_refresh() -> u32 {
    30
}

/// What a claim allows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRule {
    /// The claim: its name, or a JSON Pointer (RFC 6901) such as `/realm_access/roles`.
    pub claim: String,
    /// The text that it must be, or that must be one of its list; in `scope` one of its words.
    pub value: String,
    /// What is then allowed: actions such as `kms:Decrypt`, `secretsmanager:*`, `*`.
    pub allow: Vec<String>,
}

/// Client certificates.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MtlsConfig {
    /// What the bearers of certificates may do where a key's policy leaves it to the account; at
    /// most 256. Nothing where no rule fits.
    pub rules: Vec<SanRule>,
}

/// What the name in a certificate allows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SanRule {
    /// The name, or a prefix that ends in `*`.
    pub san: String,
    /// What is then allowed.
    pub allow: Vec<String>,
}

impl TokensConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.audience.is_empty() {
            return Err(ConfigError::new("tokens.audience", "it is empty"));
        }
        if self.issuers.len() > MAX_ISSUERS {
            return Err(ConfigError::new("tokens.issuers", "at most 16"));
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            issuer.check().map_err(|(member, why)| {
                ConfigError::new(format!("tokens.issuers[{index}].{member}"), why)
            })?;
            let same =
                |other: &IssuerConfig| other.name == issuer.name || other.issuer == issuer.issuer;
            if self.issuers[..index].iter().any(same) {
                let why = "another one has the same name or the same issuer";
                return Err(ConfigError::new(format!("tokens.issuers[{index}]"), why));
            }
        }
        Ok(())
    }
}

impl IssuerConfig {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |member, why: &str| Err((member, why.to_owned()));
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if !(1..=64).contains(&self.name.len()) || !self.name.bytes().all(legal) {
            return wrong("name", "1 to 64 lowercase letters, digits, dots, _ and -");
        }
        if self.name == tokens::LOCAL {
            return wrong("name", "'local' is the store itself");
        }
        if self.issuer.is_empty() || self.issuer.starts_with("urn:keyfold:store:") {
            return wrong("issuer", "the claim iss of its tokens");
        }
        if self.audiences.is_empty() || self.audiences.iter().any(String::is_empty) {
            return wrong("audiences", "at least one, none of them empty");
        }
        if self.jwks_url.is_some() == self.jwks_file.is_some() {
            return wrong("jwks_url", "one of jwks_url and jwks_file must be given");
        }
        if self.algorithms.is_empty() {
            return wrong("algorithms", "at least one of ES256, EdDSA, RS256");
        }
        if !(1..=MAX_LIFETIME).contains(&self.max_lifetime_seconds) {
            return wrong("max_lifetime_seconds", "1 to 604800");
        }
        if self.leeway_seconds > MAX_LEEWAY {
            return wrong("leeway_seconds", "at most 60");
        }
        if self.min_refresh_seconds == 0 || self.refresh_seconds < self.min_refresh_seconds {
            return wrong("min_refresh_seconds", "at least 1 and at most refresh_seconds");
        }
        check_rules(&self.rules, |rule| (&rule.claim, &rule.allow))
            .and_then(|()| check_allow(&self.allow))
            .map_err(|why| ("rules", why))
    }
}

impl MtlsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_rules(&self.rules, |rule| (&rule.san, &rule.allow))
            .map_err(|why| ConfigError::new("mtls.rules", why))
    }
}

fn check_rules<R>(rules: &[R], parts: fn(&R) -> (&String, &Vec<String>)) -> Result<(), String> {
    if rules.len() > MAX_RULES {
        return Err("at most 256".into());
    }
    rules.iter().map(parts).try_for_each(|(name, allow)| {
        if name.is_empty() {
            return Err("a rule names nothing".into());
        }
        check_allow(allow)
    })
}

fn check_allow(allow: &[String]) -> Result<(), String> {
    permissions::check(allow).map_err(|error| error.message().to_owned())
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    member: String,
    why: String,
}

impl ConfigError {
    pub(super) fn new(member: impl Into<String>, why: impl Into<String>) -> Self {
        ConfigError { member: member.into(), why: why.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "auth.{}: {}", self.member, self.why)
    }
}

impl std::error::Error for ConfigError {}
