//! The password safe: secrets with versions, stages and a recovery window.
//!
//! Each value is sealed under a data key of its own, which a KMS key wraps under the context
//! `{SecretARN, SecretVersionId}`. Reading a value asks the KMS key, with the caller's rights:
//! once the key is disabled, so are the secrets under it.

mod change;
mod create;
mod default_key;
mod filter;
mod lifecycle;
mod list;
mod protect;
mod read;
mod rows;
mod shortcuts;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Call;
use crate::arn::Arn;
use crate::clock::Timestamp;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows as store_rows;
use crate::store::{Table, Txn, scan_prefix};
use crate::types::{SecretTag, SecretText, Sensitive};

use rows::{Kind, SecretKey, SecretRow, ValueRow, VersionRow, version_key};

const SERVICE: &str = "secretsmanager";
const ID_SUFFIX: usize = 6;

/// The longest value of a secret, in bytes.
const MAX_VALUE: usize = 65_536;
const MAX_NAME: usize = 512;
const MAX_SECRET_ID: usize = 2048;
const MAX_DESCRIPTION: usize = 2048;
const MAX_KMS_KEY_ID: usize = 2048;
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// How many versions are kept although nothing needs them.
const KEPT_VERSIONS: usize = 100;
/// How long every version is kept, in milliseconds.
const KEPT_FOR: i64 = Timestamp::DAY;

/// Implements [`super::Operation`] for a request: permission first, and errors under the names
/// that this service has for them.
macro_rules! operation {
    ($request:ty => $response:ty, $name:literal, read_only: $read_only:literal, $check:expr, $perform:expr) => {
        impl crate::engine::Operation for $request {
            type Response = $response;
            const NAME: &'static str = $name;
            const READ_ONLY: bool = $read_only;
            const SERVICE: &'static str = crate::engine::secrets::SERVICE;

            fn validate(&self) -> crate::error::Result<()> {
                let check: fn(&$request) -> crate::error::Result<()> = $check;
                check(self)
            }

            fn run(&self, call: &mut crate::engine::Call<'_>) -> crate::error::Result<$response> {
                let perform: fn(
                    &$request,
                    &mut crate::engine::Call<'_>,
                ) -> crate::error::Result<$response> = $perform;
                call.authorize_account(concat!("secretsmanager:", $name))?;
                perform(self, call).map_err(crate::engine::secrets::as_secrets_error)
            }
        }
    };
}
use operation;

/// A secret and its place in the store.
struct Secret {
    key: SecretKey,
    row: SecretRow,
}

/// A value as the caller gave it.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a SecretText),
    Bytes(&'a Sensitive),
}

impl<'a> Value<'a> {
    /// The one value of a request, of at most 65,536 bytes.
    fn of(text: Option<&'a SecretText>, bytes: Option<&'a Sensitive>) -> Result<Option<Self>> {
        let value = match (text, bytes) {
            (None, None) => return Ok(None),
            (Some(text), None) => Value::Text(text),
            (None, Some(bytes)) => Value::Bytes(bytes),
            (Some(_), Some(_)) => {
                return Err(invalid("only one of SecretString and SecretBinary can be given"));
            }
        };
        if !(1..=MAX_VALUE).contains(&value.expose().len()) {
            return Err(invalid("a value has 1 to 65,536 bytes"));
        }
        Ok(Some(value))
    }

    /// [`Value::of`] where there must be one.
    fn required(text: Option<&'a SecretText>, bytes: Option<&'a Sensitive>) -> Result<Self> {
        Self::of(text, bytes)?
            .ok_or_else(|| invalid("one of SecretString and SecretBinary must be given"))
    }

    /// The bytes, to seal them or to compare them with sealed ones.
    fn expose(self) -> &'a [u8] {
        match self {
            Value::Text(text) => text.expose().as_bytes(),
            Value::Bytes(bytes) => bytes.expose(),
        }
    }

    fn kind(self) -> Kind {
        match self {
            Value::Text(_) => Kind::Text,
            Value::Bytes(_) => Kind::Bytes,
        }
    }
}

/// The names that this service has for failures of the engine below it.
fn as_secrets_error(error: KmsError) -> KmsError {
    match error.code() {
        KmsErrorCode::Internal => {
            KmsError::new(KmsErrorCode::InternalService, error.message().to_owned())
                .with_source(error)
        }
        KmsErrorCode::InvalidMarker => {
            KmsError::new(KmsErrorCode::InvalidNextToken, "the NextToken is not valid")
        }
        _ => error,
    }
}

fn invalid(message: &'static str) -> KmsError {
    KmsError::new(KmsErrorCode::InvalidParameter, message)
}

fn not_found(message: &'static str) -> KmsError {
    KmsError::new(KmsErrorCode::ResourceNotFound, message)
}

fn being_deleted() -> KmsError {
    KmsError::new(KmsErrorCode::InvalidRequest, "the secret is scheduled for deletion")
}

fn longer_than(text: &str, limit: usize) -> bool {
    text.chars().nth(limit).is_some()
}

fn check_name(name: &str) -> Result<()> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"/_+=.@-".contains(&b);
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    Err(invalid("a name has 1 to 512 ASCII letters, digits and /_+=.@-"))
}

fn check_secret_id(secret_id: &str) -> Result<()> {
    if secret_id.is_empty() || longer_than(secret_id, MAX_SECRET_ID) {
        return Err(invalid("a SecretId has 1 to 2048 characters"));
    }
    Ok(())
}

/// A token that becomes the id of a version, or the id of a version.
fn check_token(token: Option<&str>) -> Result<()> {
    match token {
        Some(token) if !(32..=64).contains(&token.chars().count()) => {
            Err(invalid("a ClientRequestToken or version id has 32 to 64 characters"))
        }
        _ => Ok(()),
    }
}

fn check_metadata(description: Option<&str>, kms_key_id: Option<&str>) -> Result<()> {
    if description.is_some_and(|text| longer_than(text, MAX_DESCRIPTION)) {
        return Err(invalid("a description has at most 2048 characters"));
    }
    if kms_key_id.is_some_and(|id| id.is_empty() || longer_than(id, MAX_KMS_KEY_ID)) {
        return Err(invalid("a KmsKeyId has 1 to 2048 characters"));
    }
    Ok(())
}

fn check_tags(tags: &[SecretTag]) -> Result<()> {
    if tags.len() > MAX_TAGS {
        return Err(invalid("a secret has at most 50 tags"));
    }
    for tag in tags {
        check_tag_key(&tag.key)?;
        if longer_than(&tag.value, MAX_TAG_VALUE) {
            return Err(invalid("the value of a tag has at most 256 characters"));
        }
    }
    Ok(())
}

fn check_tag_key(key: &str) -> Result<()> {
    if key.is_empty() || longer_than(key, MAX_TAG_KEY) || key.starts_with("aws:") {
        return Err(invalid("the key of a tag has 1 to 128 characters and no prefix aws:"));
    }
    Ok(())
}

/// Adds tags, replacing those with the same keys.
fn add_tags(row: &mut SecretRow, tags: &[SecretTag]) -> Result<()> {
    row.tags.extend(tags.iter().map(|tag| (tag.key.clone(), tag.value.clone())));
    if row.tags.len() > MAX_TAGS {
        return Err(invalid("a secret has at most 50 tags"));
    }
    Ok(())
}

fn tags_of(row: &SecretRow) -> Vec<SecretTag> {
    let tag =
        |(key, value): (&String, &String)| SecretTag { key: key.clone(), value: value.clone() };
    row.tags.iter().map(tag).collect()
}

/// The secret under a name, an ARN, or an ARN without its suffix; scheduled for deletion or not.
fn find(call: &mut Call<'_>, secret_id: &str) -> Result<Secret> {
    lookup(call, secret_id)?.ok_or_else(|| not_found("there is no such secret"))
}

/// A secret is within reach of whoever is limited to some keys where its KMS key is.
fn require_reach(call: &mut Call<'_>, kms_key_id: Option<&str>) -> Result<()> {
    call.require_reach_by_name(kms_key_id.unwrap_or(default_key::ALIAS))
}

/// [`find`] for what cannot be done to a secret that is scheduled for deletion.
fn find_live(call: &mut Call<'_>, secret_id: &str) -> Result<Secret> {
    let secret = find(call, secret_id)?;
    if secret.row.deletion.is_some() { Err(being_deleted()) } else { Ok(secret) }
}

/// [`find`] where there need not be one.
fn lookup(call: &mut Call<'_>, secret_id: &str) -> Result<Option<Secret>> {
    let found = by_any_name(call, secret_id)?;
    match &found {
        Some(secret) => {
            call.trail.resource(secret.row.arn.clone());
            require_reach(call, secret.row.kms_key_id.as_deref())?;
        }
        None => call.require_no_limit()?,
    }
    Ok(found)
}

fn by_any_name(call: &mut Call<'_>, secret_id: &str) -> Result<Option<Secret>> {
    let Some(arn) = Arn::parse(secret_id) else { return by_name(call, secret_id) };
    let Some(rest) = arn.resource.strip_prefix("secret:") else { return Ok(None) };
    if arn.service != SERVICE || !arn.is_in(call.realm()) {
        return Ok(None);
    }
    // A name may itself end like a suffix: the whole ARN of one secret goes before the shortened
    // ARN of another.
    if let Some((name, suffix)) = rest.rsplit_once('-')
        && suffix.len() == ID_SUFFIX
        && let Some(secret) = by_name(call, name)?
        && secret.row.arn == secret_id
    {
        return Ok(Some(secret));
    }
    by_name(call, rest)
}

fn by_name(call: &mut Call<'_>, name: &str) -> Result<Option<Secret>> {
    if check_name(name).is_err() {
        return Ok(None);
    }
    let Some(key) = call.txn.get(Table::SecretNames, name.as_bytes())? else { return Ok(None) };
    let secret = load(&mut call.txn, &key)?;
    // An index that was altered must not pass one secret off as another.
    if secret.row.name != name {
        return Err(crate::hierarchy::damaged("the index of secrets"));
    }
    Ok(Some(secret).filter(|secret| !secret.row.is_gone(call.now)))
}

fn load(txn: &mut dyn Txn, key: &[u8]) -> Result<Secret> {
    let damaged = || crate::hierarchy::damaged("the index of secrets");
    let key: SecretKey = key.try_into().map_err(|_| damaged())?;
    let row = store_rows::get(txn, &key)?.ok_or_else(damaged)?;
    Ok(Secret { key, row })
}

fn save(txn: &mut dyn Txn, secret: &Secret) -> Result<()> {
    store_rows::put(txn, &secret.key, &secret.row)
}

fn has_version(txn: &mut dyn Txn, secret: &Secret, version: &str) -> Result<bool> {
    let key = version_key(&secret.key, version);
    Ok(store_rows::get::<VersionRow>(txn, &key)?.is_some())
}

/// Every version of a secret by its id, without the values.
fn versions(txn: &mut dyn Txn, secret: &Secret) -> Result<BTreeMap<String, VersionRow>> {
    const STEP: usize = 256;
    let mut versions = BTreeMap::new();
    let mut last: Option<Vec<u8>> = None;
    loop {
        let found = scan_prefix(txn, Table::SecretVersions, &secret.key, last.as_deref(), STEP)?;
        let Some((end, _)) = found.last() else { return Ok(versions) };
        last = Some(end.clone());
        for (key, bytes) in found {
            let name = "a version of a secret";
            let id = String::from_utf8(key[secret.key.len()..].to_vec())
                .map_err(|_| crate::hierarchy::damaged(name))?;
            versions.insert(id, store_rows::decode(&bytes, name)?);
        }
    }
}

/// What became of a value that was to be put.
enum Added {
    /// It is a new version.
    New(String),
    /// The same value was put under the same token before.
    Already(String),
}

impl Added {
    fn into_id(self) -> String {
        match self {
            Added::New(id) | Added::Already(id) => id,
        }
    }
}

/// Adds a version and labels it; the caller saves the secret.
fn add_version(
    call: &mut Call<'_>,
    secret: &mut Secret,
    token: Option<&str>,
    value: Value<'_>,
    stages: Option<&[String]>,
) -> Result<Added> {
    let id = match token {
        Some(token) => token.to_owned(),
        None => call.make_id()?.to_string(),
    };
    let key = version_key(&secret.key, &id);
    if has_version(&mut call.txn, secret, &id)? {
        if holds(call, secret, &id, value)? {
            return Ok(Added::Already(id));
        }
        return Err(KmsError::new(
            KmsErrorCode::ResourceExists,
            "the ClientRequestToken was used for another value",
        ));
    }
    secret.row.stages.add_version(&id, stages)?;
    let kms_key_id = secret.row.kms_key_id.clone();
    let place = protect::Place { secret_arn: &secret.row.arn, version: &id };
    let (row, kms_key) =
        protect::seal(call, place, kms_key_id.as_deref(), value.kind(), value.expose())?;
    call.trail.bytes_in = Some(value.expose().len() as u64);
    store_rows::put(&mut call.txn, &key, &row)?;
    store_rows::put(
        &mut call.txn,
        &key,
        &VersionRow { created: call.now, accessed: None, kms_key },
    )?;
    secret.row.changed = call.now;
    collect_garbage(call, secret)?;
    Ok(Added::New(id))
}

/// Whether a version has exactly this value.
fn holds(call: &mut Call<'_>, secret: &Secret, version: &str, value: Value<'_>) -> Result<bool> {
    let (kind, plain) = read_value(call, secret, version)?;
    let same = keyfold::crypto::hash::constant_time_eq(&plain, value.expose());
    Ok(kind == value.kind() && same)
}

fn read_value(
    call: &mut Call<'_>,
    secret: &Secret,
    version: &str,
) -> Result<(Kind, zeroize::Zeroizing<Vec<u8>>)> {
    let key = version_key(&secret.key, version);
    let damaged = || crate::hierarchy::damaged("the value of a secret");
    let VersionRow { kms_key, .. } = store_rows::get(&mut call.txn, &key)?.ok_or_else(damaged)?;
    let row: ValueRow = store_rows::get(&mut call.txn, &key)?.ok_or_else(damaged)?;
    let place = protect::Place { secret_arn: &secret.row.arn, version };
    let plain = protect::open(call, place, kms_key, &row)?;
    Ok((row.kind, plain))
}

/// Removes versions that have no stage, are a day old, and are not among the newest hundred.
fn collect_garbage(call: &mut Call<'_>, secret: &Secret) -> Result<()> {
    let mut all: Vec<(Timestamp, String)> =
        versions(&mut call.txn, secret)?.into_iter().map(|(id, row)| (row.created, id)).collect();
    if all.len() <= KEPT_VERSIONS {
        return Ok(());
    }
    all.sort_unstable_by(|a, b| b.cmp(a));
    for (created, id) in &all[KEPT_VERSIONS..] {
        if created.plus(KEPT_FOR) <= call.now && secret.row.stages.of(id).is_empty() {
            let key = version_key(&secret.key, id);
            store_rows::delete::<VersionRow>(&mut call.txn, &key)?;
            store_rows::delete::<ValueRow>(&mut call.txn, &key)?;
        }
    }
    Ok(())
}
