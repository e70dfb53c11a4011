//! What the store holds of a secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stages::Stages;
use crate::clock::Timestamp;
use crate::rows::Row;
use crate::store::Table;
use crate::types::Blob;

/// The key of a [`SecretRow`]: time of creation and eight random bytes, so that the order of the
/// table is that of creation.
pub(super) type SecretKey = [u8; 16];

/// A secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SecretRow {
    pub arn: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// As the caller named it; the default key where absent.
    #[serde(default)]
    pub kms_key_id: Option<String>,
    pub created: Timestamp,
    pub changed: Timestamp,
    /// A day.
    #[serde(default)]
    pub accessed: Option<Timestamp>,
    /// When it will be gone, where deletion is scheduled.
    #[serde(default)]
    pub deletion: Option<Timestamp>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub stages: Stages,
    /// The token of CreateSecret, where that put no value: recognises the request made again.
    #[serde(default)]
    pub creation_token: Option<String>,
}

impl SecretRow {
    /// Whether the recovery window is over: what is left of the secret waits for the sweep.
    pub(super) fn is_gone(&self, now: Timestamp) -> bool {
        self.deletion.is_some_and(|deletion| deletion <= now)
    }
}

impl Row for SecretRow {
    const TABLE: Table = Table::Secrets;
    const NAME: &'static str = "a secret";
}

/// A version of a secret, without its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct VersionRow {
    pub created: Timestamp,
    /// A day.
    #[serde(default)]
    pub accessed: Option<Timestamp>,
    /// The ARN of the KMS key that protects the value.
    pub kms_key: String,
}

impl Row for VersionRow {
    const TABLE: Table = Table::SecretVersions;
    const NAME: &'static str = "a version of a secret";
}

/// Whether a value was put as text or as bytes. Authenticated with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Text,
    Bytes,
}

/// The value of a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ValueRow {
    pub kind: Kind,
    /// The data key, under the KMS key.
    pub data_key: Blob,
    /// The value, under the data key.
    pub sealed: Blob,
}

impl Row for ValueRow {
    const TABLE: Table = Table::SecretValues;
    const NAME: &'static str = "the value of a secret";
}

/// The key of a [`VersionRow`] and of its [`ValueRow`].
pub(super) fn version_key(secret: &SecretKey, version: &str) -> Vec<u8> {
    [secret.as_slice(), version.as_bytes()].concat()
}

#[cfg(test)]
impl SecretRow {
    /// A secret about which a test says only what matters to it.
    pub(super) fn for_tests() -> Self {
        SecretRow {
            arn: "arn:aws:secretsmanager:us-east-1:000000000000:secret:s-aaaaaa".into(),
            name: "s".into(),
            description: None,
            kms_key_id: None,
            created: Timestamp::default(),
            changed: Timestamp::default(),
            accessed: None,
            deletion: None,
            tags: BTreeMap::new(),
            stages: Stages::default(),
            creation_token: None,
        }
    }
}
