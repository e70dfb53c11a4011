//! Keys: creation, description, states, descriptions, policies.

use serde::{Deserialize, Serialize};

use super::{Tag, required, wire_enum};
use crate::clock::Timestamp;

wire_enum! {
    /// What kind of key it is; never changes.
    KeySpec {
        /// AES-256, for encryption under a context.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// RSA, modulus of 2048 bits.
        Rsa2048 = "RSA_2048",
        /// RSA, modulus of 3072 bits.
        Rsa3072 = "RSA_3072",
        /// RSA, modulus of 4096 bits.
        Rsa4096 = "RSA_4096",
        /// NIST P-256.
        EccNistP256 = "ECC_NIST_P256",
        /// NIST P-384.
        EccNistP384 = "ECC_NIST_P384",
        /// NIST P-521.
        EccNistP521 = "ECC_NIST_P521",
        /// secp256k1.
        EccSecgP256K1 = "ECC_SECG_P256K1",
        /// Ed25519.
        EccNistEdwards25519 = "ECC_NIST_EDWARDS25519",
        /// Known by name, not offered.
        Hmac224 = "HMAC_224",
        /// Known by name, not offered.
        Hmac256 = "HMAC_256",
        /// Known by name, not offered.
        Hmac384 = "HMAC_384",
        /// Known by name, not offered.
        Hmac512 = "HMAC_512",
        /// Known by name, not offered.
        MlDsa44 = "ML_DSA_44",
        /// Known by name, not offered.
        MlDsa65 = "ML_DSA_65",
        /// Known by name, not offered.
        MlDsa87 = "ML_DSA_87",
        /// Known by name, not offered.
        MlKem512 = "ML_KEM_512",
        /// Known by name, not offered.
        MlKem768 = "ML_KEM_768",
        /// Known by name, not offered.
        MlKem1024 = "ML_KEM_1024",
        /// Known by name, not offered.
        Sm2 = "SM2",
    }
}

wire_enum! {
    /// What a key is for; one value for its life.
    KeyUsage {
        /// Encrypt, Decrypt, ReEncrypt, data keys.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Sign and Verify.
        SignVerify = "SIGN_VERIFY",
        /// Known by name, not offered.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Known by name, not offered.
        KeyAgreement = "KEY_AGREEMENT",
        /// Known by name, not offered.
        EncapsulateDecapsulate = "ENCAPSULATE_DECAPSULATE",
    }
}

wire_enum! {
    /// Where the key material comes from.
    Origin {
        /// Made here.
        AwsKms = "AWS_KMS",
        /// Known by name, not offered.
        External = "EXTERNAL",
        /// Known by name, not offered.
        AwsCloudHsm = "AWS_CLOUDHSM",
        /// Known by name, not offered.
        ExternalKeyStore = "EXTERNAL_KEY_STORE",
    }
}

wire_enum! {
    /// The state of a key.
    KeyState {
        /// Ready for use.
        Enabled = "Enabled",
        /// Switched off, may be switched on again.
        Disabled = "Disabled",
        /// Ends for good at its deletion date, unless the deletion is cancelled.
        PendingDeletion = "PendingDeletion",
    }
}

wire_enum! {
    /// How Encrypt and Decrypt work.
    EncryptionAlgorithm {
        /// AES-256-GCM under a key derived for each call.
        SymmetricDefault = "SYMMETRIC_DEFAULT",
        /// RSA-OAEP, SHA-1 and MGF1 with SHA-1.
        RsaesOaepSha1 = "RSAES_OAEP_SHA_1",
        /// RSA-OAEP, SHA-256 and MGF1 with SHA-256.
        RsaesOaepSha256 = "RSAES_OAEP_SHA_256",
    }
}

wire_enum! {
    /// How Sign and Verify work.
    SigningAlgorithm {
        /// RSA PKCS#1 v1.5 with SHA-256.
        RsassaPkcs1V15Sha256 = "RSASSA_PKCS1_V1_5_SHA_256",
        /// RSA PKCS#1 v1.5 with SHA-384.
        RsassaPkcs1V15Sha384 = "RSASSA_PKCS1_V1_5_SHA_384",
        /// RSA PKCS#1 v1.5 with SHA-512.
        RsassaPkcs1V15Sha512 = "RSASSA_PKCS1_V1_5_SHA_512",
        /// RSA-PSS with SHA-256, salt of 32 bytes.
        RsassaPssSha256 = "RSASSA_PSS_SHA_256",
        /// RSA-PSS with SHA-384, salt of 48 bytes.
        RsassaPssSha384 = "RSASSA_PSS_SHA_384",
        /// RSA-PSS with SHA-512, salt of 64 bytes.
        RsassaPssSha512 = "RSASSA_PSS_SHA_512",
        /// ECDSA with SHA-256, on P-256 and secp256k1.
        EcdsaSha256 = "ECDSA_SHA_256",
        /// ECDSA with SHA-384, on P-384.
        EcdsaSha384 = "ECDSA_SHA_384",
        /// ECDSA with SHA-512, on P-521.
        EcdsaSha512 = "ECDSA_SHA_512",
        /// Ed25519 over the message itself.
        Ed25519Sha512 = "ED25519_SHA_512",
        /// Known by name, not offered.
        Ed25519PhSha512 = "ED25519_PH_SHA_512",
        /// Known by name, not offered.
        MlDsaShake256 = "ML_DSA_SHAKE_256",
        /// Known by name, not offered.
        Sm2Dsa = "SM2DSA",
    }
}

/// Makes a key.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, KeySpec, KeyState, KeyUsage};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// let request = CreateKeyRequest {
///     key_spec: Some(KeySpec::EccNistP256),
///     key_usage: Some(KeyUsage::SignVerify), // required for every spec but the symmetric one
///     description: Some("releases".into()),
///     ..CreateKeyRequest::default()
/// };
/// let key = engine.call(&owner, &request)?.key_metadata;
/// assert_eq!(key.key_state, KeyState::Enabled);
/// assert!(key.arn.ends_with(&key.key_id));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct CreateKeyRequest {
    /// The key policy, JSON of at most 32768 bytes; by default the account may do everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// At most 8192 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Required for every spec but `SYMMETRIC_DEFAULT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_usage: Option<KeyUsage>,
    /// `SYMMETRIC_DEFAULT` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_spec: Option<KeySpec>,
    /// The former name of `KeySpec`; where both are given they must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_master_key_spec: Option<KeySpec>,
    /// Only `AWS_KMS` is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_key_store_id: Option<String>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xks_key_id: Option<String>,
    /// Only `false` is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multi_region: Option<bool>,
    /// Accepts a policy that keeps the caller from changing it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass_policy_lockout_safety_check: Option<bool>,
    /// At most 50 tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// The properties of a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMetadata {
    /// The account that owns it.
    #[serde(rename = "AWSAccountId")]
    pub aws_account_id: String,
    /// The bare id.
    pub key_id: String,
    /// The full name.
    pub arn: String,
    /// When it was made.
    pub creation_date: Timestamp,
    /// Exactly whether `KeyState` is `Enabled`.
    pub enabled: bool,
    /// The description, empty by default.
    pub description: String,
    /// What it is for.
    pub key_usage: KeyUsage,
    /// The state.
    pub key_state: KeyState,
    /// When it ends; only while pending deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_date: Option<Timestamp>,
    /// Where its material comes from.
    pub origin: Origin,
    /// Always `CUSTOMER`.
    pub key_manager: String,
    /// The kind of key.
    pub key_spec: KeySpec,
    /// The same as `KeySpec`.
    pub customer_master_key_spec: KeySpec,
    /// For keys that encrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithms: Option<Vec<EncryptionAlgorithm>>,
    /// For keys that sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithms: Option<Vec<SigningAlgorithm>>,
    /// Always `false`.
    pub multi_region: bool,
    /// The id of the material that encrypts now; symmetric keys only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_key_material_id: Option<String>,
}

/// The answer to `CreateKey` and `DescribeKey`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyMetadataResponse {
    /// The key.
    pub key_metadata: KeyMetadata,
}

/// Reads the properties of a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DescribeKeyRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
}

/// Lists the keys of the account, in the order of their creation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListKeysRequest {
    /// 1 to 1000, 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A key in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyListEntry {
    /// The bare id.
    pub key_id: String,
    /// The full name.
    pub key_arn: String,
}

/// One page of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListKeysResponse {
    /// The keys.
    pub keys: Vec<KeyListEntry>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

macro_rules! key_only_request {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
        pub struct $name {
            /// Key id or key ARN.
            pub key_id: String,
        }
    )+};
}
pub(super) use key_only_request;

key_only_request! {
    /// Makes a disabled key usable again.
    EnableKeyRequest;
    /// Makes a key unusable until it is enabled again.
    DisableKeyRequest;
    /// Keeps a key that is pending deletion; it is `Disabled` afterwards.
    CancelKeyDeletionRequest;
}

/// Replaces a key's description.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UpdateKeyDescriptionRequest {
    /// Key id or key ARN.
    #[serde(default)]
    pub key_id: String,
    /// At most 8192 characters; it may be empty, but must be there.
    #[serde(deserialize_with = "required")]
    pub description: String,
}

/// Ends a key, and everything encrypted under it, after a waiting period.
///
/// ```
/// # use keyfold_kms::types::{CancelKeyDeletionRequest, CreateKeyRequest};
/// # use keyfold_kms::types::ScheduleKeyDeletionRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = ScheduleKeyDeletionRequest {
///     key_id: key.key_id.clone(),
///     pending_window_in_days: Some(7),
/// };
/// let scheduled = engine.call(&owner, &request)?;
/// assert!(scheduled.deletion_date > key.creation_date);
///
/// // Until then it can be kept; it comes back disabled.
/// engine.call(&owner, &CancelKeyDeletionRequest { key_id: key.key_id })?;
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ScheduleKeyDeletionRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// 7 to 30 days, 30 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending_window_in_days: Option<u32>,
}

/// When a key will end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ScheduleKeyDeletionResponse {
    /// The key's ARN.
    pub key_id: String,
    /// The day on which it ends.
    pub deletion_date: Timestamp,
    /// `PendingDeletion`.
    pub key_state: KeyState,
    /// The waiting period in days.
    pub pending_window_in_days: u32,
}

/// An answer that only names the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeyIdResponse {
    /// The key's ARN.
    pub key_id: String,
}

/// The answer of operations that say no more than that they are done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// Reads a key's policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GetKeyPolicyRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// `default`, the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
}

/// A key's policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetKeyPolicyResponse {
    /// The document, as it was written.
    pub policy: String,
    /// `default`.
    pub policy_name: String,
}

/// Replaces a key's policy.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct PutKeyPolicyRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// `default`, the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_name: Option<String>,
    /// The document, JSON of at most 32768 bytes.
    pub policy: String,
    /// Accepts a policy that keeps the caller from changing it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bypass_policy_lockout_safety_check: Option<bool>,
}

/// Lists the names of a key's policies.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListKeyPoliciesRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Never needed: there is one policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// The names of a key's policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListKeyPoliciesResponse {
    /// `default`, the only one.
    pub policy_names: Vec<String>,
    /// Always `false`.
    pub truncated: bool,
}
