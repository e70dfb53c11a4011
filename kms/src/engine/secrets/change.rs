//! PutSecretValue, UpdateSecret, UpdateSecretVersionStage, TagResource and UntagResource.

use super::rows::{ValueRow, VersionRow, version_key};
use super::stages::{CURRENT, PENDING, PREVIOUS};
use super::{
    Added, Secret, Value, add_tags, add_version, check_metadata, check_secret_id, check_tag_key,
    check_tags, check_token, collect_garbage, find_live, has_version, invalid, not_found,
    operation, protect, read_value, require_reach, save,
};
use crate::engine::Call;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows as store_rows;
use crate::types::{
    Empty, PutSecretValueRequest, PutSecretValueResponse, TagSecretRequest, UntagSecretRequest,
    UpdateSecretRequest, UpdateSecretResponse, UpdateSecretVersionStageRequest,
    UpdateSecretVersionStageResponse,
};

operation!(
    PutSecretValueRequest => PutSecretValueResponse,
    "PutSecretValue", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        check_token(request.client_request_token.as_deref())?;
        Value::required(request.secret_string.as_ref(), request.secret_binary.as_ref()).map(|_| ())
    },
    |request, call| {
        let value =
            Value::required(request.secret_string.as_ref(), request.secret_binary.as_ref())?;
        let token = request.client_request_token.as_deref();
        put(call, &request.secret_id, token, value, &request.version_stages)
    }
);

pub(super) fn put(
    call: &mut Call<'_>,
    secret_id: &str,
    token: Option<&str>,
    value: Value<'_>,
    stages: &[String],
) -> Result<PutSecretValueResponse> {
    let mut secret = find_live(call, secret_id)?;
    let added = add_version(call, &mut secret, token, value, Some(stages))?;
    if let Added::New(_) = added {
        save(&mut call.txn, &secret)?;
    }
    let version_id = added.into_id();
    Ok(PutSecretValueResponse {
        version_stages: secret.row.stages.of(&version_id),
        arn: secret.row.arn,
        name: secret.row.name,
        version_id,
    })
}

operation!(
    UpdateSecretRequest => UpdateSecretResponse,
    "UpdateSecret", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        check_token(request.client_request_token.as_deref())?;
        check_metadata(request.description.as_deref(), request.kms_key_id.as_deref())?;
        Value::of(request.secret_string.as_ref(), request.secret_binary.as_ref()).map(|_| ())
    },
    update_secret
);

fn update_secret(
    request: &UpdateSecretRequest,
    call: &mut Call<'_>,
) -> Result<UpdateSecretResponse> {
    let value = Value::of(request.secret_string.as_ref(), request.secret_binary.as_ref())?;
    let token = request.client_request_token.as_deref();
    let mut secret = find_live(call, &request.secret_id)?;
    if value.is_some()
        && let Some(token) = token
        && has_version(&mut call.txn, &secret, token)?
    {
        return Err(KmsError::new(
            KmsErrorCode::ResourceExists,
            "the ClientRequestToken was used for a version already",
        ));
    }
    if let Some(description) = &request.description {
        secret.row.description = Some(description.clone());
    }
    if request.kms_key_id.is_some() && request.kms_key_id != secret.row.kms_key_id {
        require_reach(call, request.kms_key_id.as_deref())?;
        secret.row.kms_key_id.clone_from(&request.kms_key_id);
        seal_again(call, &secret)?;
    }
    secret.row.changed = call.now;
    let version =
        value.map(|value| add_version(call, &mut secret, token, value, None)).transpose()?;
    save(&mut call.txn, &secret)?;
    Ok(UpdateSecretResponse {
        arn: secret.row.arn,
        name: secret.row.name,
        version_id: version.map(Added::into_id),
    })
}

/// Seals the versions in use under the secret's present KMS key; others stay under theirs.
fn seal_again(call: &mut Call<'_>, secret: &Secret) -> Result<()> {
    for stage in [CURRENT, PREVIOUS, PENDING] {
        let Some(id) = secret.row.stages.version(stage) else { continue };
        let key = version_key(&secret.key, id);
        let Some(version) = store_rows::get::<VersionRow>(&mut call.txn, &key)? else { continue };
        let (kind, plain) = read_value(call, secret, id)?;
        let place = protect::Place { secret_arn: &secret.row.arn, version: id };
        let kms_key_id = secret.row.kms_key_id.as_deref();
        let (value, kms_key) = protect::seal(call, place, kms_key_id, kind, &plain)?;
        store_rows::put::<ValueRow>(&mut call.txn, &key, &value)?;
        store_rows::put(&mut call.txn, &key, &VersionRow { kms_key, ..version })?;
    }
    Ok(())
}

operation!(
    UpdateSecretVersionStageRequest => UpdateSecretVersionStageResponse,
    "UpdateSecretVersionStage", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        check_token(request.remove_from_version_id.as_deref())?;
        check_token(request.move_to_version_id.as_deref())
    },
    |request, call| {
        let mut secret = find_live(call, &request.secret_id)?;
        let (from, to) =
            (request.remove_from_version_id.as_deref(), request.move_to_version_id.as_deref());
        for version in [from, to].into_iter().flatten() {
            if !has_version(&mut call.txn, &secret, version)? {
                return Err(not_found("there is no such version"));
            }
        }
        secret.row.stages.update(&request.version_stage, from, to)?;
        secret.row.changed = call.now;
        collect_garbage(call, &secret)?;
        save(&mut call.txn, &secret)?;
        Ok(UpdateSecretVersionStageResponse { arn: secret.row.arn, name: secret.row.name })
    }
);

operation!(
    TagSecretRequest => Empty,
    "TagResource", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        check_tags(&request.tags)
    },
    |request, call| {
        let mut secret = find_live(call, &request.secret_id)?;
        add_tags(&mut secret.row, &request.tags)?;
        secret.row.changed = call.now;
        save(&mut call.txn, &secret)?;
        Ok(Empty {})
    }
);

operation!(
    UntagSecretRequest => Empty,
    "UntagResource", read_only: false,
    |request| {
        check_secret_id(&request.secret_id)?;
        if request.tag_keys.len() > super::MAX_TAGS {
            return Err(invalid("a secret has at most 50 tags"));
        }
        request.tag_keys.iter().try_for_each(|key| check_tag_key(key))
    },
    |request, call| {
        let mut secret = find_live(call, &request.secret_id)?;
        for key in &request.tag_keys {
            secret.row.tags.remove(key);
        }
        secret.row.changed = call.now;
        save(&mut call.txn, &secret)?;
        Ok(Empty {})
    }
);
