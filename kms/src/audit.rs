//! The audit chain: one record for every operation, each bound to all before it.
//!
//! Records that commit together are one run: one row of the store, whose hash is an HMAC over the
//! hash of the run before, the numbers of its records and the records. What the chain ends with is
//! kept apart under a MAC of its own, so that a cut tail is found. The record of a change commits
//! in the transaction of the change.

mod chain;
mod verify;

use keyfold::EncryptionContext;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::engine::Caller;
use crate::error::Result;
use crate::hierarchy::{StoreKeys, damaged};

pub(crate) use chain::{Change, Head, append, list, start};
pub(crate) use verify::verify;
pub use verify::{AuditProblem, AuditReport};

/// What is recorded of an operation. Never a plaintext, a key, a secret's value, a token or a
/// context value.
///
/// ```
/// # use keyfold_kms::types::{CreateKeyRequest, EncryptRequest};
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// # let mut request = EncryptRequest {
/// #     key_id: key.key_id.clone(), plaintext: b"1234"[..].into(), ..Default::default()
/// # };
/// request.encryption_context = [("customer", "Alice")].into();
/// engine.call(&owner, &request)?;
///
/// let record = &engine.audit_records(1, 1)?[0];
/// assert_eq!((record.operation.as_str(), record.result.as_str()), ("Encrypt", "ok"));
/// // The names of the context are recorded, its values only as a keyed hash.
/// assert_eq!(record.trail.context_names, ["customer"]);
/// assert!(!format!("{record:?}").contains("Alice"));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    /// The record's number; the first is 1.
    #[serde(default)]
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub time: i64,
    /// The record's own id.
    pub event_id: Uuid,
    /// The id of the request that it belongs to.
    pub request_id: Uuid,
    /// Who asked.
    pub principal: String,
    /// The account of the principal.
    pub account: String,
    /// How the principal proved who it is.
    pub authentication: String,
    /// The operation.
    pub operation: String,
    /// Whether it is one that changes nothing.
    pub read_only: bool,
    /// `ok`, or the name of the error.
    pub result: String,
    /// What the operation was about.
    #[serde(flatten)]
    pub trail: Trail,
}

/// A record before it has a number, as it is stored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Draft<'a> {
    pub time: i64,
    pub event_id: Uuid,
    pub request_id: Uuid,
    pub principal: &'a str,
    pub account: &'a str,
    pub authentication: &'a str,
    pub operation: &'a str,
    pub read_only: bool,
    pub result: &'a str,
    #[serde(flatten)]
    pub trail: &'a Trail,
}

impl<'a> Draft<'a> {
    /// What a caller did, and how it ended.
    pub(crate) fn new(
        caller: &'a Caller,
        now: Timestamp,
        event_id: Uuid,
        (operation, read_only): (&'a str, bool),
        result: &'a str,
        trail: &'a Trail,
    ) -> Self {
        Draft {
            time: now.millis(),
            event_id,
            request_id: caller.request_id().unwrap_or(event_id),
            principal: caller.principal(),
            account: caller.account(),
            authentication: caller.authentication(),
            operation,
            read_only,
            result,
            trail,
        }
    }

    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = Vec::with_capacity(768);
        serde_json::to_writer(&mut json, self).map_err(|_| damaged("an audit record"))?;
        Ok(json)
    }
}

/// What an operation notes while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trail {
    /// The ARNs of the keys, secrets and aliases concerned, the main one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The version of key material used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub material_id: Option<String>,
    /// The alias by which the caller named the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The grant that allowed the operation, or that it was about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// The statement of the key policy that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// Which limit of the caller's credentials refused: `operation`, `key` or `context`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowing: Option<String>,
    /// The names in the encryption context.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub context_names: Vec<String>,
    /// A keyed hash of the whole encryption context, the same for the same context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_hash: Option<String>,
    /// The algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<String>,
    /// What was signed: `RAW` or `DIGEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// Whether it was a dry run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How many bytes came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// How many bytes went out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
}

impl Trail {
    /// Notes a resource, once.
    pub(crate) fn resource(&mut self, arn: impl Into<String>) {
        let arn = arn.into();
        if !self.resources.contains(&arn) {
            self.resources.push(arn);
        }
    }

    /// Notes a context: its names, and a keyed hash of all of it.
    pub(crate) fn context(&mut self, keys: &StoreKeys, context: &EncryptionContext) {
        if let Ok(canonical) = context.to_canonical()
            && !context.is_empty()
        {
            self.context_names = context.iter().map(|(name, _)| name.to_owned()).collect();
            self.context_hash = Some(hex(&keys.audit_mac.mac(&[b"context", &canonical])));
        }
    }
}

/// Lowercase hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
        text
    })
}
