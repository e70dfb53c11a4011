//! What a verified token claims: that it is for us and now, who its bearer is, and within which
//! limits.

use keyfold::EncryptionContext;
use serde_json::{Map, Value};

use super::refused;
use crate::arn::Realm;
use crate::clock::Timestamp;
use crate::engine::tokens::{self, claim};
use crate::engine::{Caller, Narrowing, permissions};
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::server::auth::config::ClaimRule;

/// How many entries a list among our own claims has at most.
const MAX_LIST: usize = 64;

pub(super) type Claims = Map<String, Value>;

/// What a token must say; times in seconds.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) audiences: &'a [String],
    pub(super) leeway: i64,
    pub(super) lifetime: i64,
}

impl Expected<'_> {
    /// For the store's own tokens: other processes over the store may be on other machines.
    pub(super) const LOCAL: Expected<'static> =
        Expected { issuer: "", audiences: &[], leeway: 60, lifetime: 86_400 };

    /// Checks issuer, audience and times; answers when the token ends, without leeway.
    pub(super) fn check(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp> {
        if claims.get("iss").and_then(Value::as_str) != Some(self.issuer) {
            return Err(refused("its issuer is another one"));
        }
        let is_ours = |audience: &Value| {
            audience.as_str().is_some_and(|audience| self.audiences.iter().any(|a| a == audience))
        };
        let ours = match claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
            Some(audience) => is_ours(audience),
            None => false,
        };
        if !ours {
            return Err(refused("it is not for this server"));
        }
        let (Some(ends), Some(issued)) = (time(claims, "exp")?, time(claims, "iat")?) else {
            return Err(refused("it says not from when to when it is valid"));
        };
        let begins = time(claims, "nbf")?.unwrap_or(issued).max(issued);
        let leeway = self.leeway * Timestamp::SECOND;
        if now.millis() >= ends.saturating_add(leeway) {
            let why = "The bearer token has expired.";
            return Err(KmsError::new(KmsErrorCode::ExpiredToken, why));
        }
        if begins > now.millis().saturating_add(leeway) {
            return Err(refused("it is not valid yet"));
        }
        if ends.saturating_sub(issued) > self.lifetime * Timestamp::SECOND {
            return Err(refused("it is valid for longer than is accepted"));
        }
        Ok(Timestamp::from_millis(ends))
    }
}

/// A claim of seconds since the Unix epoch, in milliseconds.
fn time(claims: &Claims, name: &str) -> Result<Option<i64>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=1e11).contains(seconds));
    // Within the range milliseconds are exact.
    #[expect(clippy::cast_possible_truncation)]
    let millis = seconds.map(|seconds| (seconds * 1000.0) as i64);
    millis.map(Some).ok_or_else(|| refused("a time in it is none"))
}

/// From where the bearer's role has what it allows.
pub(super) struct Rights<'a> {
    pub(super) allow: &'a [String],
    pub(super) rules: &'a [ClaimRule],
    pub(super) may_allow: bool,
}

/// Whom a token stands for.
pub(super) fn caller(
    realm: &Realm,
    issuer: &str,
    claims: &Claims,
    rights: &Rights<'_>,
) -> Result<Caller> {
    let subject = claims.get("sub").and_then(Value::as_str).filter(|sub| tokens::is_subject(sub));
    let subject = subject.ok_or_else(|| refused("its subject cannot be that of a principal"))?;
    let mut allowed = rights.allow.to_vec();
    for rule in rights.rules.iter().filter(|rule| rule.fits(claims)) {
        allowed.extend(rule.allow.iter().cloned());
    }
    if let Some(more) = list(claims, claim::ALLOW)? {
        if !rights.may_allow {
            return Err(refused("its issuer may not say what is allowed"));
        }
        permissions::check(&more).map_err(|_| refused("it allows what is no action"))?;
        allowed.extend(more);
    }
    let principal = tokens::principal(realm, issuer, subject);
    Ok(Caller::new(principal, realm.account.clone())
        .with_permissions(allowed)
        .authenticated_by(format!("token {issuer}"))
        .narrowed(narrowing(claims)?))
}

/// The limits that a token sets itself. Whoever issues it may always do that.
fn narrowing(claims: &Claims) -> Result<Narrowing> {
    let mut narrowing = Narrowing::new();
    if let Some(keys) = list(claims, claim::KEYS)? {
        narrowing = narrowing.keys(keys);
    }
    if let Some(operations) = list(claims, claim::OPERATIONS)? {
        narrowing = narrowing.operations(operations);
    }
    if let Some(context) = claims.get(claim::CONTEXT) {
        const WRONG: &str = "its context is not an object of strings";
        let pairs = context.as_object().filter(|pairs| pairs.len() <= MAX_LIST);
        let pairs = pairs.ok_or_else(|| refused(WRONG))?.iter();
        let pairs: Option<EncryptionContext> =
            pairs.map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
        narrowing = narrowing.context(pairs.ok_or_else(|| refused(WRONG))?);
    }
    Ok(narrowing)
}

/// A claim of our own: a list of strings. A limit that is not understood must not be passed over.
fn list(claims: &Claims, name: &str) -> Result<Option<Vec<String>>> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let entries = value.as_array().filter(|entries| entries.len() <= MAX_LIST);
    let texts = entries.and_then(|entries| {
        entries.iter().map(|entry| entry.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts.map(Some).ok_or_else(|| refused("a list in it is not one of at most 64 strings"))
}

impl ClaimRule {
    fn fits(&self, claims: &Claims) -> bool {
        let claim = match self.claim.strip_prefix('/') {
            // A pointer into the claims (RFC 6901): its first step is a claim.
            Some(path) => {
                let (first, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
                let first = first.replace("~1", "/").replace("~0", "~");
                claims.get(&first).and_then(|value| value.pointer(rest))
            }
            None => claims.get(&self.claim),
        };
        match claim {
            // A list of words (RFC 8693, 4.2).
            Some(Value::String(words)) if self.claim == "scope" => {
                words.split(' ').any(|word| word == self.value)
            }
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Array(texts)) => {
                texts.iter().any(|text| text.as_str() == Some(&self.value))
            }
            _ => false,
        }
    }
}
