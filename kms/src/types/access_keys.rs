//! Access keys: with what an AWS SDK signs its requests to the server.

use serde::{Deserialize, Serialize};

use super::{SecretText, wire_enum};
use crate::clock::Timestamp;

wire_enum! {
    /// Whether an access key works.
    AccessKeyStatus {
        /// Requests may be signed with it.
        Active = "Active",
        /// Requests signed with it are refused, until it is enabled again.
        Inactive = "Inactive",
    }
}

/// Makes an access key for a user: the principal `arn:aws:iam::ACCOUNT:user/NAME`.
///
/// ```
/// use keyfold_kms::types::{AccessKeyStatus, CreateAccessKeyRequest, ListAccessKeysRequest};
/// # let engine = keyfold_kms::Engine::in_memory()?;
/// # let owner = engine.owner();
///
/// let request = CreateAccessKeyRequest {
///     user_name: "backup".into(),
///     permissions: vec!["kms:GenerateDataKey".into(), "kms:Decrypt".into()],
///     expires: None,
/// };
/// let made = engine.call(&owner, &request)?;
/// assert!(made.access_key.access_key_id.starts_with("KFAK"));
/// assert_eq!(made.secret_access_key.expose().len(), 40); // told once, here
///
/// let list = engine.call(&owner, &ListAccessKeysRequest::default())?.access_keys;
/// assert_eq!(list[0].principal, "arn:aws:iam::000000000000:user/backup");
/// assert_eq!(list[0].status, AccessKeyStatus::Active);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CreateAccessKeyRequest {
    /// 1 to 64 letters, digits and `+=,.@_-`. A user has at most two keys that work, so that one
    /// can replace the other.
    pub user_name: String,
    /// What the user may do where a key's policy leaves it to the account: actions such as
    /// `kms:Decrypt`, prefixes such as `secretsmanager:*`, or `*`; at most 64. With none, only
    /// key policies and grants that name the user allow anything.
    pub permissions: Vec<String>,
    /// From when on the key no longer works; never where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A new access key. The secret is told only here.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateAccessKeyResponse {
    /// Everything but the secret.
    pub access_key: AccessKeyMetadata,
    /// The secret: 40 characters.
    pub secret_access_key: SecretText,
}

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKeyMetadata {
    /// `KFAK` and 16 letters and digits.
    pub access_key_id: String,
    /// The user's name.
    pub user_name: String,
    /// The user's ARN.
    pub principal: String,
    /// What the user's own role allows.
    pub permissions: Vec<String>,
    /// Whether it works.
    pub status: AccessKeyStatus,
    /// When it was made.
    pub create_date: Timestamp,
    /// From when on it no longer works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Lists access keys by the names of their users; never their secrets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ListAccessKeysRequest {
    /// Only those of this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// 1 to 1000, 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// One page of access keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAccessKeysResponse {
    /// The access keys.
    pub access_keys: Vec<AccessKeyMetadata>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// Enables or disables an access key. A disabled one is refused at once, by every server over
/// the same store.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateAccessKeyRequest {
    /// The access key.
    pub access_key_id: String,
    /// What it shall be.
    pub status: AccessKeyStatus,
}

/// Removes an access key for good.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DeleteAccessKeyRequest {
    /// The access key.
    pub access_key_id: String,
}

/// Makes a second access key for the same user with the same permissions, that lives as long as
/// the first was made for. The first works on until it is disabled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RotateAccessKeyRequest {
    /// The access key to replace.
    pub access_key_id: String,
}
