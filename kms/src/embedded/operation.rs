//! What manages keys and secrets, by the names of the KMS API, as the embedded KMS performs it: JSON
//! in and JSON out, so that a binding writes it once, for every KMS.

use keyfold::{Error, ErrorCode, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::EmbeddedKms;
use crate::engine::Operation;
use crate::types::{
    CancelKeyDeletionRequest, CreateAliasRequest, CreateKeyRequest, DeleteAliasRequest,
    DeleteSecretRequest, DescribeKeyRequest, DisableKeyRequest, DisableKeyRotationRequest,
    EnableKeyRequest, EnableKeyRotationRequest, GetKeyPolicyRequest, ListAliasesRequest,
    ListKeysRequest, ListResourceTagsRequest, ListSecretVersionIdsRequest, ListSecretsRequest,
    PutKeyPolicyRequest, RestoreSecretRequest, RotateKeyOnDemandRequest,
    ScheduleKeyDeletionRequest, TagResourceRequest, UntagResourceRequest, UpdateAliasRequest,
    UpdateKeyDescriptionRequest,
};

impl EmbeddedKms {
    /// Performs an operation of AWS KMS or AWS Secrets Manager by its name, as the owner of this
    /// KMS.
    ///
    /// ```
    /// let kms = keyfold_kms::EmbeddedKms::in_memory()?;
    /// assert_eq!(kms.operation("ListKeys", b"{}")?, br#"{"Keys":[],"Truncated":false}"#);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the operation; `invalid_argument` for one that is not offered here, and for a
    /// request of another form.
    pub fn operation(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>> {
        macro_rules! operations {
            ($($request:ty),+ $(,)?) => {
                $(if operation == <$request as Operation>::NAME {
                    return call::<$request>(self, body);
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
