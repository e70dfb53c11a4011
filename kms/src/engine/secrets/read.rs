//! GetSecretValue, DescribeSecret and GetRandomPassword.

use super::rows::{Kind, VersionRow, version_key};
use super::stages::CURRENT;
use super::{
    Secret, check_secret_id, check_token, find, find_live, invalid, longer_than, not_found,
    operation, read_value, save, tags_of,
};
use crate::clock::Timestamp;
use crate::engine::Call;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::hierarchy::damaged;
use crate::password::{self, PasswordError, PasswordRules};
use crate::rows as store_rows;
use crate::types::{
    DescribeSecretRequest, DescribeSecretResponse, GetRandomPasswordRequest,
    GetRandomPasswordResponse, GetSecretValueRequest, GetSecretValueResponse, SecretText,
    Sensitive,
};

operation!(
    GetSecretValueRequest => GetSecretValueResponse,
    "GetSecretValue", read_only: true,
    |request| {
        check_secret_id(&request.secret_id)?;
        check_token(request.version_id.as_deref())?;
        match &request.version_stage {
            Some(stage) if stage.is_empty() || longer_than(stage, 256) => {
                Err(invalid("a version stage has 1 to 256 characters"))
            }
            _ => Ok(()),
        }
    },
    get_secret_value
);

fn get_secret_value(
    request: &GetSecretValueRequest,
    call: &mut Call<'_>,
) -> Result<GetSecretValueResponse> {
    let mut secret = find_live(call, &request.secret_id)?;
    let id = choose(&secret, request.version_id.as_deref(), request.version_stage.as_deref())?;
    let key = version_key(&secret.key, &id);
    let mut version: VersionRow = store_rows::get(&mut call.txn, &key)?
        .ok_or_else(|| not_found("there is no such version"))?;
    let (kind, mut plain) = read_value(call, &secret, &id)?;
    call.trail.bytes_out = Some(plain.len() as u64);
    let plain = std::mem::take(&mut *plain);
    let (secret_string, secret_binary) = match kind {
        Kind::Bytes => (None, Some(Sensitive::new(plain))),
        Kind::Text => match String::from_utf8(plain) {
            Ok(text) => (Some(SecretText::new(text)), None),
            Err(error) => {
                drop(Sensitive::new(error.into_bytes()));
                return Err(damaged("the value of a secret"));
            }
        },
    };
    let created_date = version.created;
    let today = day(call.now);
    if version.accessed != Some(today) {
        version.accessed = Some(today);
        store_rows::put(&mut call.txn, &key, &version)?;
    }
    if secret.row.accessed != Some(today) {
        secret.row.accessed = Some(today);
        save(&mut call.txn, &secret)?;
    }
    Ok(GetSecretValueResponse {
        version_stages: secret.row.stages.of(&id),
        arn: secret.row.arn,
        name: secret.row.name,
        version_id: id,
        secret_binary,
        secret_string,
        created_date,
    })
}

/// The version that is meant: by id, by stage, or by both if they agree.
fn choose(secret: &Secret, version: Option<&str>, stage: Option<&str>) -> Result<String> {
    let staged = |stage| {
        secret
            .row
            .stages
            .version(stage)
            .map(str::to_owned)
            .ok_or_else(|| not_found("no version of the secret has this stage"))
    };
    match (version, stage) {
        (None, stage) => staged(stage.unwrap_or(CURRENT)),
        (Some(version), None) => Ok(version.to_owned()),
        (Some(version), Some(stage)) => {
            if staged(stage)? == version {
                Ok(version.to_owned())
            } else {
                Err(not_found("the version does not have this stage"))
            }
        }
    }
}

/// Midnight before: when exactly somebody reads is nobody else's business.
fn day(now: Timestamp) -> Timestamp {
    Timestamp::from_millis(now.millis() - now.millis().rem_euclid(Timestamp::DAY))
}

operation!(
    DescribeSecretRequest => DescribeSecretResponse,
    "DescribeSecret", read_only: true,
    |request| check_secret_id(&request.secret_id),
    |request, call| {
        let row = find(call, &request.secret_id)?.row;
        Ok(DescribeSecretResponse {
            tags: tags_of(&row),
            version_ids_to_stages: row.stages.by_version(),
            arn: row.arn,
            name: row.name,
            description: row.description,
            kms_key_id: row.kms_key_id,
            last_changed_date: row.changed,
            last_accessed_date: row.accessed,
            deleted_date: row.deletion,
            created_date: row.created,
        })
    }
);

operation!(
    GetRandomPasswordRequest => GetRandomPasswordResponse,
    "GetRandomPassword", read_only: true,
    // The rules are checked by the generator itself.
    |_| Ok(()),
    |request, call| {
        let rules = PasswordRules::from(request.clone());
        make_password(call, &rules).map(|random_password| GetRandomPasswordResponse { random_password })
    }
);

/// A random password under the engine's generator.
pub(super) fn make_password(call: &Call<'_>, rules: &PasswordRules) -> Result<SecretText> {
    let password = password::random_password(rules, call.rng()).map_err(|error| match error {
        PasswordError::Invalid(reason) => invalid(reason),
        PasswordError::Random(error) => {
            KmsError::new(KmsErrorCode::Internal, "there is no randomness").with_source(error)
        }
    })?;
    let text = std::str::from_utf8(password.expose()).map_err(|_| damaged("a password"))?;
    Ok(SecretText::from(text))
}
