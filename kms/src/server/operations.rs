//! The operations: the one list of what can be called.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::auth::Service;
use super::host::{Job, Lane};
use super::limit::Class;
use super::{reply, strict};
use crate::engine::Operation;
use crate::error::Result;
#[allow(clippy::wildcard_imports, reason = "every request")]
use crate::types::*;

/// An operation as the wire names it.
pub(crate) struct Entry {
    pub(crate) service: Service,
    pub(crate) name: &'static str,
    /// What its rate limit is.
    pub(crate) class: Class,
    /// Members that AWS knows and this service does not offer.
    pub(crate) refused: &'static [&'static str],
    /// Reads the body, performs the operation, writes the answer.
    pub(crate) perform: Perform,
    /// Reads a body, for the comparison with AWS's own list of members.
    #[cfg(test)]
    read: fn(&[u8]) -> Result<()>,
    /// Its members, for the same.
    #[cfg(test)]
    members: fn() -> &'static [&'static str],
}

type Perform = for<'a> fn(Job<'a>, &'static Entry) -> Answer<'a>;
pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Bytes>> + Send + 'a>>;

/// Finds an operation by the name in `X-Amz-Target` behind the service's prefix.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Entry> {
    OPERATIONS.iter().find(|entry| entry.service == service && entry.name == name)
}

fn perform<'a, O>(job: Job<'a>, entry: &'static Entry) -> Answer<'a>
where
    O: Operation + Weight + DeserializeOwned + Send + Sync + 'static,
    O::Response: Serialize + Send + 'static,
{
    Box::pin(async move {
        let request: O = strict::decode(job.incoming.body, entry.refused)?;
        reply::encode(&job.run(request).await?)
    })
}

/// Where an operation runs.
pub(crate) trait Weight: Operation {
    /// Short reads run where the connection is served; what changes the store, and arithmetic of
    /// half a millisecond and more, on threads of their own.
    fn lane(&self) -> Lane;
}

macro_rules! operations {
    ($($service:ident { $(
        $request:ty: $class:ident $(, refused: [$($refused:literal),+])? $(, heavy: $heavy:expr)?;
    )+ })+) => {
        /// Every operation.
        pub(crate) static OPERATIONS: &[Entry] = &[$($(
            Entry {
                service: Service::$service,
                name: <$request as Operation>::NAME,
                class: Class::$class,
                refused: &[$($($refused),+)?],
                perform: perform::<$request>,
                #[cfg(test)]
                read: |body| strict::decode::<$request>(body, &[$($($refused),+)?]).map(|_| ()),
                #[cfg(test)]
                members: strict::members::<$request>,
            },
        )+)+];

        $($(
            impl Weight for $request {
                fn lane(&self) -> Lane {
                    let heavy: fn(&$request) -> bool = operations!(@heavy $($heavy)?);
                    Lane::of(<$request as Operation>::READ_ONLY, heavy(self))
                }
            }
        )+)+
    };
    (@heavy) => { |_| false };
    (@heavy $heavy:expr) => { $heavy };
}

operations! {
    Kms {
        CreateKeyRequest: KeyGeneration, heavy: |request| request.key_spec.is_some_and(is_rsa);
        DescribeKeyRequest: Management;
        ListKeysRequest: Management, refused: ["ResourceOwners"];
        EnableKeyRequest: Management;
        DisableKeyRequest: Management;
        UpdateKeyDescriptionRequest: Management;
        ScheduleKeyDeletionRequest: Management;
        CancelKeyDeletionRequest: Management;
        CreateAliasRequest: Management;
        UpdateAliasRequest: Management;
        DeleteAliasRequest: Management;
        ListAliasesRequest: Management;
        TagResourceRequest: Management;
        UntagResourceRequest: Management;
        ListResourceTagsRequest: Management;
        GetKeyPolicyRequest: Management;
        PutKeyPolicyRequest: Management;
        ListKeyPoliciesRequest: Management;
        EncryptRequest: Symmetric;
        DecryptRequest: Symmetric, refused: ["Recipient"],
            heavy: |request| request.encryption_algorithm.is_some_and(is_oaep);
        ReEncryptRequest: Symmetric,
            heavy: |request| request.source_encryption_algorithm.is_some_and(is_oaep);
        GenerateDataKeyRequest: Symmetric, refused: ["Recipient"];
        GenerateDataKeyWithoutPlaintextRequest: Symmetric;
        GenerateRandomRequest: Symmetric, refused: ["Recipient"];
        SignRequest: Asymmetric, heavy: |request| request.signing_algorithm.is_some_and(is_slow);
        VerifyRequest: Asymmetric,
            heavy: |request| request.signing_algorithm.is_some_and(is_long_curve);
        GetPublicKeyRequest: Asymmetric;
        EnableKeyRotationRequest: Management;
        DisableKeyRotationRequest: Management;
        GetKeyRotationStatusRequest: Management;
        RotateKeyOnDemandRequest: Management;
        ListKeyRotationsRequest: Management;
        CreateGrantRequest: Management;
        ListGrantsRequest: Management;
        ListRetirableGrantsRequest: Management;
        RetireGrantRequest: Management;
        RevokeGrantRequest: Management;
    }
    Secrets {
        CreateSecretRequest: Management, refused: [
            "AddReplicaRegions", "CrossAccountPrimaryARN", "ForceOverwriteReplicaSecret", "Type"
        ];
        GetSecretValueRequest: SecretsRead;
        PutSecretValueRequest: Management, refused: ["RotationToken"];
        UpdateSecretRequest: Management, refused: ["Type"];
        UpdateSecretVersionStageRequest: Management;
        DescribeSecretRequest: Management;
        ListSecretsRequest: Management, refused: ["SortBy"];
        ListSecretVersionIdsRequest: Management;
        DeleteSecretRequest: Management;
        RestoreSecretRequest: Management;
        GetRandomPasswordRequest: Management;
        TagSecretRequest: Management;
        UntagSecretRequest: Management;
    }
    Keyfold {
        ListAuditRecordsRequest: Management;
    }
}

fn is_rsa(spec: KeySpec) -> bool {
    matches!(spec, KeySpec::Rsa2048 | KeySpec::Rsa3072 | KeySpec::Rsa4096)
}

fn is_oaep(algorithm: EncryptionAlgorithm) -> bool {
    algorithm != EncryptionAlgorithm::SymmetricDefault
}

/// Signing with RSA, or on the two longer curves.
fn is_slow(algorithm: SigningAlgorithm) -> bool {
    let quick =
        matches!(algorithm, SigningAlgorithm::EcdsaSha256 | SigningAlgorithm::Ed25519Sha512);
    !quick
}

/// P-384 and P-521; verifying with RSA is quick.
fn is_long_curve(algorithm: SigningAlgorithm) -> bool {
    matches!(algorithm, SigningAlgorithm::EcdsaSha384 | SigningAlgorithm::EcdsaSha512)
}

#[cfg(test)]
mod tests;
