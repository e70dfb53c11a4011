//! CreateSecret.

use std::collections::BTreeMap;

use super::rows::{SecretKey, SecretRow};
use super::stages::Stages;
use super::{
    Added, ID_SUFFIX, SERVICE, Secret, Value, add_tags, add_version, being_deleted, by_name,
    check_metadata, check_name, check_tags, check_token, holds, lifecycle, operation,
    require_reach, save,
};
use crate::engine::Call;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::store::{Table, Txn as _};
use crate::types::{CreateSecretRequest, CreateSecretResponse};

operation!(
    CreateSecretRequest => CreateSecretResponse,
    "CreateSecret", read_only: false, check, perform
);

fn check(request: &CreateSecretRequest) -> Result<()> {
    check_name(&request.name)?;
    check_token(request.client_request_token.as_deref())?;
    check_metadata(request.description.as_deref(), request.kms_key_id.as_deref())?;
    check_tags(&request.tags)?;
    if request.add_replica_regions.is_some() {
        return Err(KmsError::new(KmsErrorCode::InvalidRequest, "replication is not offered"));
    }
    Value::of(request.secret_string.as_ref(), request.secret_binary.as_ref()).map(|_| ())
}

fn perform(request: &CreateSecretRequest, call: &mut Call<'_>) -> Result<CreateSecretResponse> {
    let value = Value::of(request.secret_string.as_ref(), request.secret_binary.as_ref())?;
    let token = request.client_request_token.as_deref();
    require_reach(call, request.kms_key_id.as_deref())?;
    if let Some(existing) = by_name(call, &request.name)? {
        call.trail.resource(existing.row.arn.clone());
        require_reach(call, existing.row.kms_key_id.as_deref())?;
        return again(call, &existing, token, value);
    }
    lifecycle::free_name(&mut call.txn, &request.name)?;
    let (key, suffix) = make_names(call)?;
    let arn = call.realm().resource(SERVICE, format_args!("secret:{}-{suffix}", request.name));
    call.trail.resource(arn.clone());
    let mut secret = Secret {
        key,
        row: SecretRow {
            arn,
            name: request.name.clone(),
            description: request.description.clone(),
            kms_key_id: request.kms_key_id.clone(),
            created: call.now,
            changed: call.now,
            accessed: None,
            deletion: None,
            tags: BTreeMap::new(),
            stages: Stages::default(),
            creation_token: token.filter(|_| value.is_none()).map(str::to_owned),
        },
    };
    add_tags(&mut secret.row, &request.tags)?;
    let version =
        value.map(|value| add_version(call, &mut secret, token, value, None)).transpose()?;
    call.txn.put(Table::SecretNames, secret.row.name.as_bytes(), &secret.key)?;
    save(&mut call.txn, &secret)?;
    Ok(response(&secret, version.map(Added::into_id)))
}

/// The name is taken: by this very request, made again, or by another secret.
fn again(
    call: &mut Call<'_>,
    existing: &Secret,
    token: Option<&str>,
    value: Option<Value<'_>>,
) -> Result<CreateSecretResponse> {
    if existing.row.deletion.is_some() {
        return Err(being_deleted());
    }
    let made_again = match (token, value) {
        (None, _) => false,
        (Some(token), None) => existing.row.creation_token.as_deref() == Some(token),
        (Some(token), Some(value)) => {
            super::has_version(&mut call.txn, existing, token)?
                && holds(call, existing, token, value)?
        }
    };
    if made_again {
        return Ok(response(existing, token.filter(|_| value.is_some()).map(str::to_owned)));
    }
    Err(KmsError::new(KmsErrorCode::ResourceExists, "a secret of this name exists already"))
}

fn response(secret: &Secret, version_id: Option<String>) -> CreateSecretResponse {
    CreateSecretResponse { arn: secret.row.arn.clone(), name: secret.row.name.clone(), version_id }
}

/// The key of a new secret, and the random end of its ARN.
fn make_names(call: &Call<'_>) -> Result<(SecretKey, String)> {
    const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab";
    let mut random = [0; 8 + ID_SUFFIX];
    call.rng().fill(&mut random)?;
    let (id, suffix) = random.split_at(8);
    let mut key = [0; 16];
    key[..8].copy_from_slice(&call.now.sort_key());
    key[8..].copy_from_slice(id);
    // The suffix tells a secret from an earlier one of the same name; it is no secret itself, so
    // that two letters may be twice as likely as the others.
    let suffix = suffix.iter().map(|b| char::from(ALPHABET[usize::from(b % 64)])).collect();
    Ok((key, suffix))
}
