//! Encryption, data keys, randomness, signatures.

use keyfold::EncryptionContext;
use serde::{Deserialize, Serialize};

use super::{
    Blob, EncryptionAlgorithm, KeySpec, KeyUsage, Sensitive, SigningAlgorithm, context, wire_enum,
};

wire_enum! {
    /// The length of a data key by name.
    DataKeySpec {
        /// 32 bytes.
        Aes256 = "AES_256",
        /// 16 bytes.
        Aes128 = "AES_128",
    }
}

wire_enum! {
    /// What the message of Sign and Verify is.
    MessageType {
        /// The message itself.
        Raw = "RAW",
        /// Its hash.
        Digest = "DIGEST",
        /// Known by name, fits no key.
        ExternalMu = "EXTERNAL_MU",
    }
}

wire_enum! {
    /// How a dry run differs from the call itself.
    DryRunModifier {
        /// Check the authorisation only; no ciphertext is needed.
        IgnoreCiphertext = "IGNORE_CIPHERTEXT",
    }
}

/// Encrypts 1 to 4096 bytes under a KMS key.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, DecryptRequest, EncryptRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = EncryptRequest {
///     key_id: key.key_id,
///     plaintext: b"4111 1111 1111 1111"[..].into(), // 1 to 4096 bytes
///     encryption_context: [("customer", "42")].into(),
///     ..EncryptRequest::default()
/// };
/// let sealed = engine.call(&owner, &request)?;
/// let request = DecryptRequest {
///     ciphertext_blob: Some(sealed.ciphertext_blob),
///     encryption_context: request.encryption_context,
///     ..DecryptRequest::default()
/// };
/// assert_eq!(engine.call(&owner, &request)?.plaintext.expose(), b"4111 1111 1111 1111");
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct EncryptRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// 1 to 4096 bytes.
    pub plaintext: Sensitive,
    /// Symmetric keys only.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context: EncryptionContext,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// `SYMMETRIC_DEFAULT` where absent; required for RSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// Check everything, encrypt nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncryptResponse {
    /// The ciphertext, at most 6144 bytes.
    pub ciphertext_blob: Blob,
    /// The key's ARN.
    pub key_id: String,
    /// The algorithm used.
    pub encryption_algorithm: EncryptionAlgorithm,
}

/// Decrypts a ciphertext of Encrypt or of a data key operation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DecryptRequest {
    /// 1 to 6144 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_blob: Option<Blob>,
    /// The context it was encrypted under.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context: EncryptionContext,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Key id, key ARN, alias name or alias ARN; a symmetric ciphertext names its key itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// `SYMMETRIC_DEFAULT` where absent; required for RSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<serde_json::Value>,
    /// Check everything, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// How the dry run differs from the call itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run_modifiers: Vec<DryRunModifier>,
}

/// A plaintext.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DecryptResponse {
    /// The plaintext, at most 4096 bytes.
    pub plaintext: Sensitive,
    /// The key's ARN.
    pub key_id: String,
    /// The algorithm used.
    pub encryption_algorithm: EncryptionAlgorithm,
    /// The version that had encrypted; symmetric keys only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_material_id: Option<String>,
}

/// Decrypts and encrypts again, without the plaintext leaving the KMS.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, EncryptRequest, ReEncryptRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// # let request = EncryptRequest {
/// #     key_id: key.key_id.clone(), plaintext: b"1234"[..].into(), ..Default::default()
/// # };
///
/// # let other = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = ReEncryptRequest {
///     ciphertext_blob: Some(engine.call(&owner, &request)?.ciphertext_blob),
///     destination_key_id: other.key_id, // the plaintext stays in the KMS
///     ..ReEncryptRequest::default()
/// };
/// let moved = engine.call(&owner, &request)?;
/// assert_eq!((moved.source_key_id, moved.key_id), (key.arn, other.arn));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ReEncryptRequest {
    /// 1 to 6144 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ciphertext_blob: Option<Blob>,
    /// The context it was encrypted under.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub source_encryption_context: EncryptionContext,
    /// Key id, key ARN, alias name or alias ARN; a symmetric ciphertext names its key itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_key_id: Option<String>,
    /// `SYMMETRIC_DEFAULT` where absent; required for RSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_encryption_algorithm: Option<EncryptionAlgorithm>,
    /// Key id, key ARN, alias name or alias ARN.
    pub destination_key_id: String,
    /// The context to bind now.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub destination_encryption_context: EncryptionContext,
    /// `SYMMETRIC_DEFAULT` where absent; required for RSA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_encryption_algorithm: Option<EncryptionAlgorithm>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Check everything, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// How the dry run differs from the call itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dry_run_modifiers: Vec<DryRunModifier>,
}

/// A ciphertext under another key or context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ReEncryptResponse {
    /// The new ciphertext.
    pub ciphertext_blob: Blob,
    /// The ARN of the key it was under.
    pub source_key_id: String,
    /// The ARN of the key it is under now.
    pub key_id: String,
    /// The algorithm it was under.
    pub source_encryption_algorithm: EncryptionAlgorithm,
    /// The algorithm it is under now.
    pub destination_encryption_algorithm: EncryptionAlgorithm,
    /// The version it was under; symmetric keys only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_key_material_id: Option<String>,
    /// The version it is under now; symmetric keys only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination_key_material_id: Option<String>,
}

/// Makes a data key and encrypts it under a symmetric KMS key.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, DataKeySpec, GenerateDataKeyRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = GenerateDataKeyRequest {
///     key_id: key.key_id,
///     key_spec: Some(DataKeySpec::Aes256),
///     ..GenerateDataKeyRequest::default()
/// };
/// let made = engine.call(&owner, &request)?;
/// assert_eq!(made.plaintext.len(), 32); // use it, then forget it
/// assert!(made.ciphertext_blob.0.len() > 32); // keep this
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GenerateDataKeyRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// The context to bind.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context: EncryptionContext,
    /// 1 to 1024; exactly one of this and `KeySpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_bytes: Option<u32>,
    /// Exactly one of this and `NumberOfBytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_spec: Option<DataKeySpec>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<serde_json::Value>,
    /// Check everything, make nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A data key and its ciphertext.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateDataKeyResponse {
    /// The data key under the KMS key, for Decrypt.
    pub ciphertext_blob: Blob,
    /// The data key itself.
    pub plaintext: Sensitive,
    /// The key's ARN.
    pub key_id: String,
    /// The version that encrypted it.
    pub key_material_id: String,
}

/// Like `GenerateDataKey`, for somebody who will not use the data key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GenerateDataKeyWithoutPlaintextRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// The context to bind.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context: EncryptionContext,
    /// 1 to 1024; exactly one of this and `KeySpec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_bytes: Option<u32>,
    /// Exactly one of this and `NumberOfBytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_spec: Option<DataKeySpec>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Check everything, make nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// The ciphertext of a data key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateDataKeyWithoutPlaintextResponse {
    /// The data key under the KMS key, for Decrypt.
    pub ciphertext_blob: Blob,
    /// The key's ARN.
    pub key_id: String,
    /// The version that encrypted it.
    pub key_material_id: String,
}

/// Random bytes from the KMS.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GenerateRandomRequest {
    /// 1 to 1024.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_bytes: Option<u32>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_key_store_id: Option<String>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<serde_json::Value>,
}

/// Random bytes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GenerateRandomResponse {
    /// The bytes.
    pub plaintext: Sensitive,
}

/// Signs a message of 1 to 4096 bytes, or a digest.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, KeySpec, KeyUsage};
/// # use keyfold_kms::types::{SignRequest, SigningAlgorithm, VerifyRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let request = CreateKeyRequest {
/// #     key_spec: Some(KeySpec::EccNistP256), key_usage: Some(KeyUsage::SignVerify),
/// #     ..CreateKeyRequest::default()
/// # };
/// # let key = engine.call(&owner, &request)?.key_metadata;
/// let request = SignRequest {
///     key_id: key.key_id.clone(),
///     message: b"report"[..].into(), // at most 4096 bytes; else its digest
///     signing_algorithm: Some(SigningAlgorithm::EcdsaSha256),
///     ..SignRequest::default()
/// };
/// let signed = engine.call(&owner, &request)?;
/// let request = VerifyRequest {
///     key_id: key.key_id,
///     message: b"report"[..].into(),
///     signature: signed.signature,
///     signing_algorithm: Some(SigningAlgorithm::EcdsaSha256),
///     ..VerifyRequest::default()
/// };
/// assert!(engine.call(&owner, &request)?.signature_valid);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct SignRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// 1 to 4096 bytes; exactly the hash's length where it is a digest.
    pub message: Sensitive,
    /// `RAW` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Required; one that the key's spec allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// Check everything, sign nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SignResponse {
    /// The key's ARN.
    pub key_id: String,
    /// The signature; for ECDSA in DER.
    pub signature: Blob,
    /// The algorithm used.
    pub signing_algorithm: SigningAlgorithm,
}

/// Verifies a signature; a wrong one is the error `KMSInvalidSignatureException`.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct VerifyRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// 1 to 4096 bytes; exactly the hash's length where it is a digest.
    pub message: Sensitive,
    /// `RAW` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<MessageType>,
    /// 1 to 6144 bytes.
    pub signature: Blob,
    /// Required; one that the key's spec allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// Check everything, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// The signature holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VerifyResponse {
    /// The key's ARN.
    pub key_id: String,
    /// Always `true`.
    pub signature_valid: bool,
    /// The algorithm used.
    pub signing_algorithm: SigningAlgorithm,
}

/// Reads the public half of an asymmetric key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GetPublicKeyRequest {
    /// Key id, key ARN, alias name or alias ARN.
    pub key_id: String,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetPublicKeyResponse {
    /// The key's ARN.
    pub key_id: String,
    /// SubjectPublicKeyInfo in DER.
    pub public_key: Blob,
    /// The same as `KeySpec`.
    pub customer_master_key_spec: KeySpec,
    /// The kind of key.
    pub key_spec: KeySpec,
    /// What it is for.
    pub key_usage: KeyUsage,
    /// For keys that encrypt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption_algorithms: Option<Vec<EncryptionAlgorithm>>,
    /// For keys that sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_algorithms: Option<Vec<SigningAlgorithm>>,
}
