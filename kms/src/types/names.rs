//! Aliases and tags.

use serde::{Deserialize, Serialize};

use super::required;
use crate::clock::Timestamp;

/// Gives a key a name.
///
/// ```
/// # use keyfold_kms::types::{CreateAliasRequest, CreateKeyRequest, DescribeKeyRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let alias_name = "alias/docs".to_owned(); // at most 256 characters
/// let target_key_id = key.key_id.clone();
/// engine.call(&owner, &CreateAliasRequest { alias_name, target_key_id })?;
///
/// let request = DescribeKeyRequest { key_id: "alias/docs".into(), ..Default::default() };
/// assert_eq!(engine.call(&owner, &request)?.key_metadata.key_id, key.key_id);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct CreateAliasRequest {
    /// `alias/` and letters, digits, `/`, `_`, `-`; at most 256 characters in all.
    pub alias_name: String,
    /// Key id or key ARN.
    pub target_key_id: String,
}

/// Moves a name to another key of the same kind and usage.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct UpdateAliasRequest {
    /// The existing alias.
    pub alias_name: String,
    /// Key id or key ARN.
    pub target_key_id: String,
}

/// Removes a name; the key stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct DeleteAliasRequest {
    /// The existing alias.
    pub alias_name: String,
}

/// Lists aliases in the order of their names, of one key or of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListAliasesRequest {
    /// Key id or key ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// 1 to 100, 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// An alias in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AliasListEntry {
    /// The name, with `alias/`.
    pub alias_name: String,
    /// The alias's own ARN.
    pub alias_arn: String,
    /// The bare id of its key.
    pub target_key_id: String,
    /// When it was made.
    pub creation_date: Timestamp,
    /// When it was last moved.
    pub last_updated_date: Timestamp,
}

/// One page of aliases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAliasesResponse {
    /// The aliases.
    pub aliases: Vec<AliasListEntry>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}

/// A tag of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// 1 to 128 characters, not starting with `aws:`.
    pub tag_key: String,
    /// At most 256 characters; it may be empty, but must be there.
    #[serde(deserialize_with = "required")]
    pub tag_value: String,
}

/// Adds tags, or replaces those of the same key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagResourceRequest {
    /// Key id or key ARN.
    #[serde(default)]
    pub key_id: String,
    /// The tags; a key has at most 50.
    #[serde(deserialize_with = "required")]
    pub tags: Vec<Tag>,
}

/// Removes tags; those that are not there are ignored.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UntagResourceRequest {
    /// Key id or key ARN.
    #[serde(default)]
    pub key_id: String,
    /// The tags' keys.
    #[serde(deserialize_with = "required")]
    pub tag_keys: Vec<String>,
}

/// Lists a key's tags in the order of their keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListResourceTagsRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// 1 to 50, 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// One page of tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListResourceTagsResponse {
    /// The tags.
    pub tags: Vec<Tag>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
