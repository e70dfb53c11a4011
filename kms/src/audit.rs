//! The audit chain: one record for every operation, each bound to all before it.
//!
//! A record's hash is `HMAC-SHA-256(audit key, previous hash | number | record)`; the number and
//! hash of the last one are kept apart under a MAC of their own, so that a cut tail is found.
//! The record of a change commits in the transaction of the change.

use std::fmt;
use std::ops::Bound;

use keyfold::EncryptionContext;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::Result;
use crate::hierarchy::{StoreKeys, damaged};
use crate::store::{Table, Txn};

const HASH_LEN: usize = 32;
/// The key of the head in [`Table::Config`].
const HEAD: &[u8] = b"audit-head";
/// How many records a walk reads at a time.
const STEP: usize = 512;

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

/// Number and hash of the last record.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Head {
    seq: u64,
    hash: [u8; HASH_LEN],
}

impl Head {
    /// What stands before the first record.
    const NONE: Head = Head { seq: 0, hash: [0; HASH_LEN] };

    fn read(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<Option<Self>> {
        Ok(txn.get(Table::Config, HEAD)?.and_then(|bytes| Self::decode(&bytes, keys)))
    }

    fn decode(bytes: &[u8], keys: &StoreKeys) -> Option<Self> {
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, mac) = rest.split_first_chunk::<HASH_LEN>()?;
        let head = Head { seq: u64::from_be_bytes(*seq), hash: *hash };
        keyfold::crypto::hash::constant_time_eq(&head.mac(keys), mac).then_some(head)
    }

    fn write(&self, txn: &mut dyn Txn, keys: &StoreKeys) -> Result<()> {
        let bytes = [&self.seq.to_be_bytes()[..], &self.hash, &self.mac(keys)].concat();
        Ok(txn.put(Table::Config, HEAD, &bytes)?)
    }

    fn mac(&self, keys: &StoreKeys) -> [u8; 32] {
        keys.audit_mac.mac(&[b"head", &self.seq.to_be_bytes(), &self.hash])
    }
}

/// A stored record: the hash of the one before, its own hash, its JSON.
struct Link<'a> {
    previous: &'a [u8; HASH_LEN],
    hash: &'a [u8; HASH_LEN],
    json: &'a [u8],
}

impl<'a> Link<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (previous, rest) = bytes.split_first_chunk()?;
        let (hash, json) = rest.split_first_chunk()?;
        Some(Link { previous, hash, json })
    }

    /// Whether the record is one that this store wrote, under this number.
    fn is_authentic(&self, keys: &StoreKeys, seq: u64) -> bool {
        let expected = link_hash(keys, self.previous, seq, self.json);
        keyfold::crypto::hash::constant_time_eq(&expected, self.hash)
    }
}

fn link_hash(keys: &StoreKeys, previous: &[u8], seq: u64, json: &[u8]) -> [u8; HASH_LEN] {
    keys.audit_mac.mac(&[b"record", previous, &seq.to_be_bytes(), json])
}

/// Begins the chain of a new store.
pub(crate) fn start(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<()> {
    Head::NONE.write(txn, keys)
}

/// Appends a record, whose number is given here.
pub(crate) fn append(txn: &mut dyn Txn, keys: &StoreKeys, mut record: AuditRecord) -> Result<()> {
    let head = Head::read(txn, keys)?.ok_or_else(|| damaged("the head of the audit chain"))?;
    record.seq = head.seq + 1;
    let json = serde_json::to_vec(&record).map_err(|_| damaged("an audit record"))?;
    let hash = link_hash(keys, &head.hash, record.seq, &json);
    txn.put(Table::Audit, &record.seq.to_be_bytes(), &[&head.hash[..], &hash, &json].concat())?;
    Head { seq: record.seq, hash }.write(txn, keys)
}

/// At most `limit` records after a number, oldest first; what cannot be read is left out, and
/// [`verify`] tells of it.
pub(crate) fn list(txn: &mut dyn Txn, after: u64, limit: usize) -> Result<Vec<AuditRecord>> {
    let after = after.to_be_bytes();
    let rows = txn.scan(Table::Audit, (Bound::Excluded(&after), Bound::Unbounded), limit)?;
    Ok(rows
        .iter()
        .filter_map(|(_, bytes)| serde_json::from_slice(Link::decode(bytes)?.json).ok())
        .collect())
}

/// What is wrong with an audit chain.
///
/// ```
/// use keyfold_kms::audit::AuditProblem;
///
/// let problem = AuditProblem::Removed { from: 7, to: 9 };
/// assert_eq!(problem.to_string(), "records 7 to 9 are missing");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditProblem {
    /// Records are missing from the middle, or from the beginning.
    Removed {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// A record is not what was written.
    Altered {
        /// Its number.
        seq: u64,
    },
    /// A record stands in the place of another.
    Reordered {
        /// The number of the place.
        seq: u64,
        /// The number that the record says.
        found: u64,
    },
    /// A record does not follow from the one before it: one of them is of another history.
    Unlinked {
        /// Its number.
        seq: u64,
    },
    /// The end is missing.
    Truncated {
        /// The last number that is there.
        last: u64,
        /// The last number that was written.
        expected: u64,
    },
    /// There are records beyond the end.
    Appended {
        /// The last number that was written.
        expected: u64,
        /// The last number that is there.
        last: u64,
    },
    /// The record of the chain's end is missing or altered.
    Head,
}

impl fmt::Display for AuditProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditProblem::Removed { from, to } if from == to => {
                write!(f, "record {from} is missing")
            }
            AuditProblem::Removed { from, to } => write!(f, "records {from} to {to} are missing"),
            AuditProblem::Altered { seq } => write!(f, "record {seq} was altered"),
            AuditProblem::Reordered { seq, found } => {
                write!(f, "record {found} stands in the place of record {seq}")
            }
            AuditProblem::Unlinked { seq } => {
                write!(f, "record {seq} does not follow from the one before it")
            }
            AuditProblem::Truncated { last, expected } => {
                write!(f, "the chain ends at record {last}, but record {expected} was written")
            }
            AuditProblem::Appended { expected, last } => {
                write!(f, "records after {expected} up to {last} were added")
            }
            AuditProblem::Head => {
                f.write_str("the record of the chain's end is missing or altered")
            }
        }
    }
}

/// What [`crate::Engine::verify_audit`] found.
///
/// ```
/// # use keyfold_kms::types::CreateKeyRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// # let key = engine.call(&owner, &CreateKeyRequest::default())?.key_metadata;
/// let kept = engine.verify_audit()?; // keep `last` and `head` on another machine
/// engine.call(&owner, &CreateKeyRequest::default())?;
///
/// // A store that was set back to an older copy is sound, but ends before what was kept.
/// let now = engine.verify_audit()?;
/// assert!(now.is_sound() && now.last >= kept.last);
/// assert_ne!(now.head, kept.head);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// How many records there are.
    pub records: u64,
    /// The number of the last one, as the chain's end has it.
    pub last: u64,
    /// The hash of the last one: keep it elsewhere to recognise a store that was set back.
    pub head: [u8; 32],
    /// Everything that is wrong, at most 1000 entries; nothing in a sound chain.
    pub problems: Vec<AuditProblem>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    const MAX_PROBLEMS: usize = 1000;

    fn add(&mut self, problem: AuditProblem) {
        if self.problems.len() < Self::MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Walks the chain from its first record to its last.
pub(crate) fn verify(txn: &mut dyn Txn, keys: &StoreKeys) -> Result<AuditReport> {
    let head = Head::read(txn, keys)?;
    let mut report = AuditReport { records: 0, last: 0, head: Head::NONE.hash, problems: vec![] };
    // The last place walked over, and its hash where that is known to be right.
    let (mut last, mut previous) = (0u64, Some(Head::NONE.hash));
    loop {
        let from = last.to_be_bytes();
        let rows = txn.scan(Table::Audit, (Bound::Excluded(&from), Bound::Unbounded), STEP)?;
        let full = rows.len() == STEP;
        for (key, bytes) in rows {
            let seq = key.try_into().map_or(0, u64::from_be_bytes);
            report.records += 1;
            if seq > last + 1 {
                report.add(AuditProblem::Removed { from: last + 1, to: seq - 1 });
                previous = None;
            }
            previous = check_link(&mut report, keys, seq, &bytes, previous);
            last = seq;
        }
        if !full {
            break;
        }
    }
    match head {
        Some(head) => {
            report.last = head.seq;
            report.head = head.hash;
            if last < head.seq {
                report.add(AuditProblem::Truncated { last, expected: head.seq });
            } else if last > head.seq {
                report.add(AuditProblem::Appended { expected: head.seq, last });
            } else if previous.is_some_and(|hash| hash != head.hash) {
                report.add(AuditProblem::Unlinked { seq: last });
            }
        }
        None => report.add(AuditProblem::Head),
    }
    Ok(report)
}

/// Checks one record; answers its hash where it is authentic.
fn check_link(
    report: &mut AuditReport,
    keys: &StoreKeys,
    seq: u64,
    bytes: &[u8],
    previous: Option<[u8; HASH_LEN]>,
) -> Option<[u8; HASH_LEN]> {
    let Some(link) = Link::decode(bytes) else {
        report.add(AuditProblem::Altered { seq });
        return None;
    };
    if !link.is_authentic(keys, seq) {
        let says = serde_json::from_slice::<AuditRecord>(link.json).map_or(seq, |r| r.seq);
        report.add(if says != seq && link.is_authentic(keys, says) {
            AuditProblem::Reordered { seq, found: says }
        } else {
            AuditProblem::Altered { seq }
        });
        return None;
    }
    if previous.is_some_and(|previous| previous != *link.previous) {
        report.add(AuditProblem::Unlinked { seq });
    }
    Some(*link.hash)
}
