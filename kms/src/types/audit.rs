//! The audit chain, read from elsewhere.

use serde::{Deserialize, Serialize};

use crate::audit::AuditRecord;

/// Lists what was asked of the KMS, the newest record first. Whoever may read it reads of all
/// keys: the caller's own role must allow `keyfold:ListAuditRecords`, and credentials that are
/// limited to some keys never do.
///
/// ```
/// # use keyfold_kms::types::CreateKeyRequest;
/// # let engine = keyfold_kms::Engine::in_memory()?;
/// # let owner = engine.owner();
/// # engine.call(&owner, &CreateKeyRequest::default())?;
/// use keyfold_kms::types::ListAuditRecordsRequest;
///
/// let page = engine.call(&owner, &ListAuditRecordsRequest::default())?;
/// assert_eq!((page.records[0].seq, page.records[0].operation.as_str()), (1, "CreateKey"));
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub struct ListAuditRecordsRequest {
    /// 1 to 1000, 100 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `NextMarker` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// One page of the audit chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListAuditRecordsResponse {
    /// The records, the newest first. What cannot be read is left out: a gap in the numbers tells
    /// of it, and `keyfold audit verify` names it.
    pub records: Vec<AuditRecord>,
    /// Whether there are older ones.
    pub truncated: bool,
    /// Where the next page starts; only when truncated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
}
