//! ListAuditRecords.

use super::{Call, Operation, pages};
use crate::audit::{self, Head};
use crate::error::Result;
use crate::hierarchy::damaged;
use crate::types::{ListAuditRecordsRequest, ListAuditRecordsResponse};

const MAX: u32 = 1000;
const LIST: &[&[u8]] = &[b"ListAuditRecords"];

impl Operation for ListAuditRecordsRequest {
    type Response = ListAuditRecordsResponse;
    const NAME: &'static str = "ListAuditRecords";
    const READ_ONLY: bool = true;
    const SERVICE: &'static str = "keyfold";

    fn validate(&self) -> Result<()> {
        pages::validate(self.limit, self.marker.as_deref(), MAX)
    }

    fn run(&self, call: &mut Call<'_>) -> Result<ListAuditRecordsResponse> {
        call.authorize_account("keyfold:ListAuditRecords")?;
        // Records are of all keys.
        call.require_no_limit()?;
        let newest = if let Some(marker) = self.marker.as_deref() {
            let last = call.read_marker(LIST, marker)?;
            u64::from_be_bytes(last.try_into().map_err(|_| damaged("a marker"))?)
        } else {
            let keys = &call.engine.keys;
            Head::read(&mut call.txn, keys)?.ok_or_else(|| damaged("the audit head"))?.seq
        };
        let size = pages::size(self.limit, 100);
        let older = newest.saturating_sub(size as u64);
        let mut records = audit::list(&mut call.txn, older, size)?;
        // One that is missing must not bring in one of the page before.
        records.retain(|record| record.seq <= newest);
        records.reverse();
        let next_marker = (older > 0).then(|| call.make_marker(LIST, &older.to_be_bytes()));
        Ok(ListAuditRecordsResponse { records, truncated: older > 0, next_marker })
    }
}
