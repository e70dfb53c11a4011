//! The password safe: secrets, their versions and stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Sensitive, required, wire_enum};
use crate::clock::Timestamp;
use crate::password::PasswordRules;

/// Text that must not leak: a secret's value or a password. Zeroized on drop; neither Debug nor
/// Clone.
///
/// ```
/// use keyfold_kms::types::SecretText;
///
/// let password = SecretText::from("correct horse");
/// assert_eq!(password.expose(), "correct horse");
/// ```
#[derive(Default, Zeroize, ZeroizeOnDrop)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text over; the caller keeps no copy.
    pub fn new(text: String) -> Self {
        SecretText(text)
    }

    /// The text itself. Do not copy it further than needed.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Hands the bytes of the text over to the caller, who wipes them.
    pub fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut self.0).into_bytes()
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        SecretText(text.to_owned())
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(SecretText)
    }
}

/// A tag of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretTag {
    /// 1 to 128 characters, case-sensitive, not starting with `aws:`.
    pub key: String,
    /// 0 to 256 characters.
    #[serde(default)]
    pub value: String,
}

wire_enum! {
    /// What a filter of ListSecrets looks at.
    SecretFilterKey {
        /// The words of the description, in any case.
        Description = "description",
        /// The name.
        Name = "name",
        /// The keys of tags.
        TagKey = "tag-key",
        /// The values of tags.
        TagValue = "tag-value",
        /// The region.
        PrimaryRegion = "primary-region",
        /// The service that owns the secret; no secret of this engine has one.
        OwningService = "owning-service",
        /// The words of all of these, in any case.
        All = "all",
    }
}

wire_enum! {
    /// The order of a list, by time of creation.
    SortOrder {
        /// The oldest first.
        Ascending = "asc",
        /// The newest first.
        Descending = "desc",
    }
}

/// A filter of ListSecrets: what it looks at must start with one of the values, and must not
/// start with any value that is written after a `!`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SecretFilter {
    /// What to look at.
    pub key: SecretFilterKey,
    /// 1 to 10 values of 1 to 512 characters.
    pub values: Vec<String>,
}

/// Creates a secret, with its first version where a value is given.
///
/// ```
/// # use keyfold_kms::types::{CreateSecretRequest, GetSecretValueRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// let request = CreateSecretRequest {
///     name: "db/password".into(),
///     secret_string: Some("correct horse".into()),
///     ..CreateSecretRequest::default()
/// };
/// engine.call(&owner, &request)?;
/// let request = GetSecretValueRequest { secret_id: "db/password".into(), ..Default::default() };
/// let read = engine.call(&owner, &request)?;
/// assert_eq!(read.secret_string.expect("it is text").expose(), "correct horse");
/// assert_eq!(read.version_stages, ["AWSCURRENT"]);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct CreateSecretRequest {
    /// 1 to 512 ASCII letters, digits and `/_+=.@-`.
    pub name: String,
    /// 32 to 64 characters; becomes the id of the version. Random where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// At most 2048 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Key id, key ARN, alias name or alias ARN of the KMS key that protects the values; `alias/aws/secretsmanager` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// The value as bytes, 1 to 65,536. Either this or `secret_string`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_binary: Option<Sensitive>,
    /// The value as text, 1 to 65,536 bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_string: Option<SecretText>,
    /// At most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SecretTag>,
    /// Not offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add_replica_regions: Option<serde_json::Value>,
}

/// A new secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateSecretResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The id of the first version, where a value was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// Reads a value.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct GetSecretValueRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// The version; the stage decides where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// The stage; `AWSCURRENT` where neither is given. Both given must agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_stage: Option<String>,
}

/// A value.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetSecretValueResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// The value, where it was put as bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_binary: Option<Sensitive>,
    /// The value, where it was put as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_string: Option<SecretText>,
    /// The version's stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
    /// When the version was made.
    pub created_date: Timestamp,
}

/// Adds a version.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct PutSecretValueRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// 32 to 64 characters; becomes the id of the version. Random where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// The value as bytes, 1 to 65,536. Either this or `secret_string`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_binary: Option<Sensitive>,
    /// The value as text, 1 to 65,536 bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_string: Option<SecretText>,
    /// At most 20; `AWSCURRENT` where empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
}

/// A new version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PutSecretValueResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The version's id.
    pub version_id: String,
    /// The version's stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
}

/// Changes description, KMS key or value.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct UpdateSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// 32 to 64 characters; becomes the id of the version. Random where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_token: Option<String>,
    /// At most 2048 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Key id, key ARN, alias name or alias ARN of the KMS key that protects the values; `alias/aws/secretsmanager` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// The value as bytes, 1 to 65,536. Either this or `secret_string`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_binary: Option<Sensitive>,
    /// The value as text, 1 to 65,536 bytes of UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_string: Option<SecretText>,
}

/// A changed secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateSecretResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// The id of the new version, where a value was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
}

/// Moves a stage between versions, or takes it off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct UpdateSecretVersionStageRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// 1 to 256 characters.
    pub version_stage: String,
    /// The version that has the stage now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_from_version_id: Option<String>,
    /// The version that is to have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub move_to_version_id: Option<String>,
}

/// A changed secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateSecretVersionStageResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
}

/// Everything of a secret but its values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DescribeSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
}

/// Everything of a secret but its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeSecretResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// What the secret is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The KMS key, where it is not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// When anything of the secret changed.
    pub last_changed_date: Timestamp,
    /// The day, in UTC, of the last read of a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
    /// When the secret will be gone, where its deletion is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_date: Option<Timestamp>,
    /// The tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SecretTag>,
    /// The versions that have stages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version_ids_to_stages: BTreeMap<String, Vec<String>>,
    /// When the secret was made.
    pub created_date: Timestamp,
}

/// Lists secrets, in order of creation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListSecretsRequest {
    /// Also those whose deletion is scheduled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_planned_deletion: Option<bool>,
    /// 1 to 100, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// At most 10; a secret must pass all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<SecretFilter>,
    /// The oldest first where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort_order: Option<SortOrder>,
}

/// A page of secrets; it may be short, or even empty, though more follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListSecretsResponse {
    /// The secrets.
    pub secret_list: Vec<SecretListEntry>,
    /// Present where more follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// A secret in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretListEntry {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// What the secret is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The KMS key, where it is not the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// When anything of the secret changed.
    pub last_changed_date: Timestamp,
    /// The day, in UTC, of the last read of a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
    /// When the secret will be gone, where its deletion is scheduled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_date: Option<Timestamp>,
    /// The tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SecretTag>,
    /// The versions that have stages.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_versions_to_stages: BTreeMap<String, Vec<String>>,
    /// When the secret was made.
    pub created_date: Timestamp,
}

/// Lists the versions of a secret, the newest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListSecretVersionIdsRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// 1 to 100, the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_results: Option<u32>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// Also versions without stages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_deprecated: Option<bool>,
}

/// A page of versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListSecretVersionIdsResponse {
    /// The versions.
    pub versions: Vec<SecretVersionsListEntry>,
    /// Present where more follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
}

/// A version in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SecretVersionsListEntry {
    /// The version's id.
    pub version_id: String,
    /// The version's stages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub version_stages: Vec<String>,
    /// The day, in UTC, of the last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_accessed_date: Option<Timestamp>,
    /// When the version was made.
    pub created_date: Timestamp,
    /// The KMS key that protects the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kms_key_ids: Vec<String>,
}

/// Deletes a secret, after a recovery window.
///
/// ```
/// # use keyfold_kms::types::{DeleteSecretRequest, RestoreSecretRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # engine.put_secret(&owner, "db/password", &b"correct horse".as_slice().into(), None)?;
/// let request = DeleteSecretRequest {
///     secret_id: "db/password".into(),
///     recovery_window_in_days: Some(7),
///     ..DeleteSecretRequest::default()
/// };
/// engine.call(&owner, &request)?;
/// assert!(engine.get_secret(&owner, "db/password", None, None).is_err());
///
/// // Until the window is over it can be had back.
/// engine.call(&owner, &RestoreSecretRequest { secret_id: "db/password".into() })?;
/// assert!(engine.get_secret(&owner, "db/password", None, None).is_ok());
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DeleteSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
    /// 7 to 30; 30 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_window_in_days: Option<u32>,
    /// At once and for good. Not together with a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub force_delete_without_recovery: Option<bool>,
}

/// A secret that will be gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteSecretResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
    /// When it is gone.
    pub deletion_date: Timestamp,
}

/// Calls off the deletion of a secret.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct RestoreSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    pub secret_id: String,
}

/// A restored secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RestoreSecretResponse {
    /// The secret's ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The secret's name.
    pub name: String,
}

/// Makes a random password.
///
/// ```
/// # use keyfold_kms::types::GetRandomPasswordRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// let request = GetRandomPasswordRequest { password_length: Some(20), ..Default::default() };
/// let password = engine.call(&owner, &request)?.random_password;
/// assert_eq!(password.expose().chars().count(), 20);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the members of the API")]
pub struct GetRandomPasswordRequest {
    /// 1 to 4096 characters; 32 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_length: Option<u32>,
    /// Characters that must not occur, at most 4096.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub exclude_characters: String,
    /// No digits.
    pub exclude_numbers: bool,
    /// No punctuation marks.
    pub exclude_punctuation: bool,
    /// No uppercase letters.
    pub exclude_uppercase: bool,
    /// No lowercase letters.
    pub exclude_lowercase: bool,
    /// Spaces too.
    pub include_space: bool,
    /// At least one character of every included type; so where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_each_included_type: Option<bool>,
}

impl From<GetRandomPasswordRequest> for PasswordRules {
    fn from(request: GetRandomPasswordRequest) -> Self {
        let default = PasswordRules::default();
        PasswordRules {
            length: request.password_length.map_or(default.length, |length| length as usize),
            exclude_characters: request.exclude_characters,
            exclude_numbers: request.exclude_numbers,
            exclude_punctuation: request.exclude_punctuation,
            exclude_uppercase: request.exclude_uppercase,
            exclude_lowercase: request.exclude_lowercase,
            include_space: request.include_space,
            require_each_included_type: request
                .require_each_included_type
                .unwrap_or(default.require_each_included_type),
        }
    }
}

/// A random password.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRandomPasswordResponse {
    /// The password, in ASCII.
    pub random_password: SecretText,
}

/// Sets tags of a secret (`TagResource`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    #[serde(default)]
    pub secret_id: String,
    /// The tags; one with the same key is replaced. At most 50 in all.
    #[serde(deserialize_with = "required")]
    pub tags: Vec<SecretTag>,
}

/// Removes tags of a secret (`UntagResource`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UntagSecretRequest {
    /// Name, ARN, or ARN without its last hyphen and six characters.
    #[serde(default)]
    pub secret_id: String,
    /// Keys; one that is not there is no error.
    #[serde(deserialize_with = "required")]
    pub tag_keys: Vec<String>,
}
