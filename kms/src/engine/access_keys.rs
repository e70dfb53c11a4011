//! Access keys: who may sign requests, and with which secret.
//!
//! The server needs the secret itself to check a signature (HMAC), so it is sealed in the store,
//! not hashed, and bound to whom it stands for and to what that user may do.

#[cfg(feature = "server")]
mod cache;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Call, Operation, pages, permissions};
use crate::arn::Realm;
use crate::clock::Timestamp;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::{self, damaged};
use crate::rows::{self, AccessKeyRow, Row};
use crate::store::{Table, Txn, scan_prefix};
use crate::types::{
    AccessKeyMetadata, AccessKeyStatus, CreateAccessKeyRequest, CreateAccessKeyResponse,
    DeleteAccessKeyRequest, Empty, ListAccessKeysRequest, ListAccessKeysResponse,
    RotateAccessKeyRequest, SecretText, UpdateAccessKeyRequest, check,
};

#[cfg(feature = "server")]
pub(crate) use cache::AccessKey;

/// What every id begins with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "KFAK";
/// How many letters and digits follow: 80 random bits.
const ID_LEN: usize = 16;
/// The random bytes of a secret: 40 characters of base64.
const SECRET_LEN: usize = 30;
/// How many keys of one user work at the same time.
const MAX_ACTIVE: usize = 2;
/// How many keys one user has, working or not.
const MAX_PER_USER: usize = 100;

/// Whether a text can be the id of an access key.
fn is_id(text: &str) -> bool {
    text.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == ID_LEN && rest.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
    })
}

fn make_id(call: &Call<'_>) -> Result<String> {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; ID_LEN];
    call.rng().fill(&mut random)?;
    let letters = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    Ok(PREFIX.chars().chain(letters).collect())
}

fn make_secret(call: &Call<'_>) -> Result<SecretText> {
    let mut random = Zeroizing::new([0; SECRET_LEN]);
    call.rng().fill(random.as_mut_slice())?;
    Ok(SecretText::new(STANDARD.encode(random.as_slice())))
}

/// The principal of a user.
fn principal(realm: &Realm, user: &str) -> String {
    format!("arn:{}:iam::{}:user/{user}", realm.partition, realm.account)
}

fn check_user(name: &str) -> Result<()> {
    check::chars("userName", name, 1..=64)?;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
    if name.bytes().all(legal) {
        return Ok(());
    }
    Err(KmsError::validation(
        "userName",
        "Member must satisfy regular expression pattern: ^[A-Za-z0-9+=,.@_-]+$",
    ))
}

fn check_id(id: &str) -> Result<()> {
    if is_id(id) { Ok(()) } else { Err(absent()) }
}

fn absent() -> KmsError {
    KmsError::new(KmsErrorCode::NotFound, "there is no such access key")
}

fn user_prefix(user: &str) -> Vec<u8> {
    [user.as_bytes(), &[0]].concat()
}

fn index(user: &str, id: &str) -> Vec<u8> {
    [user.as_bytes(), &[0], id.as_bytes()].concat()
}

impl AccessKeyRow {
    fn is_active(&self) -> bool {
        self.status == AccessKeyStatus::Active
    }

    /// Whether it works.
    fn works(&self, now: Timestamp) -> bool {
        self.is_active() && self.expires.is_none_or(|end| now < end)
    }

    /// What the secret is bound to: it opens for nobody else, and for no other rights.
    fn binding(&self, id: &str) -> Result<Vec<u8>> {
        let bound = (id, &self.user, &self.permissions, self.created, self.expires);
        let mut aad = b"keyfold/kms/access-key/v1\0".to_vec();
        serde_json::to_writer(&mut aad, &bound).map_err(|_| damaged(Self::NAME))?;
        Ok(aad)
    }

    fn metadata(&self, id: &str, realm: &Realm) -> AccessKeyMetadata {
        AccessKeyMetadata {
            access_key_id: id.to_owned(),
            user_name: self.user.clone(),
            principal: principal(realm, &self.user),
            permissions: self.permissions.clone(),
            status: self.status,
            create_date: self.created,
            expires: self.expires,
        }
    }
}

/// The access keys of a user, in the order of their ids.
fn of_user(txn: &mut dyn Txn, user: &str) -> Result<Vec<AccessKeyRow>> {
    let prefix = user_prefix(user);
    let found = scan_prefix(txn, Table::AccessKeysByUser, &prefix, None, MAX_PER_USER)?;
    found.iter().map(|(key, _)| load_indexed(txn, key).map(|(_, row)| row)).collect()
}

fn load_indexed(txn: &mut dyn Txn, index: &[u8]) -> Result<(String, AccessKeyRow)> {
    let damaged = || damaged(AccessKeyRow::NAME);
    let id = index.rsplit(|byte| *byte == 0).next().unwrap_or_default();
    let row = rows::get(txn, id)?.ok_or_else(damaged)?;
    Ok((String::from_utf8(id.to_vec()).map_err(|_| damaged())?, row))
}

impl Call<'_> {
    fn access_key(&mut self, id: &str) -> Result<AccessKeyRow> {
        let row: AccessKeyRow = rows::get(&mut self.txn, id.as_bytes())?.ok_or_else(absent)?;
        self.note_access_key(id, &row.user);
        Ok(row)
    }

    fn note_access_key(&mut self, id: &str, user: &str) {
        let principal = principal(self.realm(), user);
        self.trail.resource(principal);
        self.trail.resource(id);
    }

    /// Refuses a user who has as many keys that work as there may be.
    fn require_room(&mut self, user: &str) -> Result<()> {
        let keys = of_user(&mut self.txn, user)?;
        let limit = |why| Err(KmsError::new(KmsErrorCode::LimitExceeded, why));
        if keys.iter().filter(|row| row.works(self.now)).count() >= MAX_ACTIVE {
            return limit("a user has at most two access keys that work: disable one first");
        }
        if keys.len() >= MAX_PER_USER {
            return limit("a user has at most 100 access keys: delete some first");
        }
        Ok(())
    }

    fn make_access_key(
        &mut self,
        user: &str,
        permissions: &[String],
        expires: Option<Timestamp>,
    ) -> Result<CreateAccessKeyResponse> {
        self.require_room(user)?;
        let (id, secret) = (make_id(self)?, make_secret(self)?);
        self.note_access_key(&id, user);
        let access_key = self.put_access_key(&id, user, permissions, expires, &secret)?;
        Ok(CreateAccessKeyResponse { access_key, secret_access_key: secret })
    }

    fn put_access_key(
        &mut self,
        id: &str,
        user: &str,
        permissions: &[String],
        expires: Option<Timestamp>,
        secret: &SecretText,
    ) -> Result<AccessKeyMetadata> {
        let mut row = AccessKeyRow {
            user: user.to_owned(),
            permissions: permissions.to_vec(),
            status: AccessKeyStatus::Active,
            created: self.now,
            expires,
            sealed: Vec::new().into(),
        };
        let (key, binding) = (self.keys().access_key.expose(), row.binding(id)?);
        row.sealed = hierarchy::seal(key, self.rng(), &binding, secret.expose().as_bytes())?.into();
        rows::put(&mut self.txn, id.as_bytes(), &row)?;
        self.txn.put(Table::AccessKeysByUser, &index(user, id), b"")?;
        Ok(row.metadata(id, self.realm()))
    }
}

impl Operation for CreateAccessKeyRequest {
    type Response = CreateAccessKeyResponse;
    const NAME: &'static str = "CreateAccessKey";
    const READ_ONLY: bool = false;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        check_user(&self.user_name)?;
        permissions::check(&self.permissions)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<CreateAccessKeyResponse> {
        call.authorize_account("keyfold:CreateAccessKey")?;
        if self.expires.is_some_and(|end| end <= call.now) {
            return Err(KmsError::validation("expires", "Member must be in the future"));
        }
        call.make_access_key(&self.user_name, &self.permissions, self.expires)
    }
}

impl Operation for RotateAccessKeyRequest {
    type Response = CreateAccessKeyResponse;
    const NAME: &'static str = "RotateAccessKey";
    const READ_ONLY: bool = false;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        check_id(&self.access_key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<CreateAccessKeyResponse> {
        call.authorize_account("keyfold:RotateAccessKey")?;
        let old = call.access_key(&self.access_key_id)?;
        let expires =
            old.expires.map(|end| call.now.plus(end.millis().saturating_sub(old.created.millis())));
        call.make_access_key(&old.user, &old.permissions, expires)
    }
}

impl Operation for UpdateAccessKeyRequest {
    type Response = Empty;
    const NAME: &'static str = "UpdateAccessKey";
    const READ_ONLY: bool = false;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        check_id(&self.access_key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        call.authorize_account("keyfold:UpdateAccessKey")?;
        let mut row = call.access_key(&self.access_key_id)?;
        if row.status == self.status {
            return Ok(Empty {});
        }
        if self.status == AccessKeyStatus::Active {
            call.require_room(&row.user)?;
        }
        row.status = self.status;
        rows::put(&mut call.txn, self.access_key_id.as_bytes(), &row)?;
        Ok(Empty {})
    }
}

impl Operation for DeleteAccessKeyRequest {
    type Response = Empty;
    const NAME: &'static str = "DeleteAccessKey";
    const READ_ONLY: bool = false;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        check_id(&self.access_key_id)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<Empty> {
        call.authorize_account("keyfold:DeleteAccessKey")?;
        let row = call.access_key(&self.access_key_id)?;
        rows::delete::<AccessKeyRow>(&mut call.txn, self.access_key_id.as_bytes())?;
        call.txn.delete(Table::AccessKeysByUser, &index(&row.user, &self.access_key_id))?;
        Ok(Empty {})
    }
}

impl Operation for ListAccessKeysRequest {
    type Response = ListAccessKeysResponse;
    const NAME: &'static str = "ListAccessKeys";
    const READ_ONLY: bool = true;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        self.user_name.as_deref().map_or(Ok(()), check_user)?;
        pages::validate(self.limit, self.marker.as_deref(), 1000)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListAccessKeysResponse> {
        call.authorize_account("keyfold:ListAccessKeys")?;
        let prefix = self.user_name.as_deref().map(user_prefix).unwrap_or_default();
        let list: &[&[u8]] = &[b"ListAccessKeys", &prefix];
        let after = self.marker.as_deref().map(|m| call.read_marker(list, m)).transpose()?;
        let (table, size) = (Table::AccessKeysByUser, pages::size(self.limit, 100));
        let mut found = scan_prefix(&mut call.txn, table, &prefix, after.as_deref(), size + 1)?;
        let truncated = pages::cut(&mut found, size);
        let next_marker =
            found.last().filter(|_| truncated).map(|(last, _)| call.make_marker(list, last));
        let mut access_keys = Vec::with_capacity(found.len());
        for (key, _) in found {
            let (id, row) = load_indexed(&mut call.txn, &key)?;
            access_keys.push(row.metadata(&id, call.realm()));
        }
        Ok(ListAccessKeysResponse { access_keys, truncated, next_marker })
    }
}

/// What tests need beside the operations: a key whose id and secret were chosen elsewhere.
#[cfg(all(test, feature = "server"))]
impl super::Engine {
    pub(crate) fn insert_access_key(
        &self,
        id: &str,
        user: &str,
        permissions: &[&str],
        secret: &SecretText,
    ) {
        let permissions: Vec<String> = permissions.iter().map(|&name| name.into()).collect();
        self.alter(|call| call.put_access_key(id, user, &permissions, None, secret).map(drop));
    }

    pub(crate) fn set_access_key(&self, id: &str, status: AccessKeyStatus) {
        self.alter_access_key(id, |row| row.status = status);
    }

    pub(crate) fn alter_access_key(&self, id: &str, alter: impl FnOnce(&mut AccessKeyRow)) {
        self.alter(|call| {
            let mut row = call.access_key(id)?;
            alter(&mut row);
            rows::put(&mut call.txn, id.as_bytes(), &row)
        });
    }

    pub(crate) fn copy_access_key(&self, from: &str, to: &str) {
        self.alter(|call| {
            let row = call.access_key(from)?;
            rows::put(&mut call.txn, to.as_bytes(), &row)
        });
    }

    pub(crate) fn end_access_key(&self, id: &str, expires: Option<Timestamp>) {
        self.alter(|call| {
            let mut row = call.access_key(id)?;
            let (old, key) = (row.binding(id)?, call.keys().access_key.expose());
            let secret = hierarchy::open(key, &old, &row.sealed.0).expect("it opens");
            row.expires = expires;
            row.sealed = hierarchy::seal(key, call.rng(), &row.binding(id)?, &secret)?.into();
            rows::put(&mut call.txn, id.as_bytes(), &row)
        });
    }

    fn alter(&self, work: impl FnOnce(&mut Call<'_>) -> Result<()>) {
        let (caller, now, mut trail) =
            (self.owner(), self.clock.now(), crate::audit::Trail::default());
        let (engine, caller, trail) = (self, &caller, &mut trail);
        self.transact(|mut view| {
            let txn = view.reborrow();
            work(&mut Call { engine, caller, now, txn, trail, prepared: None, via: None })
        })
        .expect("a write");
    }
}
