//! Bearer tokens: JSON web tokens (RFC 7519), of the store's own or of configured issuers.

mod claims;

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, dangerous};
use keyfold::crypto::hash::Sha256;
use parking_lot::Mutex;
use serde::Deserialize;

use super::config::{ConfigError, IssuerConfig, TokenAlgorithm, TokensConfig};
use super::keys::Keys;
use crate::clock::Timestamp;
use crate::engine::tokens::{self, LOCAL};
use crate::engine::{Caller, Engine};
use crate::error::{KmsError, KmsErrorCode, Result};
use claims::{Claims, Expected, Rights};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8192;
/// How long a token that was verified is not verified again.
const KEPT_FOR: i64 = 60 * Timestamp::SECOND;
/// How many verified tokens are kept, in each of two halves: the older half ends when the younger
/// is full.
const HALF: usize = 4096;

/// What is wrong with a token, for whoever sent it: nothing that it holds.
fn refused(why: &'static str) -> KmsError {
    KmsError::new(KmsErrorCode::UnrecognizedClient, format!("The bearer token is refused: {why}."))
}

/// Somebody who issues tokens.
struct Issuer {
    config: IssuerConfig,
    keys: Arc<Keys>,
}

/// Checks tokens.
pub(super) struct Tokens {
    /// Whom the store's own tokens must be for; nobody where they are not taken.
    local: Option<Vec<String>>,
    issuers: Vec<Issuer>,
    by_claim: HashMap<String, usize>,
    kept: Mutex<Kept>,
}

/// A token that was verified, and for how long that holds.
#[derive(Clone)]
struct Verified {
    caller: Caller,
    by: By,
    from: Timestamp,
    until: Timestamp,
}

/// What a token was verified by.
#[derive(Clone)]
enum By {
    /// The store's own key of this name.
    Local(String),
    /// The keys of an issuer, at a revision.
    Issuer(usize, u64),
}

#[derive(Default)]
struct Kept {
    young: HashMap<[u8; 32], Verified>,
    old: HashMap<[u8; 32], Verified>,
}

impl Kept {
    fn get(&self, digest: &[u8; 32]) -> Option<Verified> {
        self.young.get(digest).or_else(|| self.old.get(digest)).cloned()
    }

    fn put(&mut self, digest: [u8; 32], verified: Verified) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, verified);
    }
}

/// What decides whose keys a token is verified with.
#[derive(Deserialize)]
struct Unverified {
    iss: String,
}

impl Tokens {
    pub(super) fn new(config: TokensConfig) -> Result<Self, ConfigError> {
        config.check()?;
        // With two implementations in one process it would not know which one to take.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let TokensConfig { local, audience, issuers } = config;
        let by_claim =
            issuers.iter().enumerate().map(|(index, of)| (of.issuer.clone(), index)).collect();
        let issuers = issuers
            .into_iter()
            .map(|config| Ok(Issuer { keys: Arc::new(Keys::new(&config)?), config }))
            .collect::<Result<_, ConfigError>>()?;
        let local = local.then(|| vec![audience]);
        Ok(Tokens { local, issuers, by_claim, kept: Mutex::default() })
    }

    /// The caller that a token stands for.
    pub(super) async fn authenticate(
        &self,
        engine: &Engine,
        token: &str,
        now: Timestamp,
    ) -> Result<Caller> {
        if token.len() > MAX_TOKEN {
            return Err(refused("it is longer than 8192 bytes"));
        }
        let digest = Sha256::digest(token.as_bytes());
        let kept = self.kept.lock().get(&digest);
        if let Some(caller) = kept.and_then(|kept| self.recall(engine, kept, now)) {
            return Ok(caller);
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| refused("it is not a JSON web token with a known algorithm"))?;
        check_header(&header)?;
        let Unverified { iss } =
            dangerous::insecure_decode_claims(token).map_err(|_| refused("it names no issuer"))?;
        let (caller, verified) = if iss == tokens::issuer(engine.store_id()) {
            self.verify_local(engine, token, &header, now)?
        } else {
            let index = self.by_claim.get(&iss).ok_or_else(|| refused("its issuer is unknown"))?;
            let verified = self.verify(engine, *index, token, &header, now).await?;
            (verified.caller.clone(), verified)
        };
        self.kept.lock().put(digest, verified);
        Ok(caller)
    }

    /// The caller of a token that was verified not long ago, where that still holds.
    fn recall(&self, engine: &Engine, kept: Verified, now: Timestamp) -> Option<Caller> {
        if now < kept.from || now >= kept.until {
            return None;
        }
        match kept.by {
            By::Local(id) => {
                let key = engine.token_key_in_memory().filter(|key| key.row.id == id)?;
                Some(kept.caller.resting_on(&key))
            }
            By::Issuer(index, revision) => {
                (self.issuers[index].keys.revision() == revision).then_some(kept.caller)
            }
        }
    }

    /// Answers the caller, and what is kept: the caller rests on the key's row as it is now.
    fn verify_local(
        &self,
        engine: &Engine,
        token: &str,
        header: &Header,
        now: Timestamp,
    ) -> Result<(Caller, Verified)> {
        let audiences = self.local.as_ref().ok_or_else(|| refused("its issuer is unknown"))?;
        if header.alg != Algorithm::EdDSA {
            return Err(refused("its algorithm is not one of its issuer's"));
        }
        let id = header.kid.as_deref();
        let mut key = engine.token_key_in_memory().filter(|key| Some(&*key.row.id) == id);
        if key.is_none() {
            key = engine.token_key_in_store()?.filter(|key| Some(&*key.row.id) == id);
        }
        let key = key.ok_or_else(|| refused("its key is unknown"))?;
        let (_, decoding) = super::keys::decoding_key(&key.row.public)
            .ok_or_else(|| KmsError::internal("the key of tokens is not of Ed25519"))?;
        let claims = decode(token, &decoding, header.alg)?;
        let expected =
            Expected { issuer: &tokens::issuer(engine.store_id()), audiences, ..Expected::LOCAL };
        let rights = Rights { allow: &[], rules: &[], may_allow: true };
        let until = expected.check(&claims, now)?;
        let caller = claims::caller(engine.realm(), LOCAL, &claims, &rights)?;
        let resting = caller.clone().resting_on(&key);
        let by = By::Local(key.row.id.clone());
        Ok((resting, Verified { caller, by, from: now, until: until.min(now.plus(KEPT_FOR)) }))
    }

    async fn verify(
        &self,
        engine: &Engine,
        index: usize,
        token: &str,
        header: &Header,
        now: Timestamp,
    ) -> Result<Verified> {
        let Issuer { config, keys } = &self.issuers[index];
        if !config.algorithms.iter().any(|algorithm| algorithm.jws() == header.alg) {
            return Err(refused("its algorithm is not one of its issuer's"));
        }
        let found = keys.find(&config.name, header.kid.as_deref(), header.alg, now).await;
        let found = found.ok_or_else(|| refused("its key is unknown, or cannot be had now"))?;
        let claims = decode(token, &found.key, header.alg)?;
        let expected = Expected {
            issuer: &config.issuer,
            audiences: &config.audiences,
            leeway: config.leeway_seconds.into(),
            lifetime: config.max_lifetime_seconds.into(),
        };
        let rights =
            Rights { allow: &config.allow, rules: &config.rules, may_allow: config.may_allow };
        let until = expected.check(&claims, now)?;
        let caller = claims::caller(engine.realm(), &config.name, &claims, &rights)?;
        let by = By::Issuer(index, found.revision);
        Ok(Verified { caller, by, from: now, until: until.min(now.plus(KEPT_FOR)) })
    }
}

impl TokenAlgorithm {
    fn jws(self) -> Algorithm {
        match self {
            TokenAlgorithm::Es256 => Algorithm::ES256,
            TokenAlgorithm::EdDsa => Algorithm::EdDSA,
            TokenAlgorithm::Rs256 => Algorithm::RS256,
        }
    }
}

/// Refuses headers that mean something else than an access or ID token (RFC 8725, 3.11), or that
/// demand what is not understood (RFC 7515, 4.1.11).
fn check_header(header: &Header) -> Result<()> {
    let kind = header.typ.as_deref().unwrap_or("JWT");
    let kind = kind.strip_prefix("application/").unwrap_or(kind);
    if !kind.eq_ignore_ascii_case("JWT") && !kind.eq_ignore_ascii_case("at+jwt") {
        return Err(refused("it is a token of another kind"));
    }
    if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(refused("its header demands what is not understood"));
    }
    Ok(())
}

/// Verifies the signature; what is claimed is checked after it.
fn decode(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode(token, key, &validation);
    decoded.map(|decoded| decoded.claims).map_err(|_| refused("its signature does not hold"))
}

#[cfg(test)]
mod tests;
