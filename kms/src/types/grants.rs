//! Grants.

use keyfold::EncryptionContext;
use serde::{Deserialize, Serialize};

use super::{context, wire_enum};
use crate::clock::Timestamp;

wire_enum! {
    /// An operation that a grant can allow.
    GrantOperation {
        /// `Decrypt`.
        Decrypt = "Decrypt",
        /// `Encrypt`.
        Encrypt = "Encrypt",
        /// `GenerateDataKey`.
        GenerateDataKey = "GenerateDataKey",
        /// `GenerateDataKeyWithoutPlaintext`.
        GenerateDataKeyWithoutPlaintext = "GenerateDataKeyWithoutPlaintext",
        /// `ReEncrypt`, on the key that the ciphertext is of.
        ReEncryptFrom = "ReEncryptFrom",
        /// `ReEncrypt`, on the new key.
        ReEncryptTo = "ReEncryptTo",
        /// `Sign`.
        Sign = "Sign",
        /// `Verify`.
        Verify = "Verify",
        /// `GetPublicKey`.
        GetPublicKey = "GetPublicKey",
        /// `CreateGrant`: grants that allow no more than this one.
        CreateGrant = "CreateGrant",
        /// `RetireGrant`, of the grant itself.
        RetireGrant = "RetireGrant",
        /// `DescribeKey`.
        DescribeKey = "DescribeKey",
        /// Known by name, fits no key.
        GenerateDataKeyPair = "GenerateDataKeyPair",
        /// Known by name, fits no key.
        GenerateDataKeyPairWithoutPlaintext = "GenerateDataKeyPairWithoutPlaintext",
        /// Known by name, fits no key.
        GenerateMac = "GenerateMac",
        /// Known by name, fits no key.
        VerifyMac = "VerifyMac",
        /// Known by name, fits no key.
        DeriveSharedSecret = "DeriveSharedSecret",
        /// Known by name, fits no key.
        Encapsulate = "Encapsulate",
        /// Known by name, fits no key.
        Decapsulate = "Decapsulate",
    }
}

/// What the encryption context of a granted call must be. Names and values match exactly, also
/// in the case of letters. It bears on symmetric encryption only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GrantConstraints {
    /// All of these pairs, perhaps more; at most 8 pairs.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context_subset: EncryptionContext,
    /// Exactly these pairs; at most 8.
    #[serde(with = "context", skip_serializing_if = "EncryptionContext::is_empty")]
    pub encryption_context_equals: EncryptionContext,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
}

/// Allows a principal some operations on one key.
///
/// ```
/// # use keyfold_kms::types::{CreateGrantRequest, CreateKeyRequest, EncryptRequest};
/// # use keyfold_kms::types::{GrantConstraints, GrantOperation};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// use keyfold_kms::Caller;
///
/// // Alice may encrypt under this key, for customer 42 only.
/// let alice = Caller::new("arn:aws:iam::000000000000:user/alice", "000000000000");
/// let only = GrantConstraints {
///     encryption_context_subset: [("customer", "42")].into(),
///     ..GrantConstraints::default()
/// };
/// let request = CreateGrantRequest {
///     key_id: key.key_id.clone(),
///     grantee_principal: Some(alice.principal().to_owned()),
///     operations: vec![GrantOperation::Encrypt],
///     constraints: Some(only),
///     ..CreateGrantRequest::default()
/// };
/// engine.call(&owner, &request)?;
/// # let mut request = EncryptRequest {
/// #     key_id: key.key_id.clone(), plaintext: b"1234"[..].into(), ..Default::default()
/// # };
/// assert!(engine.call(&alice, &request).is_err());
/// request.encryption_context = [("customer", "42")].into();
/// assert!(engine.call(&alice, &request).is_ok());
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct CreateGrantRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// Who may; exactly one of this and `GranteeServicePrincipal`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_principal: Option<String>,
    /// Which service may: a dotted name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_service_principal: Option<String>,
    /// Who may end the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_principal: Option<String>,
    /// Which service may end the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_service_principal: Option<String>,
    /// What it allows; every one must fit the key.
    pub operations: Vec<GrantOperation>,
    /// Under which encryption contexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<GrantConstraints>,
    /// At most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grant_tokens: Vec<String>,
    /// The same name and parameters again give the same grant; 1 to 256 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Check everything, change nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// A grant that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateGrantResponse {
    /// Names the grant in `RetireGrant` and `GrantTokens`.
    pub grant_token: String,
    /// 64 hexadecimal digits.
    pub grant_id: String,
}

/// Lists a key's grants.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListGrantsRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// Only this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// Only those of this grantee.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_principal: Option<String>,
    /// Only those of this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_service_principal: Option<String>,
    /// 1 to 100, 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// Lists the grants that a principal may retire, on all keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListRetirableGrantsRequest {
    /// The retiring principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_principal: Option<String>,
    /// The retiring service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_service_principal: Option<String>,
    /// 1 to 100, 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A grant in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GrantListEntry {
    /// The key's ARN.
    pub key_id: String,
    /// 64 hexadecimal digits.
    pub grant_id: String,
    /// The name, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When it was made.
    pub creation_date: Timestamp,
    /// Who may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_principal: Option<String>,
    /// Which service may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grantee_service_principal: Option<String>,
    /// Who may end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_principal: Option<String>,
    /// Which service may end it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring_service_principal: Option<String>,
    /// The account under which it was made.
    pub issuing_account: String,
    /// What it allows.
    pub operations: Vec<GrantOperation>,
    /// Under which encryption contexts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<GrantConstraints>,
}

/// One page of grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListGrantsResponse {
    /// The grants.
    pub grants: Vec<GrantListEntry>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// Ends a grant from the grantee's side: by its token, or by key and grant id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RetireGrantRequest {
    /// From `CreateGrant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_token: Option<String>,
    /// The key's ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// 64 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// Check everything, change nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}

/// Ends a grant from the key owner's side.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RevokeGrantRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// 64 hexadecimal digits.
    pub grant_id: String,
    /// Check everything, change nothing, answer `DryRunOperationException`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
}
