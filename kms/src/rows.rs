//! The rows of the store: one struct for each table, in versioned bytes.
//!
//! Encoding: one byte of format version (1), then JSON. A row grows by members that have a
//! default; a change that older readers would misread takes a new format version.

use keyfold::EncryptionContext;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::arn::Realm;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::hierarchy::damaged;
use crate::store::{MAX_VALUE, Table, Txn};
use crate::types::{
    AccessKeyStatus, Blob, GrantOperation, KeySpec, KeyState, KeyUsage, Origin, RotationType,
    context,
};

const FORMAT: u8 = 1;

/// A row with a table of its own.
pub(crate) trait Row: Serialize + DeserializeOwned {
    /// The table.
    const TABLE: Table;
    /// What it is, for errors.
    const NAME: &'static str;
}

/// Reads a row.
pub(crate) fn get<R: Row>(txn: &mut dyn Txn, key: &[u8]) -> Result<Option<R>> {
    txn.get(R::TABLE, key)?.map(|bytes| decode(&bytes, R::NAME)).transpose()
}

/// Writes a row.
pub(crate) fn put<R: Row>(txn: &mut dyn Txn, key: &[u8], row: &R) -> Result<()> {
    Ok(txn.put(R::TABLE, key, &encode(row)?)?)
}

/// Removes a row.
pub(crate) fn delete<R: Row>(txn: &mut dyn Txn, key: &[u8]) -> Result<()> {
    Ok(txn.delete(R::TABLE, key)?)
}

/// The bytes of a row.
pub(crate) fn encode(row: &impl Serialize) -> Result<Vec<u8>> {
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, row).map_err(|_| damaged("a row"))?;
    Ok(bytes)
}

/// Reads the bytes of a row; total over any input.
pub(crate) fn decode<R: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<R> {
    match bytes.split_first() {
        Some((&FORMAT, json)) if bytes.len() <= MAX_VALUE => {
            serde_json::from_slice(json).map_err(|_| damaged(name))
        }
        _ => Err(damaged(name)),
    }
}

/// Who the store is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct IdentityRow {
    pub store_id: Uuid,
    #[serde(flatten)]
    pub realm: Realm,
    pub created: Timestamp,
    /// Grows with every restore from a backup, so that versions made since are not made again.
    pub epoch: u32,
    /// Recognises the root key.
    pub root_check: Blob,
}

impl Row for IdentityRow {
    const TABLE: Table = Table::Config;
    const NAME: &'static str = "the identity";
}

/// The key of [`IdentityRow`].
pub(crate) const IDENTITY: &[u8] = b"identity";

/// A sealed copy of the root key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SlotRow {
    pub kind: String,
    pub label: String,
    pub params: serde_json::Value,
    pub sealed: Blob,
    pub created: Timestamp,
}

impl Row for SlotRow {
    const TABLE: Table = Table::RootSlots;
    const NAME: &'static str = "a root slot";
}

/// A KMS key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyRow {
    pub id: Uuid,
    pub spec: KeySpec,
    pub usage: KeyUsage,
    pub origin: Origin,
    pub state: KeyState,
    #[serde(default)]
    pub description: String,
    pub created: Timestamp,
    /// Only while pending deletion.
    #[serde(default)]
    pub deletion_date: Option<Timestamp>,
    /// The version that encrypts; the first is 1.
    pub version: u32,
    /// The id of that version's material.
    pub material_id: String,
    /// Where the key rotates by itself.
    #[serde(default)]
    pub rotation: Option<RotationSchedule>,
    /// How often it was rotated on demand.
    #[serde(default)]
    pub on_demand_rotations: u32,
    /// How many grants it has.
    #[serde(default)]
    pub grants: u32,
    /// Whether a service of the engine made it for itself.
    #[serde(default)]
    pub service_owned: bool,
    /// Who scheduled the deletion; only while pending deletion.
    #[serde(default)]
    pub deletion_scheduled_by: Option<String>,
}

impl Row for KeyRow {
    const TABLE: Table = Table::Keys;
    const NAME: &'static str = "a key";
}

/// When a key rotates by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RotationSchedule {
    pub period_days: u32,
    pub next: Timestamp,
}

/// A version of key material.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct VersionRow {
    pub material_id: String,
    /// Under the material-wrap key; bound to key, version, spec, usage and origin.
    pub sealed: Blob,
    pub created: Timestamp,
    /// Absent for the first version.
    #[serde(default)]
    pub rotation: Option<RotationType>,
}

impl Row for VersionRow {
    const TABLE: Table = Table::Versions;
    const NAME: &'static str = "a version of key material";
}

/// The key of a [`VersionRow`].
pub(crate) fn version_key(key_id: Uuid, version: u32) -> Vec<u8> {
    [key_id.as_bytes().as_slice(), &version.to_be_bytes()].concat()
}

/// An alias.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AliasRow {
    pub target: Uuid,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Row for AliasRow {
    const TABLE: Table = Table::Aliases;
    const NAME: &'static str = "an alias";
}

/// A grant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GrantRow {
    pub grantee: Principal,
    #[serde(default)]
    pub retiring: Option<Principal>,
    pub operations: Vec<GrantOperation>,
    #[serde(default, with = "context")]
    pub context_subset: EncryptionContext,
    #[serde(default, with = "optional_context")]
    pub context_equals: Option<EncryptionContext>,
    #[serde(default)]
    pub name: Option<String>,
    pub issuing_account: String,
    pub created: Timestamp,
}

impl Row for GrantRow {
    const TABLE: Table = Table::Grants;
    const NAME: &'static str = "a grant";
}

/// Somebody that a grant names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Principal {
    /// An ARN.
    Arn(String),
    /// A service's dotted name.
    Service(String),
}

mod optional_context {
    use super::{Deserialize, EncryptionContext, Serialize, context};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "context")] EncryptionContext);

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<EncryptionContext>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().map(Wrapped).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<EncryptionContext>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|wrapped| wrapped.0))
    }
}

/// What is left of a deleted key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TombstoneRow {
    pub spec: KeySpec,
    pub created: Timestamp,
    pub deleted: Timestamp,
    /// Who scheduled the deletion.
    #[serde(default)]
    pub scheduled_by: Option<String>,
}

impl Row for TombstoneRow {
    const TABLE: Table = Table::Tombstones;
    const NAME: &'static str = "a tombstone";
}

/// An access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AccessKeyRow {
    pub user: String,
    /// What the user's role allows under this key.
    pub permissions: Vec<String>,
    pub status: AccessKeyStatus,
    pub created: Timestamp,
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// The secret under the key for access keys; bound to everything above but the status.
    pub sealed: Blob,
}

impl Row for AccessKeyRow {
    const TABLE: Table = Table::AccessKeys;
    const NAME: &'static str = "an access key";
}

/// The key that signs the store's own tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TokenKeyRow {
    /// Names the key in the tokens.
    pub id: String,
    /// PKCS#8, under the key for token keys; bound to its name.
    pub sealed: Blob,
    pub created: Timestamp,
}

impl Row for TokenKeyRow {
    const TABLE: Table = Table::Config;
    const NAME: &'static str = "the key of tokens";
}

/// The key of [`TokenKeyRow`].
pub(crate) const TOKEN_KEY: &[u8] = b"token-key";

/// Decodes bytes as every kind of row, for tests of its totality.
pub(crate) fn decode_as_each(bytes: &[u8]) {
    fn one<R: Row>(bytes: &[u8]) {
        // Either a row or an error; both are right.
        let _ = decode::<R>(bytes, R::NAME);
    }
    one::<IdentityRow>(bytes);
    one::<SlotRow>(bytes);
    one::<KeyRow>(bytes);
    one::<VersionRow>(bytes);
    one::<AliasRow>(bytes);
    one::<GrantRow>(bytes);
    one::<TombstoneRow>(bytes);
    one::<AccessKeyRow>(bytes);
    one::<TokenKeyRow>(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> KeyRow {
        KeyRow {
            id: Uuid::from_bytes([1; 16]),
            spec: KeySpec::SymmetricDefault,
            usage: KeyUsage::EncryptDecrypt,
            origin: Origin::AwsKms,
            state: KeyState::Enabled,
            description: "d".into(),
            created: Timestamp::from_millis(1_790_000_000_123),
            deletion_date: None,
            version: 1,
            material_id: "m".into(),
            rotation: Some(RotationSchedule { period_days: 90, next: Timestamp::default() }),
            on_demand_rotations: 2,
            grants: 3,
            service_owned: false,
            deletion_scheduled_by: None,
        }
    }

    #[test]
    fn rows_come_back_and_grow() {
        let bytes = encode(&key()).expect("encodes");
        let back: KeyRow = decode(&bytes, "a key").expect("decodes");
        assert_eq!(encode(&back).expect("encodes"), bytes);
        // A member that a newer version added is passed over; one that it left out is the default.
        let text = String::from_utf8(bytes[1..].to_vec()).expect("text");
        let newer = text.replacen('{', r#"{"new":[1],"#, 1).replace(r#""grants":3,"#, "");
        let newer = [&[FORMAT][..], newer.as_bytes()].concat();
        assert_eq!(decode::<KeyRow>(&newer, "a key").expect("decodes").grants, 0);
        let other_format = [&[FORMAT + 1][..], &bytes[1..]].concat();
        assert!(decode::<KeyRow>(&other_format, "a key").is_err());
        assert!(decode::<KeyRow>(&[], "a key").is_err());
    }

    proptest! {
        #[test]
        fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode_as_each(&bytes);
            decode_as_each(&[&[FORMAT][..], &bytes].concat());
        }

        #[test]
        fn decoding_altered_rows_is_total(at in 0usize..400, byte: u8, cut in 0usize..400) {
            let mut bytes = encode(&key()).expect("encodes");
            let len = bytes.len();
            bytes[at % len] = byte;
            decode_as_each(&bytes);
            decode_as_each(&bytes[..cut % len]);
        }
    }
}
