//! ListSecrets and ListSecretVersionIds.

use std::collections::VecDeque;
use std::ops::Bound;

use super::rows::SecretRow;
use super::{check_secret_id, filter, find, invalid, operation, tags_of, versions};
use crate::clock::Timestamp;
use crate::engine::Call;
use crate::error::Result;
use crate::rows as store_rows;
use crate::store::{Record, Table, Txn as _};
use crate::types::{
    ListSecretVersionIdsRequest, ListSecretVersionIdsResponse, ListSecretsRequest,
    ListSecretsResponse, SecretListEntry, SecretVersionsListEntry, SortOrder,
};

/// How many secrets a page looks at before it ends, full or not.
const MAX_SCANNED: usize = 1000;
const STEP: usize = 200;
const MAX_RESULTS: u32 = 100;

operation!(
    ListSecretsRequest => ListSecretsResponse,
    "ListSecrets", read_only: true,
    |request| {
        page_size(request.max_results)?;
        filter::check(&request.filters)
    },
    list_secrets
);

fn list_secrets(request: &ListSecretsRequest, call: &mut Call<'_>) -> Result<ListSecretsResponse> {
    let size = page_size(request.max_results)?;
    let descending = request.sort_order == Some(SortOrder::Descending);
    let list: &[&[u8]] = &[b"ListSecrets", if descending { b"desc" } else { b"asc" }];
    let mut position = position(call, list, request.next_token.as_deref())?;
    let region = call.realm().region.clone();
    let (mut entries, mut scanned) = (Vec::new(), 0);
    while entries.len() < size && scanned < MAX_SCANNED {
        let step = next_rows(call, position.as_deref(), descending)?;
        if step.is_empty() {
            return Ok(ListSecretsResponse { secret_list: entries, next_token: None });
        }
        for (key, bytes) in step {
            position = Some(key);
            scanned += 1;
            let row: SecretRow = store_rows::decode(&bytes, "a secret")?;
            let hidden = row.deletion.is_some() && request.include_planned_deletion != Some(true);
            if !row.is_gone(call.now) && !hidden && filter::passes(&request.filters, &row, &region)
            {
                entries.push(entry(row));
                if entries.len() == size {
                    break;
                }
            }
        }
    }
    let next_token = position.map(|position| call.make_marker(list, &position));
    Ok(ListSecretsResponse { secret_list: entries, next_token })
}

/// Some rows that follow a position, in order; none at the end.
fn next_rows(
    call: &mut Call<'_>,
    position: Option<&[u8]>,
    descending: bool,
) -> Result<Vec<Record>> {
    if !descending {
        let from = position.map_or(Bound::Unbounded, Bound::Excluded);
        return Ok(call.txn.scan(Table::Secrets, (from, Bound::Unbounded), STEP)?);
    }
    // The store only walks upwards: of all before the position, the last few are the next ones.
    let to = position.map_or(Bound::Unbounded, Bound::Excluded);
    let (mut last, mut from) = (VecDeque::new(), None::<Vec<u8>>);
    loop {
        let low = from.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let step = call.txn.scan(Table::Secrets, (low, to), STEP)?;
        let Some((end, _)) = step.last() else { break };
        from = Some(end.clone());
        last.extend(step);
        last.drain(..last.len().saturating_sub(STEP));
    }
    Ok(last.into_iter().rev().collect())
}

fn entry(row: SecretRow) -> SecretListEntry {
    SecretListEntry {
        tags: tags_of(&row),
        secret_versions_to_stages: row.stages.by_version(),
        arn: row.arn,
        name: row.name,
        description: row.description,
        kms_key_id: row.kms_key_id,
        last_changed_date: row.changed,
        last_accessed_date: row.accessed,
        deleted_date: row.deletion,
        created_date: row.created,
    }
}

operation!(
    ListSecretVersionIdsRequest => ListSecretVersionIdsResponse,
    "ListSecretVersionIds", read_only: true,
    |request| {
        check_secret_id(&request.secret_id)?;
        page_size(request.max_results).map(|_| ())
    },
    list_versions
);

fn list_versions(
    request: &ListSecretVersionIdsRequest,
    call: &mut Call<'_>,
) -> Result<ListSecretVersionIdsResponse> {
    let size = page_size(request.max_results)?;
    let secret = find(call, &request.secret_id)?;
    let list: &[&[u8]] = &[b"ListSecretVersionIds", &secret.key];
    let after = position(call, list, request.next_token.as_deref())?;
    let mut found: Vec<(Vec<u8>, SecretVersionsListEntry)> = versions(&mut call.txn, &secret)?
        .into_iter()
        .map(|(id, version)| {
            let entry = SecretVersionsListEntry {
                version_stages: secret.row.stages.of(&id),
                last_accessed_date: version.accessed,
                created_date: version.created,
                kms_key_ids: vec![version.kms_key],
                version_id: id,
            };
            (newest_first(entry.created_date, &entry.version_id), entry)
        })
        .filter(|(key, entry)| {
            let deprecated = entry.version_stages.is_empty();
            (!deprecated || request.include_deprecated == Some(true))
                && after.as_ref().is_none_or(|after| key > after)
        })
        .collect();
    found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let more = found.len() > size;
    found.truncate(size);
    let next_token =
        found.last().filter(|_| more).map(|(position, _)| call.make_marker(list, position));
    Ok(ListSecretVersionIdsResponse {
        versions: found.into_iter().map(|(_, entry)| entry).collect(),
        next_token,
        arn: secret.row.arn,
        name: secret.row.name,
    })
}

/// The number of items on a page.
fn page_size(max_results: Option<u32>) -> Result<usize> {
    match max_results {
        None => Ok(MAX_RESULTS as usize),
        Some(results @ 1..=MAX_RESULTS) => Ok(results as usize),
        Some(_) => Err(invalid("MaxResults must be 1 to 100")),
    }
}

/// Where the page before ended.
fn position(call: &Call<'_>, list: &[&[u8]], token: Option<&str>) -> Result<Option<Vec<u8>>> {
    token.map(|token| call.read_marker(list, token)).transpose()
}

/// Bytes whose order is that of the list of versions.
fn newest_first(created: Timestamp, id: &str) -> Vec<u8> {
    let back = created.sort_key().map(|byte| !byte);
    [back.as_slice(), id.as_bytes()].concat()
}
