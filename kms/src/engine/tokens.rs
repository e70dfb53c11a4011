//! The store as an issuer of tokens: JSON web tokens (RFC 7519) under an Ed25519 key of its own.

#[cfg(feature = "server")]
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use keyfold::crypto::hash::Sha256;
use keyfold::sign::{KeySpec, SignatureAlgorithm, SigningKey};
use serde_json::json;
use uuid::Uuid;

#[cfg(feature = "server")]
use super::view::{CachedRow, Kept, Stamp};
use super::{Call, Engine, Operation, permissions};
use crate::arn::Realm;
use crate::audit::hex;
use crate::clock::Timestamp;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::{self, damaged};
use crate::rows::{self, Row, TOKEN_KEY, TokenKeyRow};
#[cfg(feature = "server")]
use crate::store::{Table, Txn};
use crate::types::{IssueTokenRequest, IssueTokenResponse, SecretText, check};

/// What the store's own issuer is called in principals.
pub(crate) const LOCAL: &str = "local";
/// Whom the store's own tokens are for, unless somebody else is named.
pub(crate) const AUDIENCE: &str = "keyfold";
/// The longest life of a token, in seconds: a day.
const MAX_LIFE: u32 = 86_400;
/// How many keys a token is limited to at most.
const MAX_KEYS: usize = 64;

/// The claims of our own.
pub(crate) mod claim {
    /// What the bearer's role allows: a list of actions.
    pub(crate) const ALLOW: &str = "keyfold_allow";
    /// The only keys: a list.
    pub(crate) const KEYS: &str = "keyfold_keys";
    /// The only operations: a list.
    pub(crate) const OPERATIONS: &str = "keyfold_operations";
    /// Pairs of every encryption context: an object of strings.
    pub(crate) const CONTEXT: &str = "keyfold_context";
}

/// The `iss` of a store's own tokens.
pub(crate) fn issuer(store_id: Uuid) -> String {
    format!("urn:keyfold:store:{store_id}")
}

/// The principal of a token's subject.
pub(crate) fn principal(realm: &Realm, issuer: &str, subject: &str) -> String {
    format!("arn:{}:iam::{}:oidc/{issuer}/{subject}", realm.partition, realm.account)
}

/// Whether a subject can be part of an ARN, and of nobody else's.
pub(crate) fn is_subject(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_:/|-".contains(&b);
    (1..=256).contains(&text.len()) && text.bytes().all(legal)
}

fn binding(id: &str) -> Vec<u8> {
    format!("keyfold/kms/token-key/v1\0{id}").into_bytes()
}

impl Call<'_> {
    /// The store's signing key and its name, made on first use.
    fn token_key(&mut self) -> Result<(String, SigningKey)> {
        let engine = self.engine;
        if let Some(row) = rows::get(&mut self.txn, TOKEN_KEY)? {
            return engine.open_token_key(row);
        }
        let key = SigningKey::generate(KeySpec::Ed25519, self.rng())?;
        let id = hex(&Sha256::digest(&key.public_key().to_spki_der())[..8]);
        let (sealing, der) = (engine.keys.token_key.expose(), key.to_pkcs8_der()?);
        let sealed = hierarchy::seal(sealing, self.rng(), &binding(&id), der.expose())?.into();
        let row = TokenKeyRow { id: id.clone(), sealed, created: self.now };
        rows::put(&mut self.txn, TOKEN_KEY, &row)?;
        Ok((id, key))
    }
}

impl Engine {
    fn open_token_key(&self, row: TokenKeyRow) -> Result<(String, SigningKey)> {
        let damaged = || damaged(TokenKeyRow::NAME);
        let (sealing, binding) = (self.keys.token_key.expose(), binding(&row.id));
        let der = hierarchy::open(sealing, &binding, &row.sealed.0).ok_or_else(damaged)?;
        Ok((row.id, SigningKey::from_pkcs8_der(&der).map_err(|_| damaged())?))
    }
}

/// The store's signing key, as those who verify tokens need it.
#[cfg(feature = "server")]
pub(crate) struct TokenKey {
    pub(crate) id: String,
    pub(crate) public: keyfold::sign::PublicKey,
    stamp: Arc<Stamp>,
}

#[cfg(feature = "server")]
impl Kept for TokenKey {
    const TABLE: Table = <TokenKeyRow as Row>::TABLE;

    /// The private half is opened for it: its seal tells that the row is of this store.
    fn load(engine: &Engine, txn: &mut dyn Txn, _: &[u8]) -> Result<Option<(Arc<Self>, usize)>> {
        let Some(bytes) = txn.get(Self::TABLE, TOKEN_KEY)? else { return Ok(None) };
        let stamp = Stamp::of(Self::TABLE, TOKEN_KEY, &bytes);
        let (id, key) = engine.open_token_key(rows::decode(&bytes, TokenKeyRow::NAME)?)?;
        let key = TokenKey { id, public: key.public_key().clone(), stamp };
        Ok(Some((Arc::new(key), 256)))
    }

    fn stamp(&self) -> Option<Arc<Stamp>> {
        Some(Arc::clone(&self.stamp))
    }
}

#[cfg(feature = "server")]
impl Engine {
    /// The store's signing key, where it is in memory.
    pub(crate) fn token_key_in_memory(&self) -> Option<CachedRow<TokenKey>> {
        self.row_in_memory(TOKEN_KEY)
    }

    /// The store's signing key; `None` before the first token.
    pub(crate) fn token_key_in_store(&self) -> Result<Option<CachedRow<TokenKey>>> {
        self.row_in_store(TOKEN_KEY)
    }
}

impl Operation for IssueTokenRequest {
    type Response = IssueTokenResponse;
    const NAME: &'static str = "IssueToken";
    const READ_ONLY: bool = false;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        if !is_subject(&self.subject) {
            return Err(KmsError::validation(
                "subject",
                "Member must satisfy regular expression pattern: ^[A-Za-z0-9+=,.@_:/|-]{1,256}$",
            ));
        }
        check::chars("audience", &self.audience, 0..=256)?;
        permissions::check(&self.permissions)?;
        permissions::check_operations(&self.operations)?;
        check::items("keys", &self.keys, 0..=MAX_KEYS)?;
        self.keys.iter().try_for_each(|key| check::key_id("keys", key))?;
        self.encryption_context.to_canonical()?;
        check::number("expiresInSeconds", self.expires_in_seconds, 1..=MAX_LIFE)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<IssueTokenResponse> {
        call.authorize_account("keyfold:IssueToken")?;
        let principal = principal(call.realm(), LOCAL, &self.subject);
        call.trail.resource(&*principal);
        let (id, key) = call.token_key()?;
        let issued = call.now.millis().div_euclid(Timestamp::SECOND);
        let expires = issued + i64::from(self.expires_in_seconds);
        let audience = if self.audience.is_empty() { AUDIENCE } else { &self.audience };
        let mut claims = json!({
            "iss": issuer(call.engine.store_id()),
            "aud": audience,
            "sub": self.subject,
            "iat": issued,
            "exp": expires,
            "jti": call.make_id()?,
            claim::ALLOW: self.permissions,
        });
        let lists = [(claim::KEYS, &self.keys), (claim::OPERATIONS, &self.operations)];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            claims[name] = json!(list);
        }
        if !self.encryption_context.is_empty() {
            claims[claim::CONTEXT] = self.encryption_context.iter().collect();
        }
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": id });
        let part = |value: serde_json::Value| BASE64.encode(value.to_string());
        let mut token = format!("{}.{}", part(header), part(claims));
        let signature =
            key.sign(SignatureAlgorithm::Ed25519, token.as_bytes()).map_err(|error| {
                KmsError::new(KmsErrorCode::Internal, "a token cannot be signed").with_source(error)
            })?;
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(IssueTokenResponse {
            token: SecretText::new(token),
            expires: Timestamp::from_millis(expires * Timestamp::SECOND),
            principal,
        })
    }
}
