//! Rotation of symmetric keys.

use serde::{Deserialize, Serialize};

use super::keys::key_only_request;
use super::wire_enum;
use crate::clock::Timestamp;

wire_enum! {
    /// Why a version became current.
    RotationType {
        /// The key's period had passed.
        Automatic = "AUTOMATIC",
        /// Somebody asked for it.
        OnDemand = "ON_DEMAND",
    }
}

wire_enum! {
    /// What a version of key material is good for.
    KeyMaterialState {
        /// Encrypts and decrypts.
        Current = "CURRENT",
        /// Decrypts what it encrypted.
        NonCurrent = "NON_CURRENT",
    }
}

wire_enum! {
    /// Which versions to list.
    IncludeKeyMaterial {
        /// Those that a rotation made.
        RotationsOnly = "ROTATIONS_ONLY",
        /// The first one too.
        AllKeyMaterial = "ALL_KEY_MATERIAL",
    }
}

/// Lets a key rotate by itself, or changes its period.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, EnableKeyRotationRequest};
/// # use keyfold_kms::types::GetKeyRotationStatusRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let request = EnableKeyRotationRequest {
///     key_id: key.key_id.clone(),
///     rotation_period_in_days: Some(90),
/// };
/// engine.call(&owner, &request)?; // what older versions encrypted still decrypts
/// let request = GetKeyRotationStatusRequest { key_id: key.key_id };
/// assert!(engine.call(&owner, &request)?.key_rotation_enabled);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct EnableKeyRotationRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// 90 to 2560 days, 365 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_period_in_days: Option<u32>,
}

key_only_request! {
    /// Stops a key from rotating by itself.
    DisableKeyRotationRequest;
    /// Asks whether, and when next, a key rotates by itself.
    GetKeyRotationStatusRequest;
    /// Makes a new version current at once; at most 25 times for one key.
    RotateKeyOnDemandRequest;
}

/// Whether, and when next, a key rotates by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetKeyRotationStatusResponse {
    /// The key's ARN.
    pub key_id: String,
    /// Whether it does; `false` while pending deletion.
    pub key_rotation_enabled: bool,
    /// The period in days; only where enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_period_in_days: Option<u32>,
    /// When next; only where enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_rotation_date: Option<Timestamp>,
}

/// Lists the rotations that a key went through, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListKeyRotationsRequest {
    /// Key id or key ARN.
    pub key_id: String,
    /// `ROTATIONS_ONLY` where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_key_material: Option<IncludeKeyMaterial>,
    /// 1 to 1000, 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A version of key material in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RotationsListEntry {
    /// The key's ARN.
    pub key_id: String,
    /// The version's id: 64 hexadecimal digits.
    pub key_material_id: String,
    /// Whether it is the one that encrypts.
    pub key_material_state: KeyMaterialState,
    /// When it became current; absent for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_date: Option<Timestamp>,
    /// Why it became current; absent for the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation_type: Option<RotationType>,
}

/// One page of rotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListKeyRotationsResponse {
    /// The versions.
    pub rotations: Vec<RotationsListEntry>,
    /// Whether there may be more.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
