//! What manages keys and secrets, by the names of the KMS API, as the embedded KMS performs it: JSON
//! in and JSON out, so that it is written once, in Python, for every KMS.

use keyfold::kms::aws::Service;
use keyfold::{Error, ErrorCode, Result};
use keyfold_kms::EmbeddedKms;
use keyfold_kms::engine::Operation;
use keyfold_kms::types::{
    CancelKeyDeletionRequest, CreateAliasRequest, CreateKeyRequest, DeleteAliasRequest,
    DeleteSecretRequest, DescribeKeyRequest, DisableKeyRequest, DisableKeyRotationRequest,
    EnableKeyRequest, EnableKeyRotationRequest, GetKeyPolicyRequest, ListAliasesRequest,
    ListKeysRequest, ListResourceTagsRequest, ListSecretVersionIdsRequest, ListSecretsRequest,
    PutKeyPolicyRequest, RestoreSecretRequest, RotateKeyOnDemandRequest,
    ScheduleKeyDeletionRequest, TagResourceRequest, UntagResourceRequest, UpdateAliasRequest,
    UpdateKeyDescriptionRequest,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The service that has an operation: the names of the two are disjoint.
pub(crate) fn service(operation: &str) -> Service {
    if operation.contains("Secret") { Service::Secrets } else { Service::Kms }
}

/// Performs an operation as the owner of the KMS.
pub(crate) fn perform(kms: &EmbeddedKms, operation: &str, body: &[u8]) -> Result<Vec<u8>> {
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
        DeleteAliasRequest,
        DeleteSecretRequest,
        DescribeKeyRequest,
        DisableKeyRequest,
        DisableKeyRotationRequest,
        EnableKeyRequest,
        EnableKeyRotationRequest,
        GetKeyPolicyRequest,
        ListAliasesRequest,
        ListKeysRequest,
        ListResourceTagsRequest,
        ListSecretVersionIdsRequest,
        ListSecretsRequest,
        PutKeyPolicyRequest,
        RestoreSecretRequest,
        RotateKeyOnDemandRequest,
        ScheduleKeyDeletionRequest,
        TagResourceRequest,
        UntagResourceRequest,
        UpdateAliasRequest,
        UpdateKeyDescriptionRequest,
    );
    let detail = "the embedded KMS does not offer this operation";
    Err(Error::new(ErrorCode::InvalidArgument, detail))
}

fn call<O>(kms: &EmbeddedKms, body: &[u8]) -> Result<Vec<u8>>
where
    O: Operation<Response: Serialize> + DeserializeOwned,
{
    let request: O = serde_json::from_slice(body)
        .map_err(|_| Error::new(ErrorCode::InvalidArgument, "the request has another form"))?;
    let engine = kms.engine();
    let answer = engine.call(&engine.owner(), &request)?;
    serde_json::to_vec(&answer)
        .map_err(|_| Error::new(ErrorCode::Internal, "an answer has no JSON form"))
}
