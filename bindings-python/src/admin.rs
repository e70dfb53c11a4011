//! Operations of the KMS API by their names, as the embedded KMS performs them: JSON in and JSON
//! out, so that what manages keys is written once, in Python, for every KMS.

use keyfold::kms::aws::Service;
use keyfold::{Error, ErrorCode, Result};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::engine::Operation;
use keyfold_kms::types::{
    CancelKeyDeletionRequest, CreateAliasRequest, CreateKeyRequest, CreateSecretRequest,
    DecryptRequest, DeleteAliasRequest, DeleteSecretRequest, DescribeKeyRequest,
    DescribeSecretRequest, DisableKeyRequest, DisableKeyRotationRequest, EnableKeyRequest,
    EnableKeyRotationRequest, EncryptRequest, GenerateDataKeyRequest, GetKeyPolicyRequest,
    GetKeyRotationStatusRequest, GetPublicKeyRequest, GetRandomPasswordRequest,
    GetSecretValueRequest, ListAliasesRequest, ListKeysRequest, ListResourceTagsRequest,
    ListSecretVersionIdsRequest, ListSecretsRequest, PutKeyPolicyRequest, PutSecretValueRequest,
    ReEncryptRequest, RestoreSecretRequest, RotateKeyOnDemandRequest, ScheduleKeyDeletionRequest,
    SignRequest, TagResourceRequest, UntagResourceRequest, UpdateAliasRequest,
    UpdateKeyDescriptionRequest, VerifyRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The service that has an operation: the names of the two are disjoint.
pub(crate) fn service(operation: &str) -> Service {
    if operation.contains("Secret") || operation == "GetRandomPassword" {
        Service::Secrets
    } else {
        Service::Kms
    }
}

/// Performs an operation as the owner of the KMS.
pub(crate) fn perform(
    kms: &EmbeddedKms,
    operation: &str,
    body: &[u8],
) -> Result<Zeroizing<Vec<u8>>> {
    macro_rules! operations {
        ($($request:ty),+ $(,)?) => {
            $(if operation == <$request as Operation>::NAME {
                return call::<$request>(kms, body);
            })+
        };
    }
    operations!(
        CancelKeyDeletionRequest,
        CreateAliasRequest,
        CreateKeyRequest,
        CreateSecretRequest,
        DecryptRequest,
        DeleteAliasRequest,
        DeleteSecretRequest,
        DescribeKeyRequest,
        DescribeSecretRequest,
        DisableKeyRequest,
        DisableKeyRotationRequest,
        EnableKeyRequest,
        EnableKeyRotationRequest,
        EncryptRequest,
        GenerateDataKeyRequest,
        GetKeyPolicyRequest,
        GetKeyRotationStatusRequest,
        GetPublicKeyRequest,
        GetRandomPasswordRequest,
        GetSecretValueRequest,
        ListAliasesRequest,
        ListKeysRequest,
        ListResourceTagsRequest,
        ListSecretVersionIdsRequest,
        ListSecretsRequest,
        PutKeyPolicyRequest,
        PutSecretValueRequest,
        ReEncryptRequest,
        RestoreSecretRequest,
        RotateKeyOnDemandRequest,
        ScheduleKeyDeletionRequest,
        SignRequest,
        TagResourceRequest,
        UntagResourceRequest,
        UpdateAliasRequest,
        UpdateKeyDescriptionRequest,
        VerifyRequest,
    );
    let detail = "the embedded KMS does not offer this operation";
    Err(Error::new(ErrorCode::InvalidArgument, detail))
}

fn call<O>(kms: &EmbeddedKms, body: &[u8]) -> Result<Zeroizing<Vec<u8>>>
where
    O: Operation<Response: Serialize> + DeserializeOwned,
{
    let request: O = serde_json::from_slice(body)
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "the request has another form"))?;
    let engine = kms.engine();
    let answer = engine.call(&engine.owner(), &request)?;
    // Room for the longest secret in base64, so that no copy is left behind by growth.
    let mut text = Zeroizing::new(Vec::with_capacity(128 * 1024));
    serde_json::to_writer(&mut *text, &answer)
        .map_err(|_| Error::new(ErrorCode::Internal, "an answer has no JSON form"))?;
    Ok(text)
}
